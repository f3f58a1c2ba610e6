"""Locks that the thread which holds one may take again, and that a forked child finds free."""

from __future__ import annotations

import os
from threading import RLock
from typing import Any, Final
from weakref import WeakSet

__all__ = ["new_lock"]

_LOCKS: Final[WeakSet[Any]] = WeakSet()


def new_lock() -> RLock:
    """Return a lock for a `with` statement.

    A signal handler or a finalizer may run at any line of the locked region and enter it again; another thread may
    fork there. The lock lets neither hang. That the data is right at every line is up to the region: change it by
    single operations of a dict or a list, in an order in which each state between them is a right one.

    Take the lock by `with` alone. An interrupt (Ctrl-C) comes before the lock is taken or inside the region, where
    `with` releases it; a function of ours that takes it could be interrupted in between.
    """
    lock = RLock()
    _LOCKS.add(lock)
    return lock


def _free_locks() -> None:
    """Free the locks of threads that do not exist in this child. The thread that has forked keeps those it holds."""
    for lock in list(_LOCKS):
        if not lock._is_owned():  # what `threading` itself does after a fork; there is no public way
            lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_locks)
