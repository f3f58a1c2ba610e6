from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from dbos import DBOS

from dddkit.stories import I, Story, StoryState, variable
from dddkit.stories.dbos import Durable
from dddkit.stories.durable import RunStatus, Signal
from tests.durable.launched import DATABASES, configured, url_of

pytestmark = pytest.mark.slow

RUNS = 200


@dataclass(frozen=True)
class Approved(Story):
    I.one
    I.approval
    I.two

    class State(StoryState):
        number: int
        approved: bool = variable()

    approval: Any

    async def one(self, state: State) -> None:
        await asyncio.sleep(0.001)
        state.number += 1

    async def two(self, state: State) -> None:
        state.number *= 2


@pytest.fixture(params=DATABASES)
def approved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Durable[Any]]:
    with configured(url_of(request.param, tmp_path_factory)):
        yield Durable(Approved(Signal("approval", into="approved")), name="approved")


def test_200_runs_at_once_work_and_wait_with_40_threads(approved: Durable[Any]) -> None:
    before = threading.active_count() - 1  # the main thread counts
    counts: list[int] = []

    async def main() -> None:
        async def count() -> None:
            while True:
                counts.append(threading.active_count() - before)
                await asyncio.sleep(0.005)

        counting = asyncio.create_task(count())
        ids = [f"run {number}" for number in range(RUNS)]
        await asyncio.gather(
            *(approved.astart(Approved.State(number=number), id=run_id) for number, run_id in enumerate(ids))
        )
        while len(await approved.aruns(RunStatus.WAITING, limit=RUNS)) < RUNS:
            await asyncio.sleep(0.05)
        await asyncio.gather(*(approved.asignal(run_id, "approval", True) for run_id in ids))
        ends = await asyncio.gather(*(approved.aresult(run_id) for run_id in ids))
        assert [end.number for end in ends] == [(number + 1) * 2 for number in range(RUNS)]
        counting.cancel()

    DBOS.launch()
    asyncio.run(main())
    assert max(counts) <= 40
