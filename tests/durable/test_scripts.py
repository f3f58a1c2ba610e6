"""What somebody sees who runs durable stories by a script, and ends it before they have ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # processes

SCRIPT = """
import sys, threading
from dbos import DBOS
from dddkit.stories import I, Story, StoryState
from dddkit.stories.dbos import Durable, settings

begun, ending = threading.Event(), threading.Event()

class Nap(Story):
    I.nap

    class State(StoryState):
        pass

    def nap(self, state: State) -> None:
        begun.set()
        ending.wait(0.2)

DBOS(config=settings("naps", "sqlite:///naps.sqlite"))
nap = Durable(Nap(), name="nap")
DBOS.launch()
nap.start(Nap.State(), id="nap-1")
if sys.argv[1:]:
    print(nap.result("nap-1"))
    DBOS.destroy()
else:
    begun.wait()
    sys.exit(3)  # as after Ctrl-C, or any error that nobody catches
"""


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_a_script_that_ends_in_the_middle_of_a_step_says_so_in_a_line_and_the_next_one_goes_on(tmp_path: Path) -> None:
    status, _, said = run(tmp_path)
    assert status == 3
    assert "Traceback" not in said
    assert said.count("\n") <= 1
    status, printed, _ = run(tmp_path, "again")
    assert (status, printed) == (0, "Nap.State()\n")
