"""Short runs of the kill test: nothing is wrong, and what is made wrong on purpose is found."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from tests.house.pages import ROOT
from tests.kill.faults import FAULTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to kill"),
]

SAID = {
    "delete-before-publish": "messages without effect",
    "no-inbox": "messages with an effect twice",
    "outbox-outside": "messages lost",
}


def kill(*options: str) -> tuple[int, str]:
    """Run the program; return its exit code and what it said."""
    command = [sys.executable, "-m", "tests.kill", "--setup", "sqlite", "--seed", "1", *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300, check=False)
    return run.returncode, run.stdout + run.stderr


def test_nothing_is_lost_or_done_twice_where_processes_are_killed() -> None:
    code, said = kill("--kills", "15")
    assert code == 0, said
    assert " kills, 0 problems" in said


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str) -> None:
    code, said = kill("--fault", fault, "--seconds", "60")
    assert code == 1, said
    assert SAID[fault] in said


def test_a_run_that_is_ended_leaves_no_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("run")
    command = [sys.executable, "-m", "tests.kill", "--setup", "sqlite", "--seconds", "60"]
    deadline = time.monotonic() + 60
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, text=True) as run:
        while not list(folder.glob("dddkit-kill-*/units")):  # its processes write
            assert time.monotonic() < deadline
            time.sleep(0.02)
        run.terminate()
    assert run.returncode == 143
    assert list(folder.glob("dddkit-kill-*")) == []
