"""SIGTERM, while something runs in the main thread that wants to end what it has begun."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

__all__ = ["stopped_by_sigterm"]

_stops: Final[list[Callable[[], object]]] = []
_old: Any = None


@contextmanager
def stopped_by_sigterm(stop: Callable[[], object]) -> Generator[None]:
    """Call `stop` at SIGTERM, where this is the main thread; then the handler is what it was.

    `stop` runs in the middle of anything.
    """
    global _old  # there is one handler in the process, and several may run
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is None:
        yield  # None: the handler is not Python's, and could not be restored
        return
    _stops.append(stop)  # before the handler is there: a signal may come at once
    try:
        if len(_stops) == 1:
            _old = signal.signal(signal.SIGTERM, _stop_all)
        yield
    finally:
        if len(_stops) == 1 and signal.getsignal(signal.SIGTERM) is _stop_all:
            signal.signal(signal.SIGTERM, _old)
        _stops.remove(stop)


def _stop_all(number: int, frame: FrameType | None) -> None:
    for stop in _stops:
        with suppress(RuntimeError):  # the loop of one that was never ended is closed
            stop()
