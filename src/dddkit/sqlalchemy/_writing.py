"""Writing what a unit has changed: the rows are locked and compared first, then written, then the messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from dddkit.exceptions import ConcurrencyError
from dddkit.sqlalchemy._ordering import Write, in_order
from dddkit.sqlalchemy._storage import Storage, Tracked

__all__ = ["Write", "write"]


def write(connection: Connection, unit: str, writes: Sequence[Write]) -> None:
    """Write the rows, or nothing.

    Raises:
        ConcurrencyError: another version of one of them is stored.
        UnitError: a value does not fit its column.
    """
    if len(writes) > 1:
        writes = sorted(writes, key=Write.sort_key)
        if connection.dialect.name != "sqlite":  # there the transaction has the lock already
            _lock_and_compare(connection, [one.of for one in writes if one.of.expected is not None])
    for one in in_order(writes):
        if one.version is None:
            one.of.storage.delete(connection, unit, one.of)
        else:
            one.of.storage.write(connection, unit, one.of, one.version)


def _lock_and_compare(connection: Connection, tracked: Sequence[Tracked]) -> None:
    """Lock the rows by table and key, so that two units never wait for each other; compare their versions."""
    by_storage: defaultdict[Storage[Any], list[Tracked]] = defaultdict(list)
    for one in tracked:
        if one.storage.can_lock:
            by_storage[one.storage].append(one)
    for storage, group in by_storage.items():
        found = storage.versions_locked(connection, [one.key for one in group])
        for locked in group:
            if found.get(locked.key) != locked.expected:
                raise ConcurrencyError(locked.aggregate, locked.expected, found.get(locked.key))
