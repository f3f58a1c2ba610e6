"""SIGTERM, while something runs in the main thread that wants to end what it has begun."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

__all__ = ["stopped_by_sigterm"]

_stops: Final[list[Callable[[], object]]] = []
_old: Any = None
_bells: Final[list[socket.socket]] = []


@contextmanager
def stopped_by_sigterm(stop: Callable[[], object]) -> Generator[None]:
    """Call `stop` at SIGTERM, where this is the main thread; then the handler is what it was.

    `stop` runs in the middle of anything. The caller runs in an event loop, and waits in it.
    """
    global _old  # there is one handler in the process, and several may run
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is None:
        yield  # None: the handler is not Python's, and could not be restored
        return
    _stops.append(stop)  # before the handler is there: a signal may come at once
    try:
        if len(_stops) == 1:
            _old = signal.signal(signal.SIGTERM, _stop_all)
        with _woken_by_signals(asyncio.get_running_loop()):
            yield
    finally:
        if len(_stops) == 1 and signal.getsignal(signal.SIGTERM) is _stop_all:
            signal.signal(signal.SIGTERM, _old)
        _stops.remove(stop)


def _stop_all(number: int, frame: FrameType | None) -> None:
    for stop in _stops:
        with suppress(RuntimeError):  # the loop of one that was never ended is closed
            stop()


@contextmanager
def _woken_by_signals(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Let signals wake the loop.

    Python calls a handler when the main thread executes its next instruction. A loop that waits executes none, and
    the system may interrupt another thread than this one, or this one just before it begins to wait.
    """
    rung = signal.set_wakeup_fd(-1)
    if rung != -1 and rung not in [bell.fileno() for bell in _bells]:
        signal.set_wakeup_fd(rung)  # the loop has seen to that itself, as it does for its own handlers
        yield
        return
    listener, bell = socket.socketpair()
    with listener, bell:
        listener.setblocking(False)
        bell.setblocking(False)
        loop.add_reader(listener, listener.recv, 4096)
        _bells.append(bell)
        signal.set_wakeup_fd(bell.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            _bells.remove(bell)
            rung = signal.set_wakeup_fd(-1)
            if rung != bell.fileno():
                signal.set_wakeup_fd(rung)
            elif _bells:
                signal.set_wakeup_fd(_bells[-1].fileno(), warn_on_full_buffer=False)
            if not loop.is_closed():
                loop.remove_reader(listener)
