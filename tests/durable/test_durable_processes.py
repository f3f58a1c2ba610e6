from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.durable.launched import DATABASES, url_of

pytestmark = pytest.mark.slow  # several processes each

ROOT = Path(__file__).parents[2]


class Process:
    def __init__(self, *arguments: str, **variables: str) -> None:
        command = [sys.executable, "-W", "error", "-m", "tests.durable.approving", *arguments]
        self.popen = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **variables}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._said() == "launched"

    def call(self, name: str, *arguments: Any) -> Any:
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{json.dumps([name, arguments])}\n")
        self.popen.stdin.flush()
        return self._said()

    def until(self, status: str, run_id: str) -> None:
        deadline = time.monotonic() + 60
        while (found := self.call("status", run_id)) != status:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def end(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.close()
        assert self.popen.wait(30) == 0

    def _said(self) -> Any:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, f"it has ended with {self.popen.wait(30)}"
        return json.loads(line)


class Processes:
    def __init__(self, url: str) -> None:
        self._url = url
        self._all: list[Process] = []

    def start(self, *names: str, **variables: str) -> Process:
        process = Process(self._url, *names, **variables)
        self._all.append(process)
        return process

    def close(self) -> None:
        for process in self._all:
            process.popen.kill()
            process.popen.wait()
            for pipe in (process.popen.stdin, process.popen.stdout):
                assert pipe is not None
                pipe.close()


@pytest.fixture(params=DATABASES)
def processes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    processes = Processes(url_of(request.param, tmp_path_factory))
    yield processes
    processes.close()


def test_signals_and_cancellations_reach_a_run_in_another_process(processes: Processes) -> None:
    one, other = processes.start("approved"), processes.start("approved")
    for run_id in ("signalled", "undone", "stopped"):
        assert one.call("start", run_id) == run_id
        other.until("waiting", run_id)
    assert other.call("signal", "signalled", "approval", True) is True
    assert one.call("signal", "signalled", "approval", False) is False
    assert other.call("result", "signalled") == ["approved/signalled/prepare", "approved/signalled/decide"]
    assert other.call("cancel", "undone", True) is None
    assert other.call("result", "undone").startswith("RunCancelledError")
    assert other.call("cancel", "stopped", False) is None
    assert one.call("result", "stopped").startswith("RunCancelledError")
    other.call("resume", "stopped")
    one.until("waiting", "stopped")
    assert one.call("signal", "stopped", "approval", True) is True
    assert one.call("result", "stopped") == ["approved/stopped/prepare", "approved/stopped/decide"]


def test_a_renamed_story_goes_on_with_the_runs_and_the_keys_of_its_old_name(processes: Processes) -> None:
    old = processes.start("first")
    old.call("start", "order")
    old.until("waiting", "order")
    assert old.call("signal", "order", "approval", 7).startswith("StoryNotRecordableError")
    old.end()
    new = processes.start("second", "first")
    assert new.call("start", "order") == "order"  # its State has another field meanwhile, with a default
    new.until("waiting", "order")
    assert new.call("signal", "order", "approval", True) is True
    assert new.call("result", "order") == ["first/order/prepare", "first/order/decide"]
    assert new.call("start", "next") == "next"
    assert new.call("signal", "next", "approval", True) is True
    assert new.call("result", "next") == ["second/next/prepare", "second/next/decide"]
    new.end()


def test_a_killed_process_is_followed_by_another(processes: Processes) -> None:
    one = processes.start("approved")
    one.call("start", "order")
    one.until("waiting", "order")
    one.popen.kill()
    one.popen.wait()
    other = processes.start("approved")
    assert other.call("signal", "order", "approval", True) is True
    assert other.call("result", "order") == ["approved/order/prepare", "approved/order/decide"]


def test_a_run_that_the_code_does_not_fit_stays_until_code_that_fits_resumes_it(processes: Processes) -> None:
    old = processes.start("approved")
    old.call("start", "order")
    old.until("waiting", "order")
    old.end()
    reordered = processes.start("approved", REORDERED="yes")
    reordered.until("changed", "order")
    assert reordered.call("retry", "order").startswith("RunStatusError")
    reordered.call("resume", "order")
    reordered.until("changed", "order")
    assert reordered.call("signal", "order", "approval", True) is True
    reordered.end()
    fitting = processes.start("approved")
    assert fitting.call("result", "order") == ["approved/order/prepare", "approved/order/decide"]
