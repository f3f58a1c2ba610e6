"""A read behind a flag that the setting step raises: it is the caller who runs the story twice."""

from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


@dataclass(frozen=True)
class Retry(Story):
    I.report
    I.again
    I.use
    I.attempt

    class State(StoryState):
        attempts: int = 0
        failed: bool = False
        log: list[str] = []
        reason: str = variable()

    def report(self, state: State) -> None:
        if state.failed:
            state.log.append(state.reason)

    def again(self, state: State) -> None:
        while state.failed:
            state.log.append(f"again: {state.reason}")
            break

    def use(self, state: State) -> None:
        text = state.reason if state.failed else "none"
        state.log.append(text)
        assert not state.failed or state.reason
        _ = state.failed and state.log.append(state.reason.upper())  # type: ignore[func-returns-value]

    def attempt(self, state: State) -> None:
        state.attempts += 1
        state.reason = f"failure {state.attempts}"
        state.failed = True


state = Retry.State()
Retry()(state)
assert state.log == ["none"]
Retry()(state)
assert state.log == ["none", "failure 1", "again: failure 1", "failure 1", "FAILURE 1"]
