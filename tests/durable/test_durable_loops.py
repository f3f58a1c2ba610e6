from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from dbos import DBOS

from dddkit.stories import I, Story, StoryState, variable
from dddkit.stories.dbos import Durable
from dddkit.stories.dbos._leases import current_lease
from dddkit.stories.durable import RunStatus, Signal
from tests.durable.launched import configured, logged_by_dbos, url_of

pytestmark = pytest.mark.slow  # DBOS is launched several times


@dataclass(frozen=True)
class Approved(Story):
    I.before
    I.approval
    I.after

    class State(StoryState):
        loops: list[int] = []
        approved: bool = variable()

    approval: Any

    async def before(self, state: State) -> None:
        state.loops.append(id(asyncio.get_running_loop()))

    async def after(self, state: State) -> None:
        state.loops.append(id(asyncio.get_running_loop()))


@pytest.fixture
def approved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Durable[Any]]:
    with configured(url_of("sqlite", tmp_path_factory)):
        yield Durable(Approved(Signal("approval", into="approved")), name="approved")


async def waiting(approved: Durable[Any], run_id: str) -> None:
    while await approved.astatus(run_id) is not RunStatus.WAITING:
        await asyncio.sleep(0.005)


def test_runs_run_in_the_loop_in_which_dbos_was_launched_whoever_starts_them(approved: Durable[Any]) -> None:
    async def elsewhere() -> list[int]:
        await approved.astart(Approved.State(), id="from another loop")
        await approved.asignal("from another loop", "approval", True)
        return list((await approved.aresult("from another loop")).loops)

    async def main() -> None:
        DBOS.launch()
        here = [id(asyncio.get_running_loop())] * 2
        await approved.astart(Approved.State(), id="from here")
        await asyncio.to_thread(approved.start, Approved.State(), id="from a thread")
        for run_id in ("from here", "from a thread"):
            await approved.asignal(run_id, "approval", True)
            assert (await approved.aresult(run_id)).loops == here
        assert await asyncio.to_thread(lambda: asyncio.run(elsewhere())) == here

    asyncio.run(main())


def test_a_start_that_is_cancelled_has_happened_and_a_wait_that_is_cancelled_leaves_the_run_alone(
    approved: Durable[Any],
) -> None:
    async def main() -> None:
        DBOS.launch()
        starting = asyncio.ensure_future(approved.astart(Approved.State(), id="run"))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        while not await approved.aruns():
            await asyncio.sleep(0.005)
        await waiting(approved, "run")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(approved.aresult("run"), 0.01)
        with pytest.raises(TimeoutError, match="'run' is waiting after"):
            await approved.aresult("run", timeout=0.01)
        await approved.asignal("run", "approval", True)
        await approved.aresult("run")

    asyncio.run(main())
    gc.collect()


def test_waits_that_are_cancelled_leave_no_task_behind(approved: Durable[Any]) -> None:
    async def main() -> None:
        DBOS.launch()
        await approved.astart(Approved.State(), id="run")
        await waiting(approved, "run")
        await approved.acancel("run", undo=False)
        await approved.aresume("run")
        await waiting(approved, "run")
        before = len(asyncio.all_tasks())
        for _ in range(5):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(approved.aresult("run"), 0.1)
        deadline = time.monotonic() + 10
        while len(asyncio.all_tasks()) > before:
            assert time.monotonic() < deadline, asyncio.all_tasks()
            await asyncio.sleep(0.01)
        await approved.asignal("run", "approval", True)
        await approved.aresult("run")

    asyncio.run(main())


@pytest.mark.slow  # a run that nobody executes is found after some seconds
def test_a_run_whose_loop_has_ended_goes_on_in_another(approved: Durable[Any]) -> None:
    async def main() -> int:
        DBOS.launch()
        await approved.astart(Approved.State(), id="run")
        await waiting(approved, "run")
        return id(asyncio.get_running_loop())

    with logged_by_dbos() as logged:
        first = asyncio.run(main())
        approved.signal("run", "approval", True)
        began, other = approved.result("run", timeout=60).loops
    assert began == first != other
    assert logged == []


def test_nothing_is_asked_of_a_dbos_that_has_ended(tmp_path_factory: pytest.TempPathFactory) -> None:
    url = url_of("sqlite", tmp_path_factory)
    with configured(url):
        approved: Durable[Any] = Durable(Approved(Signal("approval", into="approved")), name="approved")
        DBOS.launch()
        approved.start(Approved.State(), id="run")
        while approved.status("run") is not RunStatus.WAITING:
            time.sleep(0.005)
        with logged_by_dbos() as logged:
            DBOS.destroy()
    assert logged == []
    with pytest.raises(RuntimeError, match=r"approved: DBOS is not running .* call DBOS.launch\(\)"):
        approved.status("run")
    with configured(url):
        DBOS.launch()
        with pytest.raises(RuntimeError, match=r"approved: DBOS has forgotten this story.*make its Durable"):
            approved.status("run")


def test_a_dbos_that_knew_no_story_leaves_no_lease_to_the_next_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    with configured(url_of("sqlite", tmp_path_factory)):
        DBOS.launch()
    with configured(url_of("sqlite", tmp_path_factory)):
        Durable(Approved(Signal("approval", into="approved")), name="approved")
        DBOS.launch()
        lease = current_lease()
        assert lease is not None
        assert lease.executor_id == DBOS.executor_id
