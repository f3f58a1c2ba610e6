"""The storm: processes that carry out the same runs are killed at random."""

from __future__ import annotations

import time
from itertools import count
from multiprocessing.process import BaseProcess
from random import Random
from signal import SIGKILL
from typing import Final

from tests.kill.stories.killing import LONGEST_LAUNCH, Processes, wait
from tests.kill.stories.laws import problems_of_steps
from tests.kill.stories.processes import run_storm
from tests.kill.stories.setups import Setup

__all__ = ["storm"]

PROCESSES: Final = 5
LONGEST_PAUSE: Final = 2.0
"""Seconds from one kill to the next, at most: so some processes live long enough to take runs over."""


def storm(setup: Setup, random: Random, kills: int | None, seconds: float | None) -> list[str]:
    """Kill so often, or so long, or until a planted fault shows; then let all runs end.

    Returns:
        What processes died of that nobody killed.
    """
    numbers, killed = count(1), 0
    with Processes(setup) as processes:

        def start() -> BaseProcess:
            return processes.start(run_storm, f"storm-{next(numbers)}", f"{random.random()}")

        alive = [start() for _ in range(PROCESSES)]
        if not wait(setup, lambda lines: any(line["what"] == "began" for line in lines), LONGEST_LAUNCH):
            return ["no run began", *processes.ended_otherwise(())]
        began = time.monotonic()

        def is_over() -> bool:
            return (
                (kills is not None and killed >= kills)
                or (seconds is not None and time.monotonic() - began >= seconds)
                or (setup.fault is not None and bool(problems_of_steps(setup.lines())))
            )

        while not is_over():
            time.sleep(random.uniform(0.1, LONGEST_PAUSE))
            if any(process.exitcode is not None for process in alive):
                break
            processes.kill(alive.pop(random.randrange(len(alive))))
            killed += 1
            alive.append(start())
        setup.stop.touch()
        wait(setup, lambda _: all(process.exitcode is not None for process in alive), setup.patience)
        return processes.ended_otherwise({0, -SIGKILL})
