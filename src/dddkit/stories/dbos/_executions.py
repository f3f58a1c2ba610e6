"""The runs that this process is executing: what they wait for, and stopping them."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import Final

from dddkit._locks import new_lock
from dddkit._typing import Self
from dddkit.stories.dbos._leases import runs_may_begin

__all__ = ["Execution", "RunLeft", "allow_executions", "executions_here", "executions_of", "stop_executions"]

_LONGEST_SLEEP: Final = 600.0  # seconds; the clock of the machine may be set meanwhile


class RunLeft(asyncio.CancelledError):
    """An execution ends, and its run has not: somebody goes on with it later.

    A cancellation, for of these DBOS records nothing, and the run stays pending.
    """


class Execution:
    """One execution of a run, in its loop: `with Execution(run_id) as execution:`."""

    def __init__(self, run_id: str) -> None:
        self.run_id: Final = run_id
        self.cancel_requested = False
        self.is_stopped = _all_are_stopped or not runs_may_begin()
        """Whether it is to end before the next step, and leave the run pending."""
        self.awaits: str | None = None
        """The mailbox of the signal that it waits for."""
        self._loop: Final = asyncio.get_running_loop()
        self._task: Final = asyncio.current_task()
        self._woken: asyncio.Future[None] | None = None
        self._has_ended: Final = asyncio.Event()

    def __enter__(self) -> Self:
        with _lock:
            _executions.setdefault(self.run_id, []).append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._has_ended.set()
        self.is_stopped = True  # what goes on of it in a thread begins no further step
        with _lock:
            _executions[self.run_id].remove(self)
            if not _executions[self.run_id]:
                del _executions[self.run_id]

    @property
    def has_ended(self) -> bool:
        """Whether it has ended; from any thread. A step that runs in one may not have."""
        return self._has_ended.is_set()

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

    async def ended(self, timeout: float) -> None:
        """Wait until it has ended, at most for so many seconds."""
        if asyncio.get_running_loop() is not self._loop:
            await asyncio.sleep(min(timeout, 0.05))
            return
        waiting = asyncio.ensure_future(self._has_ended.wait())
        try:
            await asyncio.wait([waiting], timeout=timeout)
        finally:
            waiting.cancel()

    def wake(self) -> None:
        """Let it look what has come, if it sleeps; from any thread."""
        with suppress(RuntimeError):  # its loop has ended, and it too
            self._loop.call_soon_threadsafe(self._wake)

    def stop(self) -> None:
        """End it at the next step, now where it sleeps, and leave the run pending; from any thread."""
        self.is_stopped = True
        self.wake()

    def interrupt(self) -> None:
        """End it in the middle of its step; from any thread. A step that runs in a thread goes on there."""
        if self._task is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _wake(self) -> None:
        if self._woken is not None:
            _end_of_sleep(self._woken)


def _end_of_sleep(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


_executions: Final[dict[str, list[Execution]]] = {}
"""By the id of the run. A run that was resumed may have two for a moment, of which DBOS lets only the last record."""
_lock: Final = new_lock()


def executions_here() -> list[Execution]:
    """Return all executions of this process."""
    with _lock:
        return [execution for found in _executions.values() for execution in found]


def stop_executions() -> None:
    """End all executions of this process as `stop` does, and those that begin later too: it is about to end."""
    global _all_are_stopped
    _all_are_stopped = True
    for execution in executions_here():
        execution.stop()


def allow_executions() -> None:
    """Let executions go on from now on."""
    global _all_are_stopped
    _all_are_stopped = False


_all_are_stopped = False


def executions_of(run_id: str) -> tuple[Execution, ...]:
    """Return those of one run."""
    with _lock:
        return tuple(_executions.get(run_id, ()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_executions.clear)  # those of the parent
