"""The flag is an enum, a counter, a None, a list, a match, a property of the State."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


class Phase(enum.Enum):
    NEW = 1
    DONE = 2


@dataclass(frozen=True)
class Build(Story):
    I.by_enum
    I.by_count
    I.by_none
    I.by_match
    I.by_property
    I.build

    class State(StoryState):
        phase: Phase = Phase.NEW
        builds: int = 0
        builder: str | None = None
        used: list[str] = []
        artifact: str = variable()

        @property
        def is_built(self) -> bool:
            return self.phase is Phase.DONE

    def by_enum(self, state: State) -> None:
        if state.phase == Phase.DONE:
            state.used.append(state.artifact)

    def by_count(self, state: State) -> None:
        if state.builds > 0:
            state.used.append(state.artifact)

    def by_none(self, state: State) -> None:
        if state.builder is None:
            return
        state.used.append(state.artifact)

    def by_match(self, state: State) -> None:
        match state.phase:
            case Phase.NEW:
                state.used.append("new")
            case Phase.DONE:
                state.used.append(state.artifact)

    def by_property(self, state: State) -> None:
        if state.is_built:
            state.used.append(state.artifact)

    def build(self, state: State) -> None:
        state.artifact = "a"
        state.builds += 1
        state.builder = "me"
        state.phase = Phase.DONE


state = Build.State()
Build()(state)
assert state.used == ["new"]
Build()(state)
assert state.used == ["new", "a", "a", "a", "a", "a"]
