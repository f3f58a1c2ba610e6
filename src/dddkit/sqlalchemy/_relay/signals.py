"""SIGTERM, while relays run in the main thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
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
    global _old  # there is one handler in the process, and several relays may run
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is None:
        yield  # None: the handler is not Python's, and could not be restored
        return
    if not _stops:
        _old = signal.signal(signal.SIGTERM, _stop_all)
    _stops.append(stop)
    try:
        yield
    finally:
        _stops.remove(stop)
        if not _stops and signal.getsignal(signal.SIGTERM) is _stop_all:
            signal.signal(signal.SIGTERM, _old)


def _stop_all(number: int, frame: FrameType | None) -> None:
    for stop in _stops:
        stop()
