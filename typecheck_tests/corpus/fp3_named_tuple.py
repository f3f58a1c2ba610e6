"""A NamedTuple of things that change, nested and inherited and from `collections`."""

from collections import namedtuple
from typing import Any, NamedTuple

from dddkit.stories import I, Story


class Log(Story):
    I.open
    I.close

    class State(NamedTuple):
        lines: list[str]
        level: int = 0

    def open(self, state: State) -> None:
        state.lines.append(f"open {state.level}")

    def close(self, state: State) -> None:
        lines, _ = state
        lines.append("close")


class Pair(NamedTuple):
    left: list[int]
    right: list[int]


class Swap(Story):
    I.swap

    class State(Pair):
        @property
        def total(self) -> int:
            return sum(self.left) + sum(self.right)

    def swap(self, state: State) -> None:
        state.left[:], state.right[:] = state.right[:], state.left[:]
        self.check(state)

    def check(self, state: tuple[list[int], list[int]]) -> None:
        assert len(state) == 2


Untyped = namedtuple("Untyped", "bag size")


class Fill(Story):
    I.fill

    State = Untyped

    def fill(self, state: Untyped) -> None:
        bag: list[Any] = state.bag
        bag.extend(range(state.size))


log = Log.State([])
Log()(log)
assert log.lines == ["open 0", "close"]
pair = Swap.State([1], [2])
Swap()(pair)
assert (pair.left, pair.total) == ([2], 3)
box = Untyped([], 2)
Fill()(box)
assert box.bag == [0, 1]
