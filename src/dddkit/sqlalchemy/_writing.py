"""Writing what a unit has changed: the rows are locked and compared first, then written, then the messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import StatementError

from dddkit.exceptions import ConcurrencyError
from dddkit.sqlalchemy._document_table import DocumentTable, Key
from dddkit.sqlalchemy._errors import is_unfit_value
from dddkit.sqlalchemy._ordering import Write, in_order
from dddkit.sqlalchemy._tracking import Tracked

__all__ = ["Write", "write"]

_AT_ONCE: Final = 500


def write(connection: Connection, unit: str, writes: Sequence[Write]) -> None:
    """Write the rows, or nothing.

    Raises:
        ConcurrencyError: another version of one of them is stored.
        UnitError: a value does not fit its column.
    """
    if len(writes) > 1:
        writes = sorted(writes, key=Write.sort_key)
        if connection.dialect.name != "sqlite":  # there the transaction has the lock already
            _lock_and_compare(connection, [one for one in writes if one.of.expected is not None])
    for one in in_order(writes):
        if one.data is None or one.version is None:
            _delete(connection, one.of)
        else:
            _store(connection, unit, one.of, one.data, one.version)


def _lock_and_compare(connection: Connection, writes: Sequence[Write]) -> None:
    """Lock the rows by table and key, so that two units never wait for each other; compare their versions.

    The keys of a table are sorted by us for the batches, and by the database for the locks within one.
    """
    by_table: defaultdict[DocumentTable[Any], list[Tracked]] = defaultdict(list)
    for one in writes:
        by_table[one.of.table].append(one.of)
    for table, tracked in by_table.items():
        found: dict[Key, int] = {}
        for start in range(0, len(tracked), _AT_ONCE):
            keys = [one.key for one in tracked[start : start + _AT_ONCE]]
            found.update(
                (key, version) for key, version in connection.execute(table.versions_locked, {"the_keys": keys})
            )
        for locked in tracked:
            if found.get(locked.key) != locked.expected:
                raise ConcurrencyError(locked.aggregate, locked.expected, found.get(locked.key))


def _store(connection: Connection, unit: str, one: Tracked, data: str, version: int) -> None:
    statements = one.table.statements(connection.dialect)
    parameters = one.table.parameters(one.key, one.aggregate, data, version)
    statement = statements.insert
    if one.expected is not None:
        statement, parameters["the_version"] = statements.update, one.expected
    try:
        is_done = statement.execute(connection, parameters).rowcount == 1
    except (StatementError, LookupError, OverflowError, TypeError, ValueError) as error:
        if not is_unfit_value(error):
            raise
        raise one.table.unfit(unit, one.key) from None  # the text of the driver shows the value
    if not is_done:
        raise ConcurrencyError(one.aggregate, one.expected, _found(connection, one))


def _delete(connection: Connection, one: Tracked) -> None:
    if one.expected is None:  # it is not stored, as far as its unit knows
        if (found := _found(connection, one)) is not None:
            raise ConcurrencyError(one.aggregate, None, found)
        return
    deleted = connection.execute(one.table.delete, {"the_key": one.key, "the_version": one.expected})
    if deleted.rowcount != 1:
        raise ConcurrencyError(one.aggregate, one.expected, _found(connection, one))


def _found(connection: Connection, one: Tracked) -> int | None:
    return connection.execute(one.table.version, {"the_key": one.key}).scalar_one_or_none()
