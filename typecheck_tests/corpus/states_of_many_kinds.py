"""StoryStates: several parents, Final, properties, methods, generic, replaced, compared, made variable later."""

from __future__ import annotations

import copy
import enum
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, Optional, TypeVar

from dddkit.stories import I, Story, StoryState, variable

T = TypeVar("T")


class Mode(enum.Enum):
    FAST = 1


class Timed(StoryState):
    started: Final[float] = 0.0
    ended: float = variable()


class Named(StoryState):
    name: str
    labels: dict[str, str] = {}
    KINDS: ClassVar[tuple[str, ...]] = ("a", "b")

    @property
    def title(self) -> str:
        return self.name.title()

    @cached_property
    def size(self) -> int:
        return len(self.name)


class Paged(StoryState, Generic[T]):
    items: list[T] = []
    page: Optional[int] = None
    first: T = variable()


class List(Story):
    I.fill
    I.first
    I.end

    class State(Timed, Named, Paged[str]):
        mode: Literal["x"] | Mode = Mode.FAST
        limit: Annotated[int, "limit"] = 3
        extra: Any = None

        def take(self) -> list[str]:
            return self.items[: self.limit]

        def __len__(self) -> int:
            return len(self.items)

    def fill(self, state: State) -> None:
        state.items.extend([state.title, *state.KINDS, *state.labels])

    def first(self, state: State) -> None:
        state.first = state.take()[0]

    def end(self, state: State) -> None:
        state.ended = state.started + len(state) + state.size
        state.extra = state.first


class Resumable(List):
    class State(List.State):
        ended: float = 0.0

        @classmethod
        def new(cls) -> Resumable.State:
            return cls(name="new")


state = List.State(name="ada", labels={"l": "1"})
List()(state)
assert (state.first, state.ended, state.take()) == ("Ada", 7.0, ["Ada", "a", "b"])
again = copy.deepcopy(state)
assert again == state
resumed = Resumable.State.new()
assert resumed.ended == 0.0
Resumable()(resumed)
assert resumed.extra == "New"
