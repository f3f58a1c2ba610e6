from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from dbos import DBOS

from dddkit.stories import I, Story, StoryState, step_key, variable
from dddkit.stories.dbos import Durable
from dddkit.stories.durable import RunCancelledError, RunStatus, Signal
from tests.durable.launched import DATABASES, configured, url_of

pytestmark = pytest.mark.slow  # queues are looked at once a second


@dataclass
class Busy:
    now: int = 0
    most: int = 0
    done: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Work(Story):
    I.work

    class State(StoryState):
        order: str

    busy: Busy

    async def work(self, state: State) -> None:
        self.busy.now += 1
        self.busy.most = max(self.busy.most, self.busy.now)
        await asyncio.sleep(0.1)
        self.busy.now -= 1


@dataclass(frozen=True)
class Approved(Story):
    I.prepare
    I.approval
    I.decide

    class State(StoryState):
        order: str
        approved: bool = variable()

    busy: Busy
    approval: Any

    async def prepare(self, state: State) -> None:
        self.busy.done.append(step_key())

    async def decide(self, state: State) -> None:
        self.busy.now += 1
        self.busy.most = max(self.busy.most, self.busy.now)
        await asyncio.sleep(0.05)
        self.busy.done.append(step_key())
        self.busy.now -= 1


class Stories:
    def __init__(self) -> None:
        self.working, self.deciding = Busy(), Busy()
        self.work: Durable[Any] = Durable(Work(self.working), name="work", queue="narrow")
        approval = Signal("approval", into="approved", within=3600)
        self.approved: Durable[Any] = Durable(Approved(self.deciding, approval), name="approved", queue="one")
        self.nowhere: Durable[Any] = Durable(Work(self.working), name="nowhere", queue="nowhere")


@pytest.fixture(scope="module", params=DATABASES)
def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stories]:
    with configured(url_of(request.param, tmp_path_factory)):
        stories = Stories()
        DBOS.launch()
        DBOS.register_queue("narrow", worker_concurrency=2, polling_interval_sec=0.05)
        DBOS.register_queue("one", global_concurrency=1, polling_interval_sec=0.05)
        yield stories


def test_a_queue_limits_how_many_run_at_once(stories: Stories) -> None:
    for number in range(6):
        stories.work.start(Work.State(order=str(number)), id=f"w{number}")
    for number in range(6):
        stories.work.result(f"w{number}", timeout=60)
    assert stories.working.most == 2


def test_a_run_that_waits_takes_no_slot_and_takes_one_again_to_go_on(stories: Stories) -> None:
    ids = [f"a{number}" for number in range(5)]
    for run_id in ids:
        stories.approved.start(Approved.State(order=run_id), id=run_id)
    deadline = time.monotonic() + 60
    while {stories.approved.status(run_id) for run_id in ids} != {RunStatus.WAITING}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stories.approved.cancel("a4", undo=True)
    for run_id in ids[:4]:
        assert stories.approved.signal(run_id, "approval", True).accepted
    for run_id in ids[:4]:
        stories.approved.result(run_id, timeout=60)
    with pytest.raises(RunCancelledError):
        stories.approved.result("a4", timeout=60)
    assert stories.deciding.most == 1
    expected = [f"approved/{run_id}/prepare" for run_id in ids] + [f"approved/{run_id}/decide" for run_id in ids[:4]]
    assert sorted(stories.deciding.done) == sorted(expected)


def test_a_queue_that_does_not_exist_is_named_at_the_start(stories: Stories) -> None:
    with pytest.raises(ValueError, match=r"nowhere: there is no queue 'nowhere'.*DBOS.register_queue\('nowhere'"):
        stories.nowhere.start(Work.State(order="none"))
