"""Retries of durable steps: what is tried again, with which state, and what is rejected."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import pytest

from dddkit.exceptions import CompensationError, RunCancelledError
from dddkit.stories import I, Story, StoryState, compensates, inject_hooks, step_key, variable
from dddkit.stories.durable import Delay, Retry, Signal
from dddkit.testing._journal import Place
from tests.durable.running import Running
from tests.stories.recording import Recorder
from tests.stories.shop import Declined

of: Final[Any] = Retry
"""With arguments that checkers reject."""

AT_ONCE = Retry(on=ConnectionError, attempts=3, wait=0)


class Gateway:
    """Raises what it is given, one error at each call."""

    def __init__(self, *errors: BaseException | None) -> None:
        self.errors = list(errors)
        self.keys: list[str] = []

    def call(self) -> None:
        self.keys.append(step_key())
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error


@dataclasses.dataclass(frozen=True)
class Checkout(Story):
    I.reserve
    I.charge

    class State(StoryState):
        log: list[str] = []
        half: int = variable()

    gateway: Gateway
    refunds: Gateway = dataclasses.field(default_factory=Gateway)

    async def reserve(self, state: State) -> None:
        state.log.append("reserve")

    @compensates(reserve)
    async def release(self, state: State) -> None:
        state.log.append("release")
        self.refunds.call()

    async def charge(self, state: State) -> None:
        assert not hasattr(state, "half")
        state.half = 1
        state.log.append("charge")
        self.gateway.call()


def run(gateway: Gateway, retries: Mapping[str, Retry], **options: Any) -> Running[Checkout.State]:
    return Running(Checkout(gateway, **options), Checkout.State(), retries=retries)


def test_each_attempt_begins_with_the_recorded_state_and_has_the_same_key() -> None:
    gateway = Gateway(ConnectionError(), ConnectionError())
    ended = run(gateway, {"charge": AT_ONCE}).once()
    assert ended.log == ["reserve", "charge"]
    assert gateway.keys == ["checkout/order-1/charge"] * 3


def test_after_the_last_attempt_the_step_has_failed_with_its_error() -> None:
    gateway = Gateway(*[ConnectionError(str(number)) for number in range(5)])
    running = run(gateway, {"charge": AT_ONCE})
    with pytest.raises(ConnectionError, match="2"):
        running.once()
    assert len(gateway.keys) == 3
    assert running.status == "undone"


def test_what_is_not_named_is_not_tried_again() -> None:
    gateway = Gateway(Declined("card"))
    with pytest.raises(Declined):
        run(gateway, {"charge": AT_ONCE}).once()
    assert len(gateway.keys) == 1


def test_a_compensation_is_retried_under_the_name_of_its_method() -> None:
    refunds = Gateway(ConnectionError(), ConnectionError())
    running = run(Gateway(Declined("card")), {"release": AT_ONCE}, refunds=refunds)
    with pytest.raises(Declined):
        running.once()
    assert refunds.keys == ["checkout/order-1/undo:reserve"] * 3
    assert running.outcome["state"]["log"] == ["reserve", "charge", "release"]


def test_a_compensation_that_fails_for_good_is_a_compensation_error() -> None:
    refunds = Gateway(*[ConnectionError()] * 3)
    with pytest.raises(CompensationError):
        run(Gateway(Declined("card")), {"release": AT_ONCE}, refunds=refunds).once()
    assert len(refunds.keys) == 3


def test_hooks_see_a_step_and_not_its_attempts() -> None:
    class Hooked(Checkout):
        pass

    log: list[str] = []
    inject_hooks(Hooked, [Recorder("hook", log)])
    Running(Hooked(Gateway(ConnectionError())), Hooked.State(), retries={"charge": AT_ONCE}).once()
    assert [line for line in log if line.endswith("charge")] == [
        *("hook enter charge", "hook before charge", "hook after charge", "hook leave charge"),
    ]


def test_a_process_that_ends_is_no_attempt() -> None:
    gateway = Gateway(asyncio.CancelledError())
    running = run(gateway, {"charge": dataclasses.replace(AT_ONCE, attempts=1)})
    with pytest.raises(asyncio.CancelledError):
        running.once()
    running.journal.begin()
    running.once()
    assert len(gateway.keys) == 2


def test_a_crash_in_a_step_gives_it_all_its_attempts_again() -> None:
    gateway = Gateway(ConnectionError(), None, ConnectionError(), ConnectionError())
    running = Running(
        Checkout(gateway), Checkout.State(), retries={"charge": AT_ONCE}, crashes=[Place(1, "after body")]
    )
    assert running.to_the_end().log == ["reserve", "charge"]
    assert len(gateway.keys) == 5


def test_a_run_that_is_cancelled_is_not_tried_again() -> None:
    running: Running[Checkout.State]

    class Cancelling(Gateway):
        def call(self) -> None:
            running.journal.cancel()
            super().call()

    gateway = Cancelling(*[ConnectionError()] * 9)
    running = run(gateway, {"charge": Retry(on=ConnectionError, wait=60.0)})
    with pytest.raises(RunCancelledError):
        running.once()
    assert len(gateway.keys) == 1
    assert (running.status, running.outcome["undone"]) == ("cancelled", ["reserve"])


def test_a_run_that_is_cancelled_between_two_attempts_is_undone_wherever_it_crashes() -> None:
    running: Running[Checkout.State]

    class Cancelling(Gateway):
        def call(self) -> None:
            running.journal.cancel()
            super().call()

    for crashes in ([], [Place(1, "after record")], [Place(2, "after record")]):
        retries = {"charge": Retry(on=ConnectionError, wait=60.0)}
        running = Running(Checkout(Cancelling(ConnectionError())), Checkout.State(), retries=retries, crashes=crashes)
        with pytest.raises(RunCancelledError):
            running.to_the_end()
        assert (running.status, running.recorded) == ("cancelled", ["reserve", "charge", "undo:reserve"])


def test_a_step_that_fails_for_good_fails_the_run_also_while_somebody_cancels_it() -> None:
    running: Running[Checkout.State]

    class Cancelling(Gateway):
        def call(self) -> None:
            running.journal.cancel()
            super().call()

    running = run(Cancelling(Declined("card")), {"charge": Retry(on=ConnectionError, wait=60.0)})
    with pytest.raises(Declined):
        running.once()
    assert running.status == "undone"


def test_a_run_that_is_cancelled_between_two_attempts_does_not_wait_for_the_next_one() -> None:
    gateway = Gateway(*[ConnectionError()] * 9)
    retries = {"charge": Retry(on=ConnectionError, wait=3600.0)}
    running = Running(Checkout(gateway), Checkout.State(), retries=retries, skips_time=False)

    async def cancel() -> None:
        run = asyncio.ensure_future(running.execute())
        while not gateway.keys:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert not run.done()
        running.journal.cancel()
        with pytest.raises(RunCancelledError):
            await run

    asyncio.run(cancel())
    assert (len(gateway.keys), running.status) == (1, "cancelled")


def test_a_process_that_ends_between_two_attempts_leaves_the_step_to_run_again() -> None:
    gateway = Gateway(ConnectionError())
    running = run(gateway, {"charge": Retry(on=ConnectionError, wait=3600.0)})

    async def ends(until: float) -> None:
        raise asyncio.CancelledError

    running.journal.pause = ends  # type: ignore[method-assign]  # as the process ends
    with pytest.raises(asyncio.CancelledError):
        running.once()
    assert running.recorded == ["reserve"]
    running.journal.begin()
    assert running.once().log == ["reserve", "charge"]


class Slow(Story):
    I.wait

    class State(StoryState):
        cleaned: int = 0

    ended: list[str] = []

    async def wait(self, state: State) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            self.ended.append("cleaned up")


def test_an_attempt_that_takes_too_long_is_cancelled_cleans_up_and_has_failed_with_a_timeout_error() -> None:
    Slow.ended.clear()
    retry = Retry(on=TimeoutError, attempts=2, wait=0, timeout=0.005)
    with pytest.raises(TimeoutError, match=r"wait took longer than 0\.005 s"):
        Running(Slow(), Slow.State(), retries={"wait": retry}).once()
    assert Slow.ended == ["cleaned up"] * 2


def test_a_process_that_ends_inside_a_timed_step_cancels_it() -> None:
    Slow.ended.clear()
    running = Running(Slow(), Slow.State(), retries={"wait": Retry(on=TimeoutError, timeout=60.0)})

    async def cancel() -> None:
        task = asyncio.ensure_future(running.execute())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert Slow.ended == ["cleaned up"]
    assert running.recorded == []


def test_a_timed_step_that_fails_while_it_is_cancelled_is_not_logged_as_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing(Story):
        I.wait

        class State(StoryState):
            pass

        async def wait(self, state: State) -> None:
            try:
                await asyncio.sleep(30)
            finally:
                raise Declined("while cleaning up")

    running = Running(Failing(), Failing.State(), retries={"wait": Retry(on=TimeoutError, timeout=60.0)})

    async def cancel() -> None:
        task = asyncio.ensure_future(running.execute())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    gc.collect()
    assert caplog.records == []


def test_a_timed_step_that_is_cancelled_by_others_has_not_taken_too_long() -> None:
    class Cancelled(Story):
        I.wait

        class State(StoryState):
            pass

        async def wait(self, state: State) -> None:
            raise asyncio.CancelledError

    running = Running(Cancelled(), Cancelled.State(), retries={"wait": Retry(on=TimeoutError, timeout=60.0)})
    with pytest.raises(asyncio.CancelledError):
        running.once()
    assert running.recorded == []


def test_waits_double_up_to_a_minute_and_are_between_half_of_it_and_all() -> None:
    retry = Retry(on=ConnectionError, wait=1.0)
    assert [retry.wait_after(attempt, 1.0) for attempt in (1, 2, 3, 7, 400)] == [1, 2, 4, 60, 60]
    assert retry.wait_after(3, 0.0) == 2
    assert Retry(on=ConnectionError, wait=90).wait_after(2, 1.0) == 90


PAUSE = Delay(1)
APPROVAL = Signal("approval", into="half")


@dataclasses.dataclass(frozen=True)
class Nested(Story):
    I.inner
    I.pause
    I.approval
    I.note
    I.note

    class State(Checkout.State):
        pass

    inner: Checkout
    pause: Any = PAUSE
    approval: Any = APPROVAL

    def note(self, state: State) -> None: ...


def test_steps_of_nested_stories_are_named_by_their_paths() -> None:
    gateway, refunds = Gateway(ConnectionError(), None, ConnectionError()), Gateway(ConnectionError())
    story = Nested(Checkout(gateway, refunds))
    running = Running(
        story,
        Nested.State(),
        retries={"inner.charge": AT_ONCE, "inner.release": AT_ONCE, "note": AT_ONCE},
        signals={"approval": 3},
    )
    running.once()
    assert len(gateway.keys) == 2


@pytest.mark.parametrize(
    ("retries", "error", "message"),
    [
        ({"chrage": AT_ONCE}, ValueError, "retries\\['chrage'\\] names no step; there are "),
        ({"inner.chrage": AT_ONCE}, ValueError, 'did you mean "inner.charge"'),
        ({"inner": AT_ONCE}, ValueError, "is a story; name its steps: 'inner.reserve', 'inner.charge'"),
        ({"note#2": AT_ONCE}, ValueError, 'is named once: "note"'),
        ({"undo:inner.reserve": AT_ONCE}, ValueError, 'named by its method: "inner.release"'),
        ({"pause": AT_ONCE}, ValueError, "is a Delay"),
        ({"approval": AT_ONCE}, ValueError, "is a Signal"),
        ({"note": dataclasses.replace(AT_ONCE, timeout=1)}, ValueError, "has a timeout, but note is sync"),
        ({"note": 3}, TypeError, "retries\\['note'\\] is 3; write Retry"),
        ({3: AT_ONCE}, ValueError, "retries\\[3\\] names no step"),
        ([AT_ONCE], TypeError, "retries is a dict, not a list"),
    ],
    ids=range(11),
)
def test_retries_for_what_is_no_step_are_rejected_by_name(retries: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Running(Nested(Checkout(Gateway())), Nested.State(), retries=retries)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Retry(on=()), ValueError, "names no exception"),
        (lambda: of(on="no"), TypeError, "takes exception classes"),
        (lambda: of(on=(ValueError("x"),)), TypeError, "takes exception classes"),
        (lambda: of(on=KeyboardInterrupt), TypeError, "ends the process"),
        (lambda: Retry(on=ValueError, attempts=0), ValueError, "would never call"),
        (lambda: of(on=ValueError, attempts=1.5), TypeError, "number of attempts"),
        (lambda: Retry(on=ValueError, wait=-1), ValueError, "no number of seconds"),
        (lambda: Retry(on=ValueError, wait=float("inf")), ValueError, "no number of seconds"),
        (lambda: Retry(on=ValueError, timeout=0), ValueError, "at once"),
        (lambda: of(on=ValueError, timeout="1"), TypeError, "number of seconds"),
    ],
    ids=range(10),
)
def test_a_retry_that_cannot_be_meant_is_rejected(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_retry_is_a_value() -> None:
    assert Retry(on=ValueError) == Retry(on=(ValueError,), attempts=5, wait=1.0, timeout=None)
    assert hash(AT_ONCE) == hash(Retry(on=ConnectionError, attempts=3, wait=0))
    with pytest.raises(dataclasses.FrozenInstanceError):
        cast("Any", AT_ONCE).attempts = 4
