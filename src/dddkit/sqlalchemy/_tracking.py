"""The aggregates that a unit of work has met: one object per identity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeVar

from dddkit._core.identity import identity_of, no_identity_message
from dddkit._core.recording import Recording, pending_events
from dddkit._core.versions import version_of
from dddkit.exceptions import ConcurrencyError, UnitError
from dddkit.sqlalchemy._storage import Key, Row, Storage, Tracked, Unassigned

__all__ = ["Tracking"]

AggregateT = TypeVar("AggregateT", bound=Recording)


class Tracking:
    """What a unit tracks, in the order in which it has met it."""

    __slots__ = ("_by_key", "_is_read_only", "_met", "_unit")

    def __init__(self, unit: str, *, is_read_only: bool) -> None:
        self._unit: Final = unit
        self._is_read_only: Final = is_read_only
        self._met: Final[list[Tracked]] = []
        self._by_key: Final[dict[tuple[Storage[Any], Key], Tracked]] = {}

    def __iter__(self) -> Iterator[Tracked]:
        return iter(tuple(self._met))

    def find(self, storage: Storage[Any], key: Key) -> Tracked | None:
        return self._by_key.get((storage, key))

    def load(self, storage: Storage[AggregateT], row: Row) -> AggregateT:
        """Return the aggregate of a row that the unit has not met before; from now on it tracks it."""
        aggregate = storage.load(self._unit, row)
        if not self._is_read_only:
            tracked = Tracked(storage, row.key, aggregate, row.version, row)
            if self._by_key.setdefault((storage, row.key), tracked) is tracked:  # else a session has met it just now
                self._met.append(tracked)
        return aggregate

    def assign(self, tracked: Tracked, key: Key) -> None:
        """Track an aggregate under the identity that the database has given it."""
        del self._by_key[tracked.storage, tracked.key]
        tracked.key = key
        self._by_key[tracked.storage, key] = tracked

    def forget(self, tracked: Tracked) -> None:
        """Track an aggregate no more: what has made it known was undone."""
        del self._by_key[tracked.storage, tracked.key]
        self._met.remove(tracked)

    def save(self, storage: Storage[AggregateT], aggregate: AggregateT) -> Tracked:
        key = self._key_of("save", storage, aggregate)
        tracked = self._by_key.get((storage, key))
        if tracked is None:
            tracked = self._track(storage, key, aggregate)
        elif tracked.aggregate is not aggregate:
            if not tracked.is_deleted and pending_events(aggregate) is not tracked.pending:
                raise ConcurrencyError(aggregate, version_of(aggregate, storage.store), tracked.expected)
            if tracked.is_deleted:
                tracked.replace(aggregate)
            else:
                tracked.aggregate = aggregate  # its next state
        tracked.is_saved, tracked.is_deleted = True, False
        return tracked

    def delete(self, storage: Storage[AggregateT], aggregate: AggregateT) -> None:
        key = self._key_of("delete", storage, aggregate)
        tracked = self._by_key.get((storage, key))
        if tracked is None:
            tracked = self._track(storage, key, aggregate)
        elif tracked.aggregate is not aggregate:
            if pending_events(aggregate) is not tracked.pending:
                raise ConcurrencyError(aggregate, version_of(aggregate, storage.store), tracked.expected)
            tracked.aggregate = aggregate
        tracked.is_deleted = True

    def _track(self, storage: Storage[Any], key: Key, aggregate: Any) -> Tracked:
        tracked = Tracked(storage, key, aggregate, version_of(aggregate, storage.store), None)
        self._by_key[storage, key] = tracked
        self._met.append(tracked)
        return tracked

    def _key_of(self, method: str, storage: Storage[Any], aggregate: object) -> Key:
        identity = identity_of(aggregate)
        if not isinstance(aggregate, Recording) or (identity is None and not storage.gives_identities):
            raise TypeError(no_identity_message(method, aggregate))
        if type(aggregate) is not storage.cls and not storage.accepts(aggregate):
            name, given = storage.cls.__qualname__, type(aggregate).__qualname__
            would = f"; it would come back as a {name}" if isinstance(aggregate, storage.cls) else ""
            raise TypeError(
                f"{self._unit}.{storage.name} stores {name}, and {method} got a {given}{would}: declare "
                f"{storage.declared_by} for it"
            )
        key = Unassigned(aggregate) if identity is None else storage.key_of(identity)
        if not storage.is_storable(key):
            raise UnitError(
                self._unit,
                f"{storage.shown(identity)} cannot be stored: a column holds an int of 64 bits, and a str without NUL "
                f"and lone surrogates",
            )
        return key
