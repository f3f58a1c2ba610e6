"""The lock of the engine: held while hooks change, and while a class is given a `__call__` or loses it."""

from __future__ import annotations

from typing import Final

from dddkit._locks import new_lock

__all__ = ["LOCK"]

# One for all, since a finalizer may run in the region of any, inject hooks there, and run a story for the first time:
# two threads that take several locks in two orders would wait for each other.
LOCK: Final = new_lock()
