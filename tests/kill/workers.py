"""Processes that are started, killed, and started again."""

from __future__ import annotations

import multiprocessing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from tests.kill.processes import Kind, run
from tests.kill.setups import Setup

__all__ = ["Worker"]

# The forkserver has imported everything already, so that a process is there in no time.
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.kill.processes", "tests.kill.brokers"])

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
            arguments = (self._setup, self.kind, f"{self.name}.{self._started}", self._log, seed)
            self._process = _CONTEXT.Process(target=run, args=arguments)
            self._process.start()

    def kill(self) -> None:
        """End it with -9."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def ended(self) -> str | None:
        """Return what is to be said of a process that has ended without having been asked to."""
        if self._process is None or self._process.exitcode is None:
            return None
        said = f"{self.name} ended by itself with {self._process.exitcode}: {self._last_words()}"
        self._process = None
        return said

    def stop(self) -> str | None:
        """Ask it to end; return what is to be said where it does not end as it should."""
        if self._process is None:
            return None
        self._process.terminate()
        self._process.join(LONGEST_END)
        code = self._process.exitcode
        said = None if code == 0 else f"{self.name}, asked to end, said {code}: {self._last_words()}"
        self.kill()
        return said

    @property
    def _log(self) -> Path:
        return self._setup.folder / f"{self.name}.log"

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8")[-1500:] if self._log.exists() else "nothing"
