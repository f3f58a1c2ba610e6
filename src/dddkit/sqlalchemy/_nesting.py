"""Which units hold which SQLite database: one that waits for another of its own task would wait for itself."""

from __future__ import annotations

from asyncio import current_task
from collections.abc import Hashable
from threading import get_ident
from typing import Any, Final
from weakref import ref

from dddkit._locks import new_lock
from dddkit.exceptions import UnitError

__all__ = ["Holder"]


class Holder:
    """One open unit that uses a SQLite database: it holds the lock of the database, or its only connection."""

    __slots__ = ("__weakref__", "_database", "_is_async", "_is_read_only", "_task", "_thread", "unit")

    def __init__(self, unit: str, database: Hashable, *, is_async: bool, is_read_only: bool) -> None:
        self.unit: Final = unit
        self._database: Final = database
        self._is_async: Final = is_async
        self._is_read_only: Final = is_read_only and isinstance(database, str)  # in memory there is one connection
        self._thread: Final = get_ident()
        self._task: Final = _current_task()

    def hold(self) -> None:
        """Note that the unit uses the database from now on.

        Raises:
            UnitError: it would wait for a unit that is open in this task or thread.
        """
        with _lock:
            if (held := _holders.get(self._database)) is None:  # the usual case
                _holders[self._database] = (ref(self),)
                return
            others = [holder for one in held if (holder := one()) is not None]
            if (other := next(filter(self._waits_for, others), None)) is not None:
                raise UnitError(
                    self.unit,
                    f"it is used inside of {other.unit}, whose transaction holds the same SQLite database, so it would "
                    f"wait for itself; pass the outer unit on, or end it first",
                )
            _holders[self._database] = (*map(ref, others), ref(self))

    def leave(self) -> None:
        with _lock:
            held = _holders.get(self._database, ())
            left = len(held) > 1 and tuple(one for one in held if one() not in (None, self))
            if left:
                _holders[self._database] = left
            else:
                _holders.pop(self._database, None)

    def _waits_for(self, other: Holder) -> bool:
        if other._thread != self._thread or self._is_read_only or other._is_read_only:
            return False
        if not self._is_async:
            return True  # it blocks the thread, with all its tasks
        return other._task is self._task or other._task is None


_holders: Final[dict[Hashable, tuple[ref[Holder], ...]]] = {}
_lock: Final = new_lock()


def _current_task() -> Any:
    try:
        return current_task()
    except RuntimeError:  # no loop runs in this thread
        return None
