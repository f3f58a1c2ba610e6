"""The rows that a unit writes, in the order that foreign keys want."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import groupby
from typing import Any, Final

from sqlalchemy import schema

from dddkit.sqlalchemy._document_table import DocumentTable, Key
from dddkit.sqlalchemy._tracking import Tracked
from dddkit.sqlalchemy._versions import first_version

__all__ = ["Write", "in_order"]


class Write:
    """One row to write, with its version after that; None where it is deleted."""

    __slots__ = ("data", "of", "version")

    def __init__(self, of: Tracked, data: str | None) -> None:
        self.of: Final = of
        self.data: Final = data
        self.version: Final = self._next_version()

    def _next_version(self) -> int | None:
        if self.of.is_deleted:
            return None
        if self.of.expected is None or self.of.before:  # a new row
            return max(first_version(), (self.of.expected or 0) + 1)
        return self.of.expected + 1

    def sort_key(self) -> tuple[str, Any]:
        return self.of.table.store, self.of.key


def in_order(writes: Sequence[Write]) -> Sequence[Write]:
    """Return them in the order that foreign keys want: owners before what they own, deletes the other way."""
    if len(writes) < 2:
        return writes
    # It breaks circles without a warning; the foreign keys of one are deferred.
    untyped: Any = schema  # what is called is, in SQLAlchemy
    tables = untyped.sort_tables_and_constraints({one.of.table.table for one in writes})
    places = {table: place for place, (table, _) in enumerate(tables)}
    # Stable: by key within a table.
    by_place = sorted(writes, key=lambda one: places[one.of.table.table])
    ordered = [
        one for table, group in groupby(by_place, lambda one: one.of.table) for one in _owners_first(table, group)
    ]
    deleted = [one for one in ordered if one.data is None]
    return [one for one in ordered if one.data is not None] + deleted[::-1]


def _owners_first(table: DocumentTable[Any], writes: Iterable[Write]) -> Iterable[Write]:
    """Return the rows of a table in the order of its references to itself."""
    columns = [
        foreign_key.parent.name
        for foreign_key in table.table.foreign_keys
        if foreign_key.column is table.key and foreign_key.parent.name in table.columns
    ]
    if not columns:
        return writes
    by_key: dict[Key, Write] = {one.of.key: one for one in writes}
    owners = {
        key: {getattr(one.of.aggregate, column) for column in columns} & by_key.keys() - {key}
        for key, one in by_key.items()
    }
    try:
        return [by_key[key] for key in TopologicalSorter(owners).static_order()]
    except CycleError:  # whose foreign key is deferred
        return by_key.values()
