"""Short runs of the kill test of durable stories: nothing is wrong, and what is made wrong on purpose is found."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house.pages import ROOT
from tests.kill.stories.faults import FAULTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to kill"),
]

FOUND = {
    "record-before-step": ("matrix", "steps that were to run 2 times, and did not"),
    "no-record": ("matrix", "recorded steps that ran again"),
    "new-keys": ("matrix", "steps whose key changed"),
    "no-take-over": ("matrix", "runs that were lost"),
    "no-leases": ("storm", "steps that ran again though their process lived"),
}
"""In which part each fault is found, and what is said."""


def kill(*options: str) -> tuple[int, str]:
    """Run the program; return its exit code and what it said."""
    command = [sys.executable, "-m", "tests.kill.stories", "--database", "sqlite", "--seed", "1", *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300, check=False)
    return run.returncode, run.stdout + run.stderr


@pytest.mark.parametrize("part", ["matrix", "storm"])
def test_no_run_is_lost_and_no_recorded_step_runs_again_where_processes_are_killed(part: str) -> None:
    code, said = kill("--part", part, "--seconds", "5")
    assert code == 0, said
    assert "seed 1 ==" in said
    assert "0 problems" in said
    assert "\n0 runs ended" not in said


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    part, expected = FOUND[fault]
    seconds = "60" if part == "storm" else "5"  # it ends when two processes are found at the same run
    code, said = kill("--fault", fault, "--part", part, "--seconds", seconds)
    assert code == 1, said
    assert expected in said
