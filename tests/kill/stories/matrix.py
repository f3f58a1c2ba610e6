"""The matrix: a process dies at each place of each step, and another one takes its run over."""

from __future__ import annotations

import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from signal import SIGKILL
from typing import Final

from tests.kill.stories.cases import Case
from tests.kill.stories.killing import Processes
from tests.kill.stories.processes import run_survivor, run_victim
from tests.kill.stories.setups import Setup

__all__ = ["matrix"]

AT_ONCE: Final = 7
"""How many processes die together."""

LONGEST_LAUNCH: Final = 60.0
"""Seconds that processes may take until they are ready."""


def matrix(setup: Setup, chosen: Sequence[Case], seconds: float | None) -> tuple[list[Case], list[str]]:
    """Carry out the cases, some at once.

    Returns:
        Those that there was time for; and what processes died of that were not killed.
    """
    began, carried_out = time.monotonic(), list[Case]()
    with Processes(setup) as processes:
        survivor = processes.start(run_survivor, "survivor")
        for first in range(0, len(chosen), AT_ONCE):
            if seconds is not None and time.monotonic() - began >= seconds:
                break
            together = chosen[first : first + AT_ONCE]
            go = setup.folder / f"go-{first}"
            victims = [processes.start(run_victim, f"victim-{case.run}", case, go) for case in together]
            names = {case.run for case in together}
            if not _wait(setup, "ready", names, [survivor, *victims], LONGEST_LAUNCH):
                return carried_out, ["processes were not ready", *processes.ended_otherwise({0, -SIGKILL})]
            go.touch()
            for victim in victims:
                victim.join(setup.patience)
            carried_out += together
            if not _wait(setup, "ended", names, [survivor], setup.patience):
                break
        setup.stop.touch()
        survivor.join(setup.patience)
        return carried_out, processes.ended_otherwise({0, -SIGKILL})


def _wait(setup: Setup, what: str, runs: set[str], alive: Sequence[BaseProcess], seconds: float) -> bool:
    """Return whether all of the runs have come so far, before one of these processes has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and all(process.exitcode is None for process in alive):
        if runs <= {line["run"] for line in setup.lines() if line["what"] == what}:
            return True
        time.sleep(0.05)
    return False
