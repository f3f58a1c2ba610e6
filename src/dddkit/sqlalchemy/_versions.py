"""The version that a new row begins with."""

from __future__ import annotations

import time

from dddkit._locks import new_lock

__all__ = ["first_version"]

_lock = new_lock()
_last = 0


def first_version() -> int:
    """Return the microseconds since 1970: an aggregate that is deleted and created again goes on with none of its old.

    Each is greater than the one before, also where a test stops the clock.
    """
    global _last
    with _lock:
        _last = max(_last + 1, time.time_ns() // 1000)
        return _last
