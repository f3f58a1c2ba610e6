"""The repositories of a unit of work, one for each kind of unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from sqlalchemy import Table

from dddkit._core.recording import Recording
from dddkit._core.repository import Repository, SyncRepository
from dddkit.sqlalchemy._storage import Key, Storage, TableStorage
from dddkit.sqlalchemy._work import TO_READ

if TYPE_CHECKING:
    from typing import TypeAlias

    from sqlalchemy import SQLColumnExpression

    from dddkit.sqlalchemy._calls import AsyncCalls, SyncCalls

    OrderBy: TypeAlias = SQLColumnExpression[Any] | Sequence[SQLColumnExpression[Any]] | None

__all__ = ["SyncTableRepository", "SyncUnitRepository", "TableRepository", "UnitRepository"]

AggregateT = TypeVar("AggregateT", bound=Recording)
IdT = TypeVar("IdT")


class UnitRepository(Repository[AggregateT, IdT]):
    """The aggregates of one class, in a unit of work. What is changed is written when the unit commits."""

    __slots__ = ("_calls", "_storage")

    def __init__(self, calls: AsyncCalls, storage: Storage[AggregateT]) -> None:
        self._calls: Final = calls
        self._storage: Final = storage

    async def get(self, aggregate_id: IdT, /, *, lock: bool = False) -> AggregateT | None:
        """Return the aggregate with this identity; None when there is none, or when the unit has deleted it.

        A unit has one object per identity. With `lock` others that want to lock or change it wait until the unit ends.

        Raises:
            ConcurrencyError: the unit has it, and it is to be locked, and another version is stored now.
            UnitError: the row does not fit the class.
        """
        calls, storage = self._calls, self._storage
        with calls.usage.of(f"{storage.name}.get"):
            key = storage.key_of(aggregate_id)
            found = calls.work.known(storage, key, lock=lock)
            if found is TO_READ:
                found = await calls.call(calls.work.get, storage, key, lock)
            return cast("AggregateT | None", found)

    async def get_many(self, aggregate_ids: Iterable[IdT], /) -> dict[IdT, AggregateT]:
        """Return those that are found, by identity, in the order asked for."""
        calls, storage = self._calls, self._storage
        with calls.usage.of(f"{storage.name}.get_many"):
            keys, unknown = _keys(calls.work.known, storage, aggregate_ids)
            read: dict[Key, AggregateT] = {}
            if unknown:
                read = await calls.call(calls.work.get_many, storage, unknown)
            return _in_order(keys, read)

    async def save(self, aggregate: AggregateT, /) -> None:
        """Store the aggregate at commit. Only a new one needs it, or one of another unit, or the result of `evolve`.

        Raises:
            ConcurrencyError: the unit has another object with its identity.
            TypeError: it is of another class than declared, or has no identity.
            UnitError: the unit only reads.
        """
        calls = self._calls
        with calls.usage.of(f"{self._storage.name}.save"):
            calls.work.save(self._storage, aggregate)

    async def delete(self, aggregate: AggregateT, /) -> None:
        """Remove the aggregate at commit; its events are published.

        Raises:
            ConcurrencyError, TypeError, UnitError: where `save` raises them.
        """
        calls = self._calls
        with calls.usage.of(f"{self._storage.name}.delete"):
            calls.work.delete(self._storage, aggregate)


class TableRepository(UnitRepository[AggregateT, IdT]):
    """Those of a storage with a table: they can be searched, too."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self, calls: AsyncCalls, storage: TableStorage[AggregateT]) -> None: ...

    @property
    def table(self) -> Table:
        """The table, for your own statements."""
        return _searched(self._storage).table

    async def find(
        self, *where: SQLColumnExpression[bool], order_by: OrderBy = None, limit: int | None = None
    ) -> list[AggregateT]:
        """Return the stored aggregates that fulfil all conditions, which compare columns of `.table`.

        They are as the unit has them; a condition sees what is stored, and not what the unit has changed.
        Conditions may join other tables: each aggregate is returned once, where its first row is, and `limit` counts
        aggregates, for which all rows of a join are read; `column.in_(select(...))` reads less.
        """
        calls, storage = self._calls, _searched(self._storage)
        with calls.usage.of(f"{storage.name}.find"):
            return await calls.call(calls.work.find, storage, where, _columns(order_by), limit)


