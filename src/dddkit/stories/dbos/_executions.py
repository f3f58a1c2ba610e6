"""The runs that this process is executing: what they wait for, and stopping them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from threading import Lock
from typing import Final

from dddkit._typing import Self

__all__ = ["Execution", "RunLeft", "executions_here", "execution_of"]

_LONGEST_SLEEP: Final = 600.0  # seconds; the clock of the machine may be set meanwhile


class RunLeft(BaseException):
    """An execution ends, and its run has not: somebody goes on with it later.

    Like a cancellation it is no Exception, so that DBOS records nothing, and the run stays pending.
    """


class Execution:
    """One execution of a run, in its loop: `with Execution(run_id) as execution:`."""

    def __init__(self, run_id: str) -> None:
        self.run_id: Final = run_id
        self.cancel_requested = False
        self.is_stopped = False
        """Whether it is to end before the next step, and leave the run pending."""
        self.awaits: str | None = None
        """The mailbox of the signal that it waits for."""
        self._loop: Final = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        with _lock:
            _executions.setdefault(self.run_id, []).append(self)
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _executions[self.run_id].remove(self)
            if not _executions[self.run_id]:
                del _executions[self.run_id]

    async def sleep(self, until: float | None) -> None:
        """Sleep until somebody wakes this execution, or the time (epoch seconds) has come, or for no reason."""
        if self.is_stopped:
            raise RunLeft(self.run_id)
        seconds = _LONGEST_SLEEP if until is None else min(until - time.time(), _LONGEST_SLEEP)
        self._woken = woken = self._loop.create_future()
        timer = self._loop.call_later(max(seconds, 0), _end_of_sleep, woken)
        try:
            await woken
        finally:
            timer.cancel()
            self._woken = None
        if self.is_stopped:
            raise RunLeft(self.run_id)

    def wake(self) -> None:
        """Let it look what has come, if it sleeps; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # its loop has ended, and it too
            pass

    def stop(self) -> None:
        """End it at the next step, now where it sleeps, and leave the run pending; from any thread."""
        self.is_stopped = True
        self.wake()

    def _wake(self) -> None:
        if self._woken is not None:
            _end_of_sleep(self._woken)


def _end_of_sleep(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


_executions: Final[dict[str, list[Execution]]] = {}
"""By the id of the run. A run that was resumed may have two for a moment, of which DBOS lets only the last record."""
_lock: Final = Lock()


def executions_here() -> list[Execution]:
    """Return all executions of this process."""
    with _lock:
        return [execution for found in _executions.values() for execution in found]


def execution_of(run_id: str) -> Iterator[Execution]:
    """Return those of one run."""
    with _lock:
        return iter(tuple(_executions.get(run_id, ())))
