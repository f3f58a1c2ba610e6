"""Processes that are started, and killed or killing themselves."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Collection, Sequence
from multiprocessing.process import BaseProcess
from typing import Any, Final

from tests.kill.stories.laws import Line
from tests.kill.stories.setups import Setup
from tests.kill.stories.world import Ledger

__all__ = ["LONGEST_LAUNCH", "Processes", "wait"]

LONGEST_LAUNCH: Final = 60.0
"""Seconds that may pass until the next process is ready."""

_CONTEXT: Final = multiprocessing.get_context("forkserver")


class Processes:
    """All that a run has started; none of them outlives the block."""

    def __init__(self, setup: Setup) -> None:
        self._setup: Final = setup
        self._ledger: Final = Ledger(setup.ledger)
        self._all: Final = list[BaseProcess]()
        # The forkserver imports it once, so that a process is there in no time.
        _CONTEXT.set_forkserver_preload(["tests.kill.stories.processes"])

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            process.kill()
            process.join()

    def start(self, target: Callable[..., None], name: str, *arguments: Any) -> BaseProcess:
        log = self._setup.folder / f"{name}.log"
        process = _CONTEXT.Process(target=target, args=(self._setup, log, *arguments), name=name)
        process.start()
        self._all.append(process)
        return process

    def kill(self, process: BaseProcess) -> None:
        """End it with -9, and write down that it is dead."""
        process.kill()
        process.join()
        self._ledger.write("killed", "", pid=process.pid)

    def ended_otherwise(self, codes: Collection[int]) -> list[str]:
        """Return what the processes said last that have ended, and with none of these codes."""
        return [
            f"{process.name} ended with {process.exitcode}; its last words: {self._last_words(process)}"
            for process in self._all
            if process.exitcode is not None and process.exitcode not in codes
        ]

    def _last_words(self, process: BaseProcess) -> str:
        log = self._setup.folder / f"{process.name}.log"
        return log.read_text(encoding="utf-8")[-1500:] if log.exists() else ""


def wait(setup: Setup, is_over: Callable[[Sequence[Line]], bool], patience: float) -> bool:
    """Return True when it is over by the lines of the ledger, False when none has come for so many seconds."""
    written, since = 0, time.monotonic()
    while not is_over(lines := setup.lines()):
        if len(lines) != written:
            written, since = len(lines), time.monotonic()
        if time.monotonic() - since >= patience:
            return False
        time.sleep(0.1)
    return True