class SyncUnitRepository(SyncRepository[AggregateT, IdT]):
    """The aggregates of one class, in a unit of work. What is changed is written when the unit commits."""

    __slots__ = ("_calls", "_storage")

    def __init__(self, calls: SyncCalls, storage: Storage[AggregateT]) -> None:
        self._calls: Final = calls
        self._storage: Final = storage

    def get(self, aggregate_id: IdT, /, *, lock: bool = False) -> AggregateT | None:
        """Return the aggregate with this identity; None when there is none, or when the unit has deleted it.

        A unit has one object per identity. With `lock` others that want to lock or change it wait until the unit ends.

        Raises:
            ConcurrencyError: the unit has it, and it is to be locked, and another version is stored now.
            UnitError: the row does not fit the class.
        """
        calls, storage = self._calls, self._storage
        with calls.usage.of(f"{storage.name}.get"):
            key = storage.key_of(aggregate_id)
            found = calls.work.known(storage, key, lock=lock)
            if found is TO_READ:
                found = calls.call(calls.work.get, storage, key, lock)
            return cast("AggregateT | None", found)

    def get_many(self, aggregate_ids: Iterable[IdT], /) -> dict[IdT, AggregateT]:
        """Return those that are found, by identity, in the order asked for."""
        calls, storage = self._calls, self._storage
        with calls.usage.of(f"{storage.name}.get_many"):
            keys, unknown = _keys(calls.work.known, storage, aggregate_ids)
            read: dict[Key, AggregateT] = {}
            if unknown:
                read = calls.call(calls.work.get_many, storage, unknown)
            return _in_order(keys, read)

    def save(self, aggregate: AggregateT, /) -> None:
        """Store the aggregate at commit. Only a new one needs it, or one of another unit, or the result of `evolve`.

        Raises:
            ConcurrencyError: the unit has another object with its identity.
            TypeError: it is of another class than declared, or has no identity.
            UnitError: the unit only reads.
        """
        calls = self._calls
        with calls.usage.of(f"{self._storage.name}.save"):
            calls.work.save(self._storage, aggregate)

    def delete(self, aggregate: AggregateT, /) -> None:
        """Remove the aggregate at commit; its events are published.

        Raises:
            ConcurrencyError, TypeError, UnitError: where `save` raises them.
        """
        calls = self._calls
        with calls.usage.of(f"{self._storage.name}.delete"):
            calls.work.delete(self._storage, aggregate)


class SyncTableRepository(SyncUnitRepository[AggregateT, IdT]):
    """Those of a storage with a table: they can be searched, too."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __init__(self, calls: SyncCalls, storage: TableStorage[AggregateT]) -> None: ...

    @property
    def table(self) -> Table:
        """The table, for your own statements."""
        return _searched(self._storage).table

    def find(
        self, *where: SQLColumnExpression[bool], order_by: OrderBy = None, limit: int | None = None
    ) -> list[AggregateT]:
        """Return the stored aggregates that fulfil all conditions, which compare columns of `.table`.

        They are as the unit has them; a condition sees what is stored, and not what the unit has changed.
        Conditions may join other tables: each aggregate is returned once, where its first row is, and `limit` counts
        aggregates, for which all rows of a join are read; `column.in_(select(...))` reads less.
        """
        calls, storage = self._calls, _searched(self._storage)
        with calls.usage.of(f"{storage.name}.find"):
            return calls.call(calls.work.find, storage, where, _columns(order_by), limit)


def _searched(storage: Storage[AggregateT]) -> TableStorage[AggregateT]:
    return cast("TableStorage[AggregateT]", storage)


def _keys(
    known: Callable[[Storage[Any], Key], Any], storage: Storage[Any], identities: Iterable[IdT]
) -> tuple[dict[IdT, Any], list[Key]]:
    """Return what the unit has under each identity, and which keys have to be read."""
    found = {identity: known(storage, storage.key_of(identity)) for identity in identities}
    unknown = [storage.key_of(identity) for identity, one in found.items() if one is TO_READ]
    return found, unknown


def _in_order(found: dict[IdT, Any], read: Mapping[Any, AggregateT]) -> dict[IdT, AggregateT]:
    merged = {identity: read.get(identity) if one is TO_READ else one for identity, one in found.items()}
    return {identity: aggregate for identity, aggregate in merged.items() if aggregate is not None}


def _columns(order_by: OrderBy) -> Sequence[SQLColumnExpression[Any]]:
    if order_by is None:
        return ()
    return order_by if isinstance(order_by, Sequence) else (order_by,)
