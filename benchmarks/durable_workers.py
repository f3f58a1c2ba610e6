"""Several processes on one PostgreSQL: steps in a second, with the kit and with DBOS by hand.

Each process starts its share of the runs when all of them are told to; the time is over when the last one has ended.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from random import Random
from time import perf_counter
from typing import Final

from benchmarks.contest import OURS
from benchmarks.durable import DATABASES, by_hand, database_url, story, use
from benchmarks.durable_crowd import AT_ONCE, BY_HAND, STEPS, Crowd
from benchmarks.harness import Ratio, driven, ratio_of

__all__ = ["WORKERS"]

ROUNDS: Final = 5


def _measured(workers: int) -> dict[str, Ratio]:
    command = [sys.executable, "-m", "benchmarks.durable_workers", database_url("postgresql"), str(AT_ONCE // workers)]
    steps: dict[str, list[float]] = {OURS: [], BY_HAND: []}
    order, random = list(steps), Random(5)
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            )
            for _ in range(workers)
        ]
        _all_said(processes, "ready")
        for number in range(ROUNDS + 1):
            for who in order:
                began = perf_counter()
                for process in processes:
                    print(who, file=process.stdin, flush=True)
                _all_said(processes, "done")
                if number:  # the first one warms up
                    steps[who].append(AT_ONCE * STEPS / (perf_counter() - began))
            random.shuffle(order)
        for process in processes:
            process.communicate()  # its input ends, and it does
    return {who: ratio_of(found) for who, found in steps.items()}


def _all_said(processes: list[subprocess.Popen[str]], wanted: str) -> None:
    for process in processes:
        said = process.stdout.readline() if process.stdout else ""
        if said != f"{wanted}\n":
            raise RuntimeError(f"a worker said {said!r} instead of {wanted}")


WORKERS: Final = [
    Crowd(
        key=f"durable-workers-{workers}",
        what=f"steps in a second: {AT_ONCE} durable stories at once, {workers} processes, PostgreSQL",
        unit=" /s",
        measured=partial(_measured, workers),
    )
    for workers in (1, 2, 4)
    if "postgresql" in DATABASES
]


def _main(url: str, runs: int) -> None:
    """Run so many at once each time that a line names who."""
    use("postgresql", url)
    ways = {OURS: story("postgresql").names["run"], BY_HAND: by_hand("postgresql").names["run"]}

    async def at_once(who: str) -> float:
        await asyncio.gather(*(ways[who]() for _ in range(runs)))
        return 0

    print("ready", flush=True)
    for line in sys.stdin:
        driven(at_once(line.strip()))
        print("done", flush=True)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
