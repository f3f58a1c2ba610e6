"""The rows that a unit writes, in the order that foreign keys want."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Table, schema

from dddkit.sqlalchemy._storage import Key, Storage, Tracked, Unassigned

__all__ = ["Write", "in_order"]


class Write:
    """One row to write, with its version after that; None where it is deleted."""

    __slots__ = ("of", "version")

    def __init__(self, of: Tracked) -> None:
        self.of: Final = of
        self.version: Final = None if of.is_deleted else of.next_version()

    def sort_key(self) -> tuple[str, Any]:
        storage, key = self.of.storage, self.of.key
        if isinstance(key, Unassigned):  # no row to be locked
            return f"{storage.store}\0", 0
        return storage.store, key if storage.has_ordered_keys else str(key)


def in_order(writes: Sequence[Write]) -> Sequence[Write]:
    """Return them in the order that foreign keys want: owners before what they own, deletes the other way."""
    if len(writes) < 2:
        return writes
    places = _places(dict.fromkeys(one.of.storage for one in writes))
    # Stable: by key within a table.
    by_place = sorted(writes, key=lambda one: places[one.of.storage])
    ordered = [
        one for storage, group in groupby(by_place, lambda one: one.of.storage) for one in _owners_first(storage, group)
    ]
    deleted = [one for one in ordered if one.version is None]
    return [one for one in ordered if one.version is not None] + deleted[::-1]


def _places(storages: Iterable[Storage[Any]]) -> dict[Storage[Any], int]:
    """Return the place of each; what has no table comes last."""
    # It breaks circles without a warning; the foreign keys of one are deferred.
    untyped: Any = schema  # what is called is, in SQLAlchemy
    tables = untyped.sort_tables_and_constraints({one.place for one in storages if one.place is not None})
    places = {table: place for place, (table, _) in enumerate(tables)}
    in_order = sorted(storages, key=lambda one: places[one.place])
    if any(len(one.tables) > 1 for one in in_order):  # a part of one may refer to another
        of_table = {table: one for one in in_order for table in one.tables}
        owners = {one: {of_table[table] for table in _referred(one) if table in of_table} - {one} for one in in_order}
        with suppress(CycleError):  # then the first tables decide
            in_order = [*TopologicalSorter(owners).static_order()]
    return {one: place for place, one in enumerate(in_order)}


def _referred(storage: Storage[Any]) -> Iterable[Table]:
    return (foreign_key.column.table for table in storage.tables for foreign_key in table.foreign_keys)


def _owners_first(storage: Storage[Any], writes: Iterable[Write]) -> Iterable[Write]:
    """Return the rows of a table in the order of its references to itself."""
    attributes = storage.self_references()
    if not attributes:
        return writes
    by_key: dict[Key, Write] = {one.of.key: one for one in writes}
    owners = {
        key: {getattr(one.of.aggregate, attribute) for attribute in attributes} & by_key.keys() - {key}
        for key, one in by_key.items()
    }
    try:
        return [by_key[key] for key in TopologicalSorter(owners).static_order()]
    except CycleError:  # whose foreign key is deferred
        return by_key.values()
