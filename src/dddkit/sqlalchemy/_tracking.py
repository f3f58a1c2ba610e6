"""The aggregates that a unit of work has met: one object per identity, and what becomes of each at commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from dddkit._core.events import AnyAggregateEvent
from dddkit._core.identity import identity_of, no_identity_message
from dddkit._core.recording import Recording, pending_events
from dddkit._core.versions import version_of
from dddkit.exceptions import ConcurrencyError, UnitError
from dddkit.sqlalchemy._document_table import DocumentTable, Key, Row
from dddkit.sqlalchemy._keys import is_storable

__all__ = ["Tracked", "Tracking"]

AggregateT = TypeVar("AggregateT", bound=Recording)


class Tracked:
    """One aggregate of a unit."""

    __slots__ = (
        "_read",
        "aggregate",
        "before",
        "data",
        "expected",
        "is_deleted",
        "is_saved",
        "key",
        "pending",
        "table",
    )

    def __init__(
        self, table: DocumentTable[Any], key: Key, aggregate: Any, expected: int | None, read: Row | None
    ) -> None:
        self.table: Final = table
        self.key: Final = key
        self.aggregate = aggregate
        self.pending = pending_events(aggregate)
        """The list of its events, which moves on to its next state (`evolve`)."""
        self.before: list[Any] = []
        """Those that had this identity before it, and were deleted in this unit."""
        self.expected: Final = expected
        """The version that has to be stored when the unit commits; None where nothing may be."""
        self.is_saved = False
        self.is_deleted = False
        self.data: str | None = None
        """The JSON to write, once it is made at the end."""
        self._read: Final = read

    def is_changed(self, unit: str) -> bool:
        if self.is_deleted or self.is_saved or self.expected is None or self.pending:
            return True
        read = self._read
        if read is None:
            return True
        self.data = self.table.dump(unit, self.aggregate)
        # Written by an older class or pydantic, it may read differently, and be the same.
        return self.data != read.data and self.data != self.table.dump(unit, self.table.load(unit, read))

    def json(self, unit: str) -> str:
        """Return the JSON to write."""
        if self.data is None:
            self.data = self.table.dump(unit, self.aggregate)
        return self.data

    def replace(self, aggregate: Any) -> None:
        if aggregate is not self.aggregate:
            self.before.append(self.aggregate)
        self.aggregate = aggregate
        self.pending = pending_events(aggregate)

    def validate(self, unit: str) -> None:
        """Refuse what cannot be stored as this row any more.

        Raises:
            UnitError: it has another identity now; its next state was not saved.
        """
        identity = identity_of(self.aggregate)
        if identity != self.key:
            raise UnitError(
                unit,
                f"{self.table.shown(self.key)} has another identity now, {identity!r}; an identity "
                f"stays the same: delete the one, and save another",
            )
        if self.pending and pending_events(self.aggregate) is not self.pending:
            raise UnitError(
                unit,
                f"evolve made a next state of {self.table.shown(self.key)}, and it was not saved; call "
                f"save(...) with the object that evolve returned",
            )

    def events(self) -> Sequence[tuple[Any, AnyAggregateEvent]]:
        """Return the pending events, each with the aggregate that recorded it."""
        aggregates = (*self.before, self.aggregate) if self.before else (self.aggregate,)
        return [(aggregate, event) for aggregate in aggregates for event in pending_events(aggregate)]


class Tracking:
    """What a unit tracks, in the order in which it has met it."""

    __slots__ = ("_by_key", "_unit")

    def __init__(self, unit: str) -> None:
        self._unit: Final = unit
        self._by_key: Final[dict[tuple[DocumentTable[Any], Key], Tracked]] = {}

    def __iter__(self) -> Iterator[Tracked]:
        return iter(tuple(self._by_key.values()))

    def find(self, table: DocumentTable[Any], key: Key) -> Tracked | None:
        return self._by_key.get((table, key))

    def add(self, table: DocumentTable[Any], aggregate: Any, row: Row) -> None:
        self._by_key[table, row.key] = Tracked(table, row.key, aggregate, row.version, row)

    def save(self, table: DocumentTable[AggregateT], aggregate: AggregateT) -> None:
        key = self._key_of("save", table, aggregate)
        tracked = self._by_key.get((table, key))
        if tracked is None:
            tracked = self._track(table, key, aggregate)
        elif tracked.aggregate is not aggregate:
            if not tracked.is_deleted and pending_events(aggregate) is not tracked.pending:
                raise ConcurrencyError(aggregate, version_of(aggregate, table.store), tracked.expected)
            if tracked.is_deleted:
                tracked.replace(aggregate)
            else:
                tracked.aggregate = aggregate  # its next state
        tracked.is_saved, tracked.is_deleted = True, False

    def delete(self, table: DocumentTable[AggregateT], aggregate: AggregateT) -> None:
        key = self._key_of("delete", table, aggregate)
        tracked = self._by_key.get((table, key))
        if tracked is None:
            tracked = self._track(table, key, aggregate)
        elif tracked.aggregate is not aggregate:
            if pending_events(aggregate) is not tracked.pending:
                raise ConcurrencyError(aggregate, version_of(aggregate, table.store), tracked.expected)
            tracked.aggregate = aggregate
        tracked.is_deleted = True

    def _track(self, table: DocumentTable[Any], key: Key, aggregate: Any) -> Tracked:
        tracked = self._by_key[table, key] = Tracked(table, key, aggregate, version_of(aggregate, table.store), None)
        return tracked

    def _key_of(self, method: str, table: DocumentTable[Any], aggregate: object) -> Key:
        identity = identity_of(aggregate)
        if not isinstance(aggregate, Recording) or identity is None:
            raise TypeError(no_identity_message(method, aggregate))
        if type(aggregate) is not table.cls:
            name, given = table.cls.__qualname__, type(aggregate).__qualname__
            would = f"; it would come back as a {name}" if isinstance(aggregate, table.cls) else ""
            raise TypeError(
                f"{self._unit}.{table.name} stores {name}, and {method} got a {given}{would}: declare Documents for it"
            )
        key = table.key_of(identity)
        if not is_storable(key):
            raise UnitError(
                self._unit,
                f"{table.shown(identity)} cannot be stored: a column holds an int of 64 bits, and a str without NUL "
                f"and lone surrogates",
            )
        return key
