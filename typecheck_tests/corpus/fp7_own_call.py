"""A story's own `__call__` sets what the steps read, or runs other steps first."""

from dataclasses import dataclass
from typing import Any

from dddkit.stories import I, Story, StoryState, variable


@dataclass(frozen=True)
class Timed(Story):
    I.say
    I.stop

    class State(StoryState):
        said: list[str] = []
        started: float = variable()

    now: float = 1.5

    def __call__(self, state: State, /) -> Any:
        state.started = self.now
        return super().__call__(state)

    def say(self, state: State) -> None:
        state.said.append(f"started at {state.started}")

    def stop(self, state: State) -> None:
        state.started = 0.0


class Prepared(Timed):
    """Inherits the `__call__`."""

    I.look
    I.stop

    def look(self, state: Timed.State) -> None:
        state.said.append(str(state.started))


class Preparing:
    """A mixin that prepares."""

    def __call__(self, state: Any, /) -> Any:
        state.limit = 3
        return super().__call__(state)  # type: ignore[misc]


class Limited(Preparing, Story):
    I.check
    I.raise_it

    class State(StoryState):
        limit: int = variable()

    def check(self, state: State) -> None:
        assert state.limit >= 3

    def raise_it(self, state: State) -> None:
        state.limit = state.limit + 1


timed = Timed.State()
Timed()(timed)
Prepared()(timed)
assert timed.said == ["started at 1.5", "1.5"]
Limited()(Limited.State())
