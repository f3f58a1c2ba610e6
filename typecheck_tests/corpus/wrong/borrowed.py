"""Borrowed steps, generic and other States, callables: what stays wrong beside the shapes that are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from dddkit.stories import I, Story, StoryState

T = TypeVar("T")


class St(StoryState):
    n: int = 0


class Other(StoryState):
    m: int = 0


def of_three(state: St, number: int, text: str) -> None: ...


def of_other(state: Other) -> None: ...


def nothing() -> None: ...


class Borrow(Story):
    I.three  # E: dddkit-step-signature
    I.inferred  # E: dddkit-step-state
    I.bare  # E: dddkit-step-signature

    State = St

    three: ClassVar[Callable[[St, int, str], None]] = staticmethod(of_three)
    inferred = staticmethod(of_other)

    @staticmethod
    def bare() -> None: ...


class Box(StoryState, Generic[T]):
    content: T


class OfBox(Story):
    I.look  # E: dddkit-step-state
    I.fit

    State = Box

    def look(self, state: Other) -> None: ...

    def fit(self, state: Box[Any]) -> None: ...


class OfPair(Story):
    I.look
    I.wrong  # E: dddkit-step-state

    class State(NamedTuple):
        left: int

    def look(self, state: State) -> None: ...

    def wrong(self, state: St) -> None: ...


@dataclass(frozen=True)
class Twice(Story):
    I.later
    I.once  # E: dddkit-step-signature

    State = St
    later: Callable[[St], None]
    once: Callable[[], None] = nothing


OfBox()(Other())  # E: dddkit-story-state
OfBox()(Box(content=1))
takes_other: Callable[[Other], object] = OfPair()  # E: assignment
takes_none: Callable[[], object] = OfBox()  # E: assignment
list(map(OfPair(), [Other()]))  # E: arg-type
