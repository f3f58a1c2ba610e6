"""Many durable runs at once: threads, steps in a second, and CPU time compared with DBOS by hand.

`python -m benchmarks.durable_crowd sqlite` measures them, in a process of its own: other rows leave
threads, and 200 runs take seconds, so that there are fewer rounds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass
from functools import cache, partial
from random import Random
from time import perf_counter, process_time
from typing import Final, cast

from benchmarks.contest import OURS
from benchmarks.durable import DATABASES, Database, by_hand, story
from benchmarks.harness import Ratio, driven, ratio_of

__all__ = ["CROWDS", "Crowd"]

AT_ONCE: Final = 200
STEPS: Final = 5
ROUNDS: Final = 7
BY_HAND: Final = "by hand"

Run = Callable[[], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """One line of the table.

    Attributes:
        key: a short, stable name to select the row.
        what: the title of the row.
        must: the highest number that is accepted; None for a row without a target.
        unit: of the number.
        measured: measures it, and DBOS by hand where that is compared with.
    """

    key: str
    what: str
    must: float | None = None
    unit: str = ""
    measured: Callable[[], dict[str, Ratio]]


@cache
def _all_measured(database: Database) -> dict[str, dict[str, list[float]]]:
    command = [sys.executable, "-m", "benchmarks.durable_crowd", database]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, dict[str, list[float]]] = json.loads(said.splitlines()[-1])
    return found


def _measured(database: Database, what: str) -> dict[str, Ratio]:
    return {who: Ratio(*found) for who, found in _all_measured(database)[what].items()}


CROWDS: Final = [
    crowd
    for database, name in DATABASES.items()
    for crowd in (
        Crowd(
            key=f"durable-crowd-{database}",
            what=f"{AT_ONCE} async durable stories at once on {name}, vs DBOS by hand",
            must=1.15,
            measured=partial(_measured, database, "ratio"),
        ),
        Crowd(
            key=f"durable-threads-{database}",
            what=f"the threads of the process meanwhile, {name}",
            must=40,
            measured=partial(_measured, database, "threads"),
        ),
        Crowd(
            key=f"durable-steps-{database}",
            what=f"steps in a second meanwhile, {name}",
            unit=" /s",
            measured=partial(_measured, database, "steps"),
        ),
    )
]


async def _crowd(run: Run) -> tuple[float, float, int]:
    """Return the CPU seconds, the seconds and the threads."""
    threads, over = 0, False

    async def watch() -> None:
        nonlocal threads
        while not over:
            threads = max(threads, threading.active_count())
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    cpu, began = process_time(), perf_counter()
    await asyncio.gather(*(run() for _ in range(AT_ONCE)))
    taken = process_time() - cpu, perf_counter() - began
    over = True
    await watching
    return *taken, threads


async def _rounds(runs: dict[str, Run]) -> dict[str, dict[str, Ratio]]:
    threads: dict[str, list[float]] = {who: [] for who in runs}
    steps: dict[str, list[float]] = {who: [] for who in runs}
    ratios, order, random = list[float](), list(runs), Random(5)
    for number in range(ROUNDS + 1):
        cpu = dict[str, float]()
        for who in order:  # ours first in the first round: threads stay once they are there
            cpu[who], taken, most = await _crowd(runs[who])
            steps[who].append(AT_ONCE * STEPS / taken)
            threads[who].append(most)
        if number:  # the first one warms up
            ratios.append(cpu[OURS] / cpu[BY_HAND])
        random.shuffle(order)
    return {
        "ratio": {OURS: ratio_of(ratios)},
        "threads": {OURS: Ratio(max(threads[OURS]), min(threads[OURS]), max(threads[OURS]))},
        "steps": {who: ratio_of(found[1:]) for who, found in steps.items()},
    }


def _runs(database: Database) -> dict[str, Run]:
    return {OURS: story(database).names["run"], BY_HAND: by_hand(database).names["run"]}


def _main(database: Database) -> None:
    runs = _runs(database)

    async def measure() -> float:
        found = await _rounds(runs)
        print(json.dumps({what: {who: astuple(ratio) for who, ratio in by.items()} for what, by in found.items()}))
        return 0

    driven(measure())


if __name__ == "__main__":
    _main(cast("Database", sys.argv[1]))
