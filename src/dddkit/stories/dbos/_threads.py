"""The threads in which the steps of sync stories run."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from dddkit._locks import new_lock

__all__ = ["step_threads", "waiting_for_runs"]

_MOST: Final = 32
"""How many steps run at once. A step that waits for another run does not count."""
_MOST_THREADS: Final = 100_000

P = ParamSpec("P")
R = TypeVar("R")


class _StepThreads(Executor):
    """Threads for a limited number of steps, and for those besides that wait for other runs.

    The steps of those runs may need threads too: were the waiting ones counted, all could wait for each other.
    """

    def __init__(self) -> None:
        self._pool: Final = ThreadPoolExecutor(_MOST_THREADS, "dddkit-step")
        self._lock: Final = new_lock()
        self._queued: Final[deque[Callable[[], None]]] = deque()
        self._running = 0

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()
        with self._lock:
            self._queued.append(partial(self._run, future, partial(fn, *args, **kwargs)))
        self.change(0)
        return future

    def change(self, running: int) -> None:
        """Count more running steps, or fewer, and begin those that may run now."""
        with self._lock:
            self._running += running
            while self._queued and self._running < _MOST:
                self._running += 1
                self._pool.submit(self._queued.popleft())

    def _run(self, future: Future[Any], step: Callable[[], Any]) -> None:
        _here.threads = self
        try:
            if future.set_running_or_notify_cancel():
                try:
                    result = step()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
        finally:
            del future, step  # the traceback of an error leads here
            self.change(-1)


_here: Final = threading.local()

_threads: _StepThreads | None = None


def step_threads() -> Executor:
    """Return the threads, others in a forked child.

    They are not DBOS's own: those write the records, also of runs that a step starts and waits for.
    """
    global _threads
    if _threads is None:
        _threads = _StepThreads()
    return _threads


@contextmanager
def waiting_for_runs() -> Generator[None]:
    """Let another step run in the place of the one that waits in this block; nothing happens outside of steps."""
    threads: _StepThreads | None = getattr(_here, "threads", None)
    if threads is None:
        yield
        return
    threads.change(-1)
    try:
        yield
    finally:
        threads.change(1)


def _forget() -> None:
    """The threads of the parent do not exist here."""
    global _threads
    _threads = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
