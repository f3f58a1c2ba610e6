"""The matrix: a process dies at each place of each step, and another one takes its run over."""

from __future__ import annotations

import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from signal import SIGKILL
from typing import Final

from tests.kill.stories.cases import Case
from tests.kill.stories.killing import LONGEST_LAUNCH, Processes, wait
from tests.kill.stories.laws import Line
from tests.kill.stories.processes import run_survivor, run_victim
from tests.kill.stories.setups import Setup

__all__ = ["matrix"]

AT_ONCE: Final = 7
"""How many processes die together."""


def matrix(setup: Setup, chosen: Sequence[Case], seconds: float | None) -> tuple[list[Case], list[str]]:
    """Carry out the cases, some at once.

    Returns:
        Those that there was time for; and what processes died of that were not killed.
    """
    began, carried_out = time.monotonic(), list[Case]()
    with Processes(setup) as processes:
        survivor = processes.start(run_survivor, "survivor")
        for first in range(0, len(chosen), AT_ONCE):
            if carried_out and seconds is not None and time.monotonic() - began >= seconds:
                break
            together = chosen[first : first + AT_ONCE]
            go = setup.folder / f"go-{first}"
            victims = [processes.start(run_victim, f"victim-{case.run}", case, go) for case in together]
            names = {case.run for case in together}
            if not _have_come(setup, "ready", names, [survivor, *victims], LONGEST_LAUNCH):
                return carried_out, ["processes were not ready", *processes.ended_otherwise({0, -SIGKILL})]
            go.touch()
            for victim in victims:
                victim.join(setup.patience)
            carried_out += together
            if not _have_come(setup, "ended", names, [survivor], setup.patience):
                break
        setup.stop.touch()
        survivor.join(setup.patience)
        return carried_out, processes.ended_otherwise({0, -SIGKILL})


def _have_come(setup: Setup, what: str, runs: set[str], alive: Sequence[BaseProcess], patience: float) -> bool:
    """Wait for it; return whether all of the runs have come so far, before one of these processes has ended."""

    def all_have(lines: Sequence[Line]) -> bool:
        return runs <= {line["run"] for line in lines if line["what"] == what}

    def is_over(lines: Sequence[Line]) -> bool:
        return all_have(lines) or any(process.exitcode is not None for process in alive)

    wait(setup, is_over, patience)
    return all_have(setup.lines())
