"""Processes that run trips, as tests start, ask, stop and kill them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Note", "Program", "TripWorker", "TripWorkers", "all_are", "has_begun", "trip_workers", "until"]

ROOT = Path(__file__).parents[2]
LONG = 60.0  # seconds, on a machine with much to do


def until(condition: Callable[[], object], what: str, within: float = LONG) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"this has not happened within {within:g} s: {what}"
        time.sleep(0.02)


class Note(NamedTuple):
    """What a step has noted."""

    pid: int
    key: str
    what: str
    at: float


class Program:
    """A process that answers each line that it reads by a line of JSON. It is killed at the end of the test."""

    def __init__(self, folder: Path, module: str, *arguments: str, **variables: str) -> None:
        self._errors = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed when the process is killed
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-W", "error", "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # to be killed with its children
        )

    def said(self) -> Any:
        """Return the next that it says; None when it has ended."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(LONG, self.process.send_signal, [signal.SIGABRT])  # it logs what its threads do
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        return json.loads(line) if line else None

    def ask(self, line: str) -> Any:
        """Have it do something; return what it says then."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.said()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Wait until it has ended; return its exit code."""
        try:
            return self.process.wait(LONG)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # it logs what its threads do
            self.process.wait()
            raise AssertionError(f"the worker does not end\n{self.log()}") from None

    def log(self) -> str:
        """Return what it has logged."""
        self._errors.seek(0)
        return self._errors.read().decode()

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self._errors):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what it was told last
                    pipe.close()


class TripWorker(Program):
    """A worker that runs trips."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        super().__init__(folder, "tests.durable.trip_worker", json.dumps(options))
        self.executor_id = ""

    def launched(self) -> TripWorker:
        """Wait until it is launched."""
        said = self.said()
        assert str(said).startswith("launched "), f"{said}\n{self.log()}"
        self.executor_id = str(said).split()[1]
        return self

    def start(self, name: str, *ids: str) -> None:
        said = self.ask(f"start {name} {' '.join(ids)}")
        assert said == "started", f"{said}\n{self.log()}"

    def statuses(self, name: str) -> dict[str, str]:
        found: dict[str, str] = self.ask(f"runs {name}")
        return found


class TripWorkers:
    """The processes of one test, which share a database and a file of notes."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self._folder = folder
        self._notes = folder / "notes"
        self._notes.touch()
        self._all: list[TripWorker] = []

    def worker(self, **options: Any) -> TripWorker:
        """Start another one."""
        worker = TripWorker(self._folder, {"url": self.url, "notes": str(self._notes), **options})
        self._all.append(worker)
        return worker

    def launched(self, *options: dict[str, Any]) -> list[TripWorker]:
        """Start one with each of these options; return them when all are launched."""
        started = [self.worker(**each) for each in options]
        return [worker.launched() for worker in started]

    def notes(self, key: str = "", what: str = "") -> list[Note]:
        """Return what steps have noted, in order, those of which the key contains this."""
        lines = self._notes.read_text().splitlines()
        notes = [Note(**json.loads(line)) for line in lines]
        return [note for note in notes if key in note.key and what in note.what]

    def times(self, what: str) -> Counter[str]:
        """Return how often each step has begun, or has ended."""
        return Counter(note.key for note in self.notes(what=what))

    def close(self) -> None:
        for worker in self._all:
            worker.close()


@contextmanager
def trip_workers(folder: Path, url: str) -> Generator[TripWorkers]:
    workers = TripWorkers(folder, url)
    try:
        yield workers
    finally:
        workers.close()


def has_begun(workers: TripWorkers, step: str, times: int = 5) -> Callable[[], bool]:
    """Return whether this step has begun so often, to wait for it."""
    return lambda: len(workers.notes(f"/{step}", "begins")) >= times


def all_are(worker: TripWorker, name: str, status: str) -> Callable[[], bool]:
    """Return whether all runs of a story have this status, as this worker says, to wait for it."""
    return lambda: set(worker.statuses(name).values()) == {status}
