from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.durable.launched import DATABASES, url_of
from tests.durable.processes import Program, until

pytestmark = pytest.mark.slow  # several processes each


class Process(Program):
    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        super().__init__(folder, "tests.durable.approving", *arguments, **variables)

    def call(self, name: str, *arguments: Any) -> Any:
        return self.ask(json.dumps([name, arguments]))

    def until(self, status: str, run_id: str) -> None:
        until(lambda: self.call("status", run_id) == status, f"{run_id} is {status}")

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.ended() == 0


class Processes:
    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self._all: list[Process] = []

    def start(self, *names: str, **variables: str) -> Process:
        process = Process(self._folder, self._url, *names, **variables)
        self._all.append(process)
        assert process.said() == "launched", process.log()
        return process

    def close(self) -> None:
        for process in self._all:
            process.close()


@pytest.fixture(params=DATABASES)
def processes(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Processes]:
    processes = Processes(tmp_path, url_of(request.param, tmp_path_factory))
    yield processes
    processes.close()


def changed(processes: Processes) -> Process:
    """Start the run "order", and return a process with other code, which cannot continue it."""
    old = processes.start("approved")
    old.call("start", "order")
    old.until("waiting", "order")
    old.end()
    reordered = processes.start("approved", REORDERED="yes")
    reordered.until("changed", "order")
    return reordered


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
    one.kill()
    other = processes.start("approved")
    assert other.call("signal", "order", "approval", True) is True
    assert other.call("result", "order") == ["approved/order/prepare", "approved/order/decide"]


def test_a_run_that_the_code_does_not_fit_stays_until_code_that_fits_resumes_it(processes: Processes) -> None:
    reordered = changed(processes)
    assert reordered.call("retry", "order").startswith("RunStatusError")
    reordered.call("resume", "order")
    reordered.until("changed", "order")
    assert reordered.call("signal", "order", "approval", True) is True
    reordered.end()
    fitting = processes.start("approved")
    assert fitting.call("result", "order") == ["approved/order/prepare", "approved/order/decide"]


def test_a_failed_run_that_the_code_does_not_fit_is_not_retried_and_stays_as_it_is(processes: Processes) -> None:
    failing = processes.start("approved", FAILING="yes")
    failing.call("start", "order")
    failing.call("signal", "order", "approval", True)
    failing.until("failed", "order")
    failing.end()
    reordered = processes.start("approved", REORDERED="yes")
    assert "'prepare' is recorded as done" in reordered.call("retry", "order")
    assert reordered.call("result", "order") == "ValueError: nobody decides today"
    reordered.end()
    fitting = processes.start("approved")
    fitting.call("retry", "order")
    assert fitting.call("result", "order") == ["approved/order/prepare", "approved/order/decide"]


def test_a_run_that_was_cancelled_while_no_code_fitted_is_undone_also_when_somebody_resumes_it(
    processes: Processes,
) -> None:
    reordered = changed(processes)
    assert reordered.call("cancel", "order", True) is None
    reordered.call("resume", "order")
    reordered.until("changed", "order")
    reordered.end()
    processes.start("approved").until("cancelled", "order")
