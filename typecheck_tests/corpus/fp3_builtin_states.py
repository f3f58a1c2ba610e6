"""Nothing but builtins: dict, list, an int subclass, a union alias, a tuple of lists, `object`."""

from collections import Counter, deque
from collections.abc import MutableMapping
from typing import Any, Union

from typing_extensions import TypeAlias

from dddkit.stories import I, Story


class Tally(Story):
    I.count
    I.drop

    class State(dict[str, int]):
        pass

    def count(self, state: MutableMapping[str, int]) -> None:
        state["n"] = state.get("n", 0) + 1

    def drop(self, state: State) -> None:
        state.pop("m", None)


class Words(Story):
    I.count

    State = Counter[str]

    def count(self, state: Counter[str]) -> None:
        state.update("ab")


class Line(Story):
    I.push

    State: TypeAlias = "deque[int]"

    def push(self, state: "deque[int]") -> None:
        state.append(1)


IntOrText: TypeAlias = Union[list[int], list[str]]


class Clear(Story):
    I.clear

    State: TypeAlias = IntOrText

    def clear(self, state: IntOrText) -> None:
        state.clear()


class Anything(Story):
    I.look

    State = object

    def look(self, state: object) -> None:
        assert state is not None


def fill(story: Any, state: Any) -> None:
    story(state)


tally = Tally.State()
Tally()(tally)
assert tally == {"n": 1}
words: Counter[str] = Counter()
Words()(words)
assert words["a"] == 1
line: deque[int] = deque()
Line()(line)
assert list(line) == [1]
ints = [1]
Clear()(ints)
assert not ints
Anything()(ints)
fill(Anything(), line)
