"""Processes that are started, killed, and started again."""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.process import BaseProcess
from typing import Final

from tests.kill.processes import Kind, run
from tests.kill.setups import Setup

__all__ = ["KILLED", "Worker"]

# The forkserver has imported everything already, so that a process is there in no time.
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.kill.processes", "tests.kill.brokers"])

KILLED: Final = "killed on its way"

LONGEST_END: Final = 30
"""How many seconds a process may take to end by SIGTERM."""


class Worker:
    """The place of one process: there is at most one at a time."""

    def __init__(self, setup: Setup, kind: Kind, name: str, seed: int) -> None:
        self.kind: Final = kind
        self.name: Final = name
        self._setup: Final = setup
        self._seed: Final = seed
        self._started = 0
        self._process: BaseProcess | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        if self._process is None:
            self._started += 1
            seed = f"{self._seed} {self.name} {self._started}"
            arguments = (
                self._setup,
                self.kind,
                f"{self.name}.{self._started}",
                self._setup.folder / f"{self.name}.log",
                seed,
            )
            self._process = _CONTEXT.Process(target=run, args=arguments)
            self._process.start()

    def kill(self) -> None:
        """End it with -9."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def ended(self) -> str | None:
        """Return KILLED if the process was killed on its way, else what is to be said if it has ended; or None."""
        return None if self._process is None or self._process.exitcode is None else self._end(wanted=None)

    def stop(self) -> str | None:
        """Ask it to end, and return the same; nothing where it ends as it should."""
        if self._process is None:
            return None
        self._process.terminate()
        self._process.join(LONGEST_END)
        return self._end(wanted=0)

    def _end(self, wanted: int | None) -> str | None:
        code = self._process.exitcode if self._process is not None else None
        self.kill()
        if code == wanted:
            return None
        if code == -signal.SIGKILL:
            return KILLED
        log = self._setup.folder / f"{self.name}.log"
        return f"{self.name} ended with {code}; its last words: {log.read_text(encoding='utf-8')[-1500:]}"
