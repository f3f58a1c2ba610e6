"""The storm: processes that carry out the same runs are killed at random."""

from __future__ import annotations

import time
from multiprocessing.process import BaseProcess
from random import Random
from typing import Final

from tests.kill.stories.killing import Processes
from tests.kill.stories.processes import run_storm
from tests.kill.stories.setups import Setup

__all__ = ["storm"]

PROCESSES: Final = 3
LONGEST_LIFE: Final = 2.0
"""Seconds from one kill to the next, at most: long enough that some process takes runs over."""


def storm(setup: Setup, random: Random, kills: int | None, seconds: float | None) -> list[str]:
    """Kill so often, or so long; then let all runs end. Return what processes died of that nobody killed."""
    began, killed = time.monotonic(), 0
    with Processes(setup) as processes:
        starts, ended = 0, list[str]()

        def start() -> BaseProcess:
            nonlocal starts
            starts += 1
            return processes.start(run_storm, f"storm-{starts}", f"{random.random()}")

        alive = [start() for _ in range(PROCESSES)]
        while (kills is None or killed < kills) and (seconds is None or time.monotonic() - began < seconds):
            time.sleep(random.uniform(0.1, LONGEST_LIFE))
            for process in alive:
                if process.exitcode is not None:
                    return [processes.last_words(process)]
            victim = alive.pop(random.randrange(len(alive)))
            processes.kill(victim)
            killed += 1
            alive.append(start())
        setup.stop.touch()
        last, since = 0, time.monotonic()
        while any(process.exitcode is None for process in alive):
            size = sum(line["what"] in ("began", "recorded", "ended") for line in setup.lines())
            if size != last:
                last, since = size, time.monotonic()
            elif time.monotonic() - since > setup.patience:
                break
            time.sleep(0.2)
        ended += [processes.last_words(process) for process in alive if process.exitcode not in (0, None)]
    return ended
