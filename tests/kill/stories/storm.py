"""The storm: processes that carry out the same runs are killed at random."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from multiprocessing.process import BaseProcess
from random import Random
from signal import SIGKILL
from typing import Final

from tests.kill.stories.killing import Processes
from tests.kill.stories.processes import run_storm
from tests.kill.stories.setups import Setup

__all__ = ["storm"]

PROCESSES: Final = 5
LONGEST_PAUSE: Final = 2.0
"""Seconds from one kill to the next, at most: so some processes live long enough to take runs over."""


def storm(setup: Setup, random: Random, kills: int | None, seconds: float | None) -> list[str]:
    """Kill so often, or so long; then let all runs end. Return what processes died of that nobody killed."""
    began, killed = time.monotonic(), 0
    numbers = count(1)
    with Processes(setup) as processes:

        def start() -> BaseProcess:
            return processes.start(run_storm, f"storm-{next(numbers)}", f"{random.random()}")

        alive = [start() for _ in range(PROCESSES)]
        while (kills is None or killed < kills) and (seconds is None or time.monotonic() - began < seconds):
            time.sleep(random.uniform(0.1, LONGEST_PAUSE))
            if any(process.exitcode is not None for process in alive):
                break
            processes.kill(alive.pop(random.randrange(len(alive))))
            killed += 1
            alive.append(start())
        setup.stop.touch()
        _wait(setup, alive)
        return processes.ended_otherwise({0, -SIGKILL})


def _wait(setup: Setup, alive: Sequence[BaseProcess]) -> None:
    """Return when all of them have ended, or get nowhere."""
    last, since = 0, time.monotonic()
    while any(process.exitcode is None for process in alive) and time.monotonic() - since < setup.patience:
        size = sum(line["what"] in ("began", "recorded", "ended") for line in setup.lines())
        if size != last:
            last, since = size, time.monotonic()
        time.sleep(0.2)
