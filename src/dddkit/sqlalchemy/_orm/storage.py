"""Reading and writing the aggregates of OrmMapped, by the session of a unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeVar, cast

from sqlalchemy import Table, inspect

from dddkit._core.identity import identity_of
from dddkit._core.recording import Recording
from dddkit._core.versions import version_of
from dddkit.sqlalchemy._keys import PLAIN, is_storable, key_of
from dddkit.sqlalchemy._orm.mapping import AT_ONCE
from dddkit.sqlalchemy._orm.states import state_of
from dddkit.sqlalchemy._storage import TableStorage, Tracked, Unassigned

if TYPE_CHECKING:
    from sqlalchemy import Connection, SQLColumnExpression

    from dddkit.sqlalchemy._orm.mapping import ClassMapping
    from dddkit.sqlalchemy._orm.objects import MappedObjects
    from dddkit.sqlalchemy._orm.states import State

__all__ = ["MappedRow", "MappedStorage"]

AggregateT = TypeVar("AggregateT", bound=Recording)


class MappedRow(NamedTuple):
    key: Any
    version: int
    aggregate: Any


class MappedStorage(TableStorage[AggregateT]):
    """The aggregates of one class, in one unit."""

    declared_by: ClassVar[str] = "OrmMapped"
    gives_identities = True
    watches = True

    def __init__(
        self,
        name: str,
        cls: type[AggregateT],
        kind: type[Any],
        mapping: ClassMapping[AggregateT],
        objects: MappedObjects,
    ) -> None:
        self.name = name
        self.cls = cls
        self.kind: Final = kind
        self.mapping: Final = mapping
        self.objects: Final = objects
        self.store = mapping.store
        self.table = mapping.table
        self.place = mapping.root
        self.has_ordered_keys = kind in PLAIN

    @property
    def tables(self) -> Sequence[Table]:
        return self.mapping.tables

    # Identities

    def key_of(self, identity: object) -> Any:
        return key_of(self.name, self.cls, self.kind, identity)

    @staticmethod
    def is_storable(key: Any) -> bool:
        return isinstance(key, Unassigned) or not isinstance(key, PLAIN) or is_storable(key)

    def accepts(self, aggregate: object) -> bool:
        mapper: Any = inspect(type(aggregate), raiseerr=False)
        return mapper is not None and mapper.isa(self.mapping.mapper)

    def key_in(self, aggregate: object) -> Any:
        """Return the key of an aggregate, which may get its identity from the database."""
        identity = identity_of(aggregate)
        return Unassigned(aggregate) if identity is None else identity

    def identity_in(self, tracked: Tracked) -> object:
        """Return its identity; nothing is read for that, since async code could not."""
        return tracked.key if self.is_expired(state_of(tracked.aggregate)) else identity_of(tracked.aggregate)

    def is_expired(self, state: State) -> bool:
        """Return whether the identity has to be read again, with all the rest: a savepoint was undone, for example."""
        return self.mapping.key_name in state.expired_attributes

    def admit(self, aggregate: AggregateT) -> None:
        if isinstance(aggregate, self.cls) and self.accepts(aggregate):
            self.objects.admit(self, aggregate)

    def attach(self, tracked: Tracked) -> None:
        self.objects.attach(tracked)

    def row_of(self, aggregate: Any) -> MappedRow:
        return MappedRow(identity_of(aggregate), version_of(aggregate, self.store) or 0, aggregate)

    def stored_version(self, state: State) -> int | None:
        """Return the version of the row that an object was read from; None where it was not read, or has expired."""
        name = self.mapping.version_name
        version: Any = state.committed_state.get(name, state.dict.get(name))
        return cast("int | None", version)

    # Reading

    def row(self, connection: Connection, key: Any, lock: bool) -> MappedRow | None:
        session = self.objects.on(connection)
        # First the row alone: what is joined to a row that was waited for is of the time before.
        if lock and key not in self.versions_locked(connection, [key]):
            return None
        found = session.scalars(self.mapping.one, {"the_key": key}).unique().one_or_none()
        return None if found is None else self.row_of(found)

    def rows(self, connection: Connection, keys: Sequence[Any]) -> Iterable[MappedRow]:
        session = self.objects.on(connection)
        for start in range(0, len(keys), AT_ONCE):
            found = session.scalars(self.mapping.several, {"the_keys": keys[start : start + AT_ONCE]}).unique().all()
            yield from map(self.row_of, found)

    def find(
        self,
        connection: Connection,
        where: Sequence[SQLColumnExpression[bool]],
        order_by: Sequence[SQLColumnExpression[Any]],
        limit: int | None,
    ) -> Iterable[MappedRow]:
        query = self.mapping.every.where(*where).order_by(*order_by)
        if limit is not None and len(query.get_final_froms()) == 1:  # else a row is not yet an aggregate
            query = query.limit(limit)
        found = self.objects.on(connection).scalars(query).unique().all()
        return map(self.row_of, found[:limit])

    def load(self, unit: str, row: MappedRow) -> AggregateT:  # for other kinds
        aggregate: AggregateT = row.aggregate
        return aggregate

    def versions_locked(self, connection: Connection, keys: Sequence[Any]) -> Mapping[Any, Any]:
        return self.objects.versions_locked(connection, self, keys)

    # Writing

    def differs(self, unit: str, tracked: Tracked) -> bool:  # as above
        return self.objects.differs(tracked)

    def prepare(self, unit: str, tracked: Tracked) -> None:  # as above
        self.objects.prepare(tracked)

    def write(self, connection: Connection, unit: str, tracked: Tracked, version: int) -> None:  # as above
        self.objects.write(connection, tracked)

    def delete(self, connection: Connection, unit: str, tracked: Tracked) -> None:  # as above
        self.objects.delete(connection, tracked)

    def self_references(self) -> Sequence[str]:
        return self.mapping.references
