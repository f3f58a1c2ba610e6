"""What checkers say about the vocabulary of durable stories. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import assert_type

from dddkit.exceptions import DDDKitError, RunCancelledError, SignalTimeoutError, StoryChangedError
from dddkit.stories import I, Story, StoryState, step_key, variable
from dddkit.stories.durable import Delay, Retry, RunStatus, Signal


@dataclass(frozen=True, slots=True)
class Checkout(Story):
    I.approval
    I.pause
    I.charge

    class State(StoryState):
        approved: bool = variable()
        payment: str = variable()

    approval: Callable[[State], Awaitable[None]]
    pause: Callable[[State], None]

    async def charge(self, state: State) -> None:
        state.payment = step_key()


async def approve(state: Checkout.State) -> None:
    state.approved = True


# Signals and delays stand where functions stand.
Checkout(Signal("approval", into="approved", within=timedelta(hours=1)), Delay(minutes=5))
Checkout(approve, Delay(90))
Checkout(Signal("approval", into="approved"), print)

Signal("approval")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # into which field
Signal("approval", "approved")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by keyword
Delay("5 minutes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # seconds

retry = Retry(on=(ConnectionError, TimeoutError), attempts=5, wait=1.0, timeout=10.0)
assert_type(retry.on, "tuple[type[Exception], ...]")
assert_type(retry.timeout, "float | None")
Retry(on=ConnectionError)
Retry()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no default for `on`
Retry(on=KeyboardInterrupt)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # ends the process
retry.attempts = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # frozen

assert_type(step_key(), str)
assert_type(RunStatus("waiting"), RunStatus)
assert_type(RunStatus("waiting").is_finished, bool)


def read(changed: StoryChangedError, late: SignalTimeoutError, cancelled: RunCancelledError) -> None:
    assert_type(changed.step, "str | None")
    assert_type(late.seconds, float)
    assert_type(cancelled.undone, "tuple[str, ...]")
    errors: list[DDDKitError] = [changed, late, cancelled]
    timeout: TimeoutError = late
    print(errors, timeout)
