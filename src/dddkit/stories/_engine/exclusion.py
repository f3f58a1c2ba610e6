"""Calls into a library that holds locks of its own while it works, which no fork and no re-entry may find held.

A fork waits until no thread is inside such a call, because the child would wait for the library's lock for ever. A
finalizer or a signal handler may run a story in the middle of such a call, in the same thread: what it wants to call
waits until the call has ended.
"""

# pyright: reportPrivateUsage=false
# The owner of a lock is asked as `threading.Condition` asks for it; a mark of our own would stay after an interrupt.

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from threading import RLock
from typing import Any, Final

__all__ = ["EXCLUSION", "call_exclusively", "is_inside", "postpone"]

EXCLUSION: Final[Any] = RLock()  # whose owner typeshed does not know
"""Held during such a call, and during a fork."""

_POSTPONED: Final[deque[Callable[[], object]]] = deque()


def _release_in_child() -> None:
    _POSTPONED.clear()  # the parent makes these calls
    EXCLUSION.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=EXCLUSION.acquire, after_in_parent=EXCLUSION.release, after_in_child=_release_in_child)


def is_inside() -> bool:
    """Return whether this thread is inside such a call."""
    inside: bool = EXCLUSION._is_owned()
    return inside


def postpone(call: Callable[[], object]) -> None:
    """Call it when the call that this thread is inside has ended."""
    _POSTPONED.append(call)


def call_exclusively(call: Callable[[], Any]) -> Any:
    """Return what the call returns, after the calls that were postponed meanwhile."""
    try:
        with EXCLUSION:
            return call()
    finally:
        while _POSTPONED and not is_inside():
            try:
                later = _POSTPONED.popleft()
            except IndexError:  # another thread was faster
                break
            later()
