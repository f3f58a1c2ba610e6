"""Variables set on every way to the read: branches, match, loops, try, nested functions, own attributes."""

from __future__ import annotations

from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


@dataclass(frozen=True)
class Route(Story):
    I.choose
    I.refine
    I.retry
    I.use
    I.swap

    class State(StoryState):
        distance: int
        by: str = variable()
        cost: int = variable()
        attempts: int = variable()
        best: int = variable()
        log: list[str] = []

    limit: int = 10

    def choose(self, state: State) -> None:
        if state.distance > self.limit:
            state.by = "train"
        elif state.distance:
            state.by = "bike"
        else:
            raise ValueError(state.distance)
        assert state.by

    def refine(self, state: State) -> None:
        match state.by:
            case "train":
                state.cost = state.distance * 2
            case _:
                state.cost = 0
        state.log.append(f"{state.by} {state.cost}")

    def retry(self, state: State) -> None:
        state.attempts = 0
        while state.attempts < 3:
            state.attempts += 1
            try:
                state.best = min(state.attempts, state.cost)
            finally:
                state.log.append(str(state.attempts))

    def use(self, state: State) -> None:
        def describe(best: int = state.best) -> str:
            return f"{best} {state.attempts}"

        state.log.append(describe())
        state.log.extend(f"{name}" for name in (state.by, state.cost))

    def swap(self, state: State) -> None:
        state.cost, state.best = state.best, state.cost
        del state.by
        state.by = "walk"
        state.log.append(state.by)


state = Route.State(distance=20)
Route()(state)
assert state.log == ["train 40", "1", "2", "3", "3 3", "train", "40", "walk"]
assert (state.cost, state.best) == (3, 40)
