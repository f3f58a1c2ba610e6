"""What becomes of calls where DBOS lives elsewhere, or no longer: in the parent of a fork, after its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,  # each has a process of its own
    pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start"),
]

ROOT = Path(__file__).parents[2]
BEGIN = """\
import asyncio, os, sys, threading, time
from dbos import DBOS
from dddkit.stories import I, Story, StoryState
from dddkit.stories.dbos import Durable, settings
from dddkit.stories.durable import RunStatus

class Slow(Story):
    I.wait
    class State(StoryState):
        seconds: float
    async def wait(self, state):
        await asyncio.sleep(state.seconds)

def configure():
    DBOS(config=settings("lives", sys.argv[1], log_level="ERROR"))

def tried(call, *arguments, **options):
    try:
        return call(*arguments, **options)
    except RuntimeError as error:
        return str(error)

configure()
slow = Durable(Slow(), name="slow")
"""


def run(program: str, folder: Path) -> str:
    # On 3.12 and later a fork of a process with threads is a warning.
    command = [sys.executable, "-W", "ignore", "-c", BEGIN + program, f"sqlite:///{folder}/lives.sqlite"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# What SQLite has locked in a thread of the parent stays locked in the child, for ever, and launched threads begin with
# many statements: so it forks when they rest.
FORKED = """\
DBOS.launch()
time.sleep(1.5)
if os.fork() == 0:
    print(tried(slow.status, "one"))
    print(tried(slow.start, Slow.State(seconds=0), id="two"))
    print(tried(asyncio.run, slow.aresult("one")))
    DBOS.destroy()
    configure()
    DBOS.launch()
    slow.start(Slow.State(seconds=0), id="child")
    print(tried(slow.result, "child").seconds, flush=True)
    os._exit(0)
os.wait()
slow.start(Slow.State(seconds=0), id="one")
print(slow.result("one", timeout=30).seconds, [run.id for run in slow.runs()])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_was_forked_after_the_launch_is_told_so_and_may_launch_its_own(tmp_path: Path) -> None:
    *told, own, last = run(FORKED, tmp_path).splitlines()
    assert [line.partition(";")[0] for line in told] == [
        "slow: DBOS was launched before this process was forked, and nothing of it runs here"
    ] * 3
    assert own == "0.0"
    assert last == "0.0 ['one', 'child']"


FORKED_BEFORE = """\
child = os.fork()
DBOS.launch()
name = "child" if child == 0 else "parent"
slow.start(Slow.State(seconds=0), id=name)
assert slow.result(name, timeout=30).seconds == 0
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(sorted(run.status.value for run in slow.runs()))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_was_forked_before_the_launch_has_a_dbos_of_its_own(tmp_path: Path) -> None:
    assert run(FORKED_BEFORE, tmp_path) == "['completed', 'completed']\n"


ENDED = """\
DBOS.launch()
for id in ("one", "two"):
    slow.start(Slow.State(seconds=600), id=id)
told = []
async def wait():
    return await slow.aresult("two")
threads = [
    threading.Thread(target=lambda: told.append(tried(slow.result, "one"))),
    threading.Thread(target=lambda: told.append(tried(asyncio.run, wait()))),
]
for thread in threads:
    thread.start()
time.sleep(0.3)
DBOS.destroy()
for thread in threads:
    thread.join(30)
print(*told, tried(slow.status, "one"), sep="\\n")
configure()
DBOS.launch()
while any(run.status is RunStatus.PENDING for run in slow.runs()):
    time.sleep(0.01)
print([run.status.value for run in slow.runs()])
DBOS.destroy()
"""


def test_who_waits_for_a_result_when_dbos_ends_is_told_so(tmp_path: Path) -> None:
    one, other, after, runs = run(ENDED, tmp_path).splitlines()
    ended = "slow: DBOS has ended in this process meanwhile; its runs go on where it is launched again"
    assert (one, other) == (ended, ended)
    assert after == "slow: DBOS is not running in this process; call DBOS.launch() first"
    assert runs == "['running', 'running']"


ENDED_LOOP = """\
async def first():
    DBOS.launch()
    await slow.astart(Slow.State(seconds=0.5), id="one")
    await asyncio.sleep(0.1)

asyncio.run(first())
slow.start(Slow.State(seconds=0), id="two")
print(slow.result("two", timeout=30).seconds, slow.result("one", timeout=50).seconds)
DBOS.destroy()
"""


def test_runs_of_a_loop_that_has_ended_go_on_in_another_one(tmp_path: Path) -> None:
    assert run(ENDED_LOOP, tmp_path) == "0.0 0.5\n"
