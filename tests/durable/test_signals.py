from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from dbos import DBOS

from dddkit.stories import I, Story, StoryState, compensates, variable
from dddkit.stories.dbos import Durable, SignalReceipt
from dddkit.stories.durable import (
    Delay,
    RunCancelledError,
    RunStatus,
    Signal,
    SignalTimeoutError,
    StoryNotRecordableError,
)
from tests.durable.launched import DATABASES, configured, url_of


@dataclass(frozen=True)
class Approved(Story):
    I.reserve
    I.approval
    I.decide

    class State(StoryState):
        order: str
        reserved: bool = False
        approved: bool = variable()
        decision: str = variable()

    approval: Any

    async def reserve(self, state: State) -> None:
        state.reserved = True

    @compensates(reserve)
    async def release(self, state: State) -> None:
        state.reserved = False

    async def decide(self, state: State) -> None:
        state.decision = "yes" if state.approved else "no"


@dataclass(frozen=True)
class Asked(Story):
    I.answer
    I.read

    class State(StoryState):
        reply: str = variable()

    answer: Any

    async def read(self, state: State) -> None: ...


@dataclass(frozen=True)
class Patient(Story):
    I.pause
    I.finish

    class State(StoryState):
        waited: float = variable()

    pause: Any
    finish: Any


class Stories:
    def __init__(self) -> None:
        approval = Signal("approval", into="approved", within=3600)
        self.approved: Durable[Any] = Durable(Approved(approval), name="approved")
        self.hasty: Durable[Any] = Durable(Approved(Signal("approval", into="approved", within=0.05)), name="hasty")
        self.asked: Durable[Any] = Durable(Asked(Signal("answer", into="reply", within=1.0)), name="asked")
        self.ended = 0.0
        self.patient: Durable[Any] = Durable(Patient(Delay(milliseconds=50), self._finish), name="patient")
        self.sleeper: Durable[Any] = Durable(Patient(Delay(hours=1), self._finish), name="sleeper")

    async def _finish(self, state: Patient.State) -> None:
        self.ended = time.time()


@pytest.fixture(scope="module", params=DATABASES)
def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stories]:
    with configured(url_of(request.param, tmp_path_factory)):
        stories = Stories()
        DBOS.launch()
        yield stories


def state(order: str) -> Approved.State:
    return Approved.State(order=order)


def waiting(durable: Durable[Any], run_id: str) -> None:
    durable.start(state(run_id), id=run_id)
    until(lambda: durable.status(run_id) is RunStatus.WAITING)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_run_waits_for_its_signal_and_goes_on_with_the_value(stories: Stories) -> None:
    waiting(stories.approved, "waits")
    (run,) = [run for run in stories.approved.runs(RunStatus.WAITING) if run.id == "waits"]
    assert run.step == "approval"
    assert stories.approved.signal("waits", "approval", False) == SignalReceipt(True, None, RunStatus.WAITING)
    assert stories.approved.result("waits").decision == "no"


def test_a_signal_is_sent_from_async_code_as_well(stories: Stories) -> None:
    async def main() -> None:
        await stories.approved.astart(state("async"), id="async")
        assert (await stories.approved.asignal("async", "approval", True)).accepted
        assert (await stories.approved.aresult("async")).decision == "yes"

    asyncio.run(main())


