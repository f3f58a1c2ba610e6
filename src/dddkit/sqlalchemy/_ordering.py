"""The rows that a unit writes, in the order that foreign keys want."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import groupby
from typing import Any, Final

from sqlalchemy import schema

from dddkit.sqlalchemy._storage import Key, Storage, Tracked
from dddkit.sqlalchemy._versions import first_version

__all__ = ["Write", "in_order"]


class Write:
    """One row to write, with its version after that; None where it is deleted."""

    __slots__ = ("of", "version")

    def __init__(self, of: Tracked) -> None:
        self.of: Final = of
        self.version: int | None = None
        if not of.is_deleted:
            is_new = of.expected is None or of.before
            self.version = max(first_version(), (of.expected or 0) + 1) if is_new else (of.expected or 0) + 1

    def sort_key(self) -> tuple[str, Any]:
        storage, key = self.of.storage, self.of.key
        return storage.store, key if storage.has_ordered_keys else str(key)


def in_order(writes: Sequence[Write]) -> Sequence[Write]:
    """Return them in the order that foreign keys want: owners before what they own, deletes the other way."""
    if len(writes) < 2:
        return writes
    # It breaks circles without a warning; the foreign keys of one are deferred.
    untyped: Any = schema  # what is called is, in SQLAlchemy
    tables = untyped.sort_tables_and_constraints(
        {place for one in writes if (place := one.of.storage.place) is not None}
    )
    places = {table: place for place, (table, _) in enumerate(tables)}  # the last one is of no table
    # Stable: by key within a table.
    by_place = sorted(writes, key=lambda one: places[one.of.storage.place])
    ordered = [
        one for storage, group in groupby(by_place, lambda one: one.of.storage) for one in _owners_first(storage, group)
    ]
    deleted = [one for one in ordered if one.version is None]
    return [one for one in ordered if one.version is not None] + deleted[::-1]


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
