from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

import attrs

from dddkit.stories import Story, StoryState

T = TypeVar("T")


class St(StoryState):
    n: int = 0


class OnlyState(Story):  # E: dddkit-empty-story
    class State(SimpleNamespace):
        n: int


@attrs.frozen
class OnlySteps(Story):  # E: dddkit-empty-story
    def go(self, state: St) -> None: ...


class Inherits(OnlySteps):  # E: dddkit-empty-story
    async def come(self, state: St) -> None: ...


class AliasedState(Story):  # E: dddkit-empty-story
    State = St


class OfGeneric(Story, Generic[T]):  # E: dddkit-empty-story
    class State(StoryState):
        n: int

    value: T

    def __init__(self, value: T) -> None:
        self.value = value


def kept(function: Callable[[Any, St], None]) -> Callable[[Any, St], None]:
    return function


class Decorated(Story):  # E: dddkit-empty-story
    @kept
    def go(self, state: St) -> None: ...


def make() -> type[Story]:
    class Local(Story):  # E: dddkit-empty-story
        class State(StoryState):
            pass

        @staticmethod
        def go(state: State) -> None: ...

    return Local