def test_the_first_signal_counts_and_the_second_is_told(stories: Stories) -> None:
    waiting(stories.approved, "twice")
    receipts: list[SignalReceipt] = []

    def send(value: bool) -> None:
        receipts.append(stories.approved.signal("twice", "approval", value))

    threads = [threading.Thread(target=send, args=(value,)) for value in (True, True, False, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    decided = stories.approved.result("twice").approved
    assert [receipt.accepted for receipt in receipts].count(True) == 1
    assert {receipt.first for receipt in receipts if not receipt.accepted} == {decided}


def test_a_signal_to_a_finished_run_is_not_accepted(stories: Stories) -> None:
    waiting(stories.approved, "finished")
    stories.approved.signal("finished", "approval", True)
    stories.approved.result("finished")
    assert stories.approved.signal("finished", "approval", False) == SignalReceipt(False, True, RunStatus.COMPLETED)


def test_a_signal_that_does_not_come_in_time_fails_the_step_and_undoes_the_others(stories: Stories) -> None:
    stories.hasty.start(state("late"), id="late")
    with pytest.raises(SignalTimeoutError) as caught:
        stories.hasty.result("late")
    assert caught.value.args == ("hasty", "approval", "approval", 0.05)
    assert stories.hasty.status("late") is RunStatus.UNDONE
    assert stories.hasty.signal("late", "approval", True) == SignalReceipt(False, None, RunStatus.UNDONE)


@pytest.mark.slow  # a queue of DBOS is looked at once a second
def test_a_signal_that_came_too_late_may_come_again_after_a_retry(stories: Stories) -> None:
    stories.asked.start(Asked.State(), id="asked")
    with pytest.raises(SignalTimeoutError):
        stories.asked.result("asked")
    assert not stories.asked.signal("asked", "answer", "late").accepted
    stories.asked.retry("asked")
    assert stories.asked.signal("asked", "answer", "in time").accepted
    assert stories.asked.result("asked").reply == "in time"


@pytest.mark.parametrize("value", [None, "yes", 7, object()], ids=["none", "text", "number", "object"])
def test_a_value_that_the_field_does_not_take_is_rejected(stories: Stories, value: object) -> None:
    run_id = stories.approved.start(state("wrong"), id=f"wrong {type(value).__name__}")
    with pytest.raises(StoryNotRecordableError, match=r"approved"):
        stories.approved.signal(run_id, "approval", value)
    assert stories.approved.signal(run_id, "approval", True).accepted


def test_a_signal_that_no_step_waits_for_is_rejected(stories: Stories) -> None:
    with pytest.raises(ValueError, match='did you mean "approval"'):
        stories.approved.signal("any", "aproval", True)
    with pytest.raises(ValueError, match="no step waits for a signal"):
        stories.patient.signal("any", "approval", True)


def test_a_waiting_run_is_cancelled_at_once_and_undone(stories: Stories) -> None:
    waiting(stories.approved, "cancel")
    stories.approved.cancel("cancel", undo=True)
    with pytest.raises(RunCancelledError) as caught:
        stories.approved.result("cancel", timeout=60)
    assert caught.value.undone == ("reserve",)


def test_a_waiting_run_that_is_stopped_waits_again_when_it_is_resumed(stories: Stories) -> None:
    waiting(stories.approved, "stopped")
    stories.approved.cancel("stopped", undo=False)
    assert stories.approved.status("stopped") is RunStatus.CANCELLED
    stories.approved.resume("stopped")
    until(lambda: stories.approved.status("stopped") is RunStatus.WAITING)
    assert stories.approved.signal("stopped", "approval", True).accepted
    assert stories.approved.result("stopped").decision == "yes"


def test_a_delay_passes(stories: Stories) -> None:
    began = time.time()
    stories.patient.result(stories.patient.start(Patient.State()))
    assert stories.ended - began >= 0.05


def test_a_run_in_a_delay_is_cancelled_at_once(stories: Stories) -> None:
    stories.sleeper.start(Patient.State(), id="asleep")
    until(lambda: stories.sleeper.status("asleep") is RunStatus.WAITING)
    stories.sleeper.cancel("asleep", undo=True)
    with pytest.raises(RunCancelledError):
        stories.sleeper.result("asleep", timeout=60)


def test_many_runs_wait_at_once(stories: Stories) -> None:
    async def main() -> None:
        ids = [f"many {number}" for number in range(15)]
        await asyncio.gather(*(stories.approved.astart(state("many"), id=run_id) for run_id in ids))
        while len(await stories.approved.aruns(RunStatus.WAITING)) < len(ids):
            await asyncio.sleep(0.01)
        await asyncio.gather(*(stories.approved.asignal(run_id, "approval", True) for run_id in ids))
        await asyncio.gather(*(stories.approved.aresult(run_id) for run_id in ids))

    asyncio.run(main())


def test_what_was_sent_to_a_run_is_purged_with_it(stories: Stories) -> None:
    waiting(stories.approved, "purged/signal/odd")
    stories.approved.signal("purged/signal/odd", "approval", True)
    stories.approved.result("purged/signal/odd")
    waiting(stories.approved, "stays")
    stories.approved.signal("stays", "approval", True)
    stories.approved.result("stays")
    stories.approved.purge(timedelta(0))
    left = {row.workflow_id for row in DBOS.list_workflows(name="dddkit.mailbox")}
    assert not {box for box in left if "purged" in box or "stays" in box}
