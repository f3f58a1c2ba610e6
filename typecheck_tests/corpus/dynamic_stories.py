"""Stories made by functions, closures, `type`, with `__getattr__`, with step lists of one's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from dddkit.stories import I, Story, StoryState, steps

T = TypeVar("T")


class St(StoryState):
    log: list[str] = []


def make(name: str, *, loud: bool = False) -> Story:
    class Made(Story):
        I.go
        if loud:
            I.shout

        class State(St):
            pass

        def go(self, state: State) -> None:
            state.log.append(name)

        def shout(self, state: State) -> None:
            state.log.append(name.upper())

    return Made()


class ByName(Story):
    I.first
    I.second

    State = St

    def __getattr__(self, name: str) -> Callable[[St], None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda state: state.log.append(name)


class BySetattr(Story):
    I.planted

    State = St

    def __init__(self, step: Callable[[St], None]) -> None:
        setattr(self, "planted", step)


def mixed_in(*bases: type) -> type[Story]:
    made: type[Story] = type("MixedIn", (*bases, Story), {"__module__": __name__})
    return made


@dataclass(frozen=True)
class Typed(Story):
    I: ClassVar[Typed] = steps()
    I.one
    I.two

    State = St
    times: int = 1

    def one(self, state: St) -> None:
        state.log.extend(["one"] * self.times)

    def two(self, state: St) -> None:
        state.log.append("two")


class Batch(Story, Generic[T]):
    I: ClassVar[Batch[Any]] = steps()
    I.sort

    def sort(self, state: list[T]) -> None:
        state.reverse()


class Outer:
    """A namespace of stories that see each other late."""

    class Inner(Story):
        I.go

        State = St

        def go(self, state: St) -> None:
            state.log.append(Outer.name)

    name = "outer"


state = St()
stories: list[Any] = [
    make("a"),
    make("b", loud=True),
    ByName(),
    BySetattr(lambda state: state.log.append("p")),
    Typed(2),
]
for story in [*stories, Outer.Inner()]:
    story(state)
assert state.log == ["a", "b", "B", "first", "second", "p", "one", "one", "two", "outer"]
numbers = [1, 2]
Batch[int]()(numbers)
assert numbers == [2, 1]
assert issubclass(mixed_in(), Story)
