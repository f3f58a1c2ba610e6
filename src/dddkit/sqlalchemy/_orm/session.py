"""The session of a unit: the user has statements of his own in it, and the unit decides what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NoReturn, Protocol, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Mapper, ORMExecuteState, RelationshipProperty, Session, SessionTransaction, object_session
from sqlalchemy.util.concurrency import in_greenlet

from dddkit.exceptions import UnitError

__all__ = ["SessionOwner", "UnitSession", "watch_refreshes"]

T = TypeVar("T")


class SessionOwner(Protocol):
    """What hears of all that happens to the objects of a session."""

    @property
    def unit(self) -> str: ...
    @property
    def is_async(self) -> bool: ...

    def has_to_write(self) -> bool:
        """Tell the session what was changed in place; return whether more is to be written than it knows of."""
        ...

    def is_loaded(self, instance: Any) -> None:
        """Meet an object that was read just now."""
        ...

    def is_refreshed(self, instance: Any, names: Iterable[str] | None) -> None:
        """Meet attributes that were read again; None where all of them were."""
        ...

    def is_added(self, instance: Any) -> None:
        """Meet an object that was made, or read, somewhere else."""
        ...

    def is_kept(self, instance: Any) -> None:
        """Meet an object that its user has added, perhaps after its deletion."""
        ...

    def are_deleted(self) -> None:
        """Meet what its user has marked as deleted."""
        ...

    def check_merge(self, instance: Any) -> None:
        """Refuse a merge that would lose something."""
        ...

    def flush(self, flush: Callable[[], None]) -> None:
        """Call `flush`, which writes what has changed."""
        ...

    def savepoint_begins(self, savepoint: SessionTransaction) -> None:
        """Note what is known now."""
        ...

    def savepoint_is_undone(self, savepoint: SessionTransaction) -> None:
        """Know again what was known when it began."""
        ...


class UnitSession(Session):
    """A session in the transaction of a unit, which commits and closes it. It flushes when it is told to."""

    def __init__(self, owner: SessionOwner) -> None:
        super().__init__(autoflush=False, expire_on_commit=False, join_transaction_mode="rollback_only")
        self.owner: Final = owner

    def flush(self, objects: Sequence[Any] | None = None) -> None:  # deprecated; it flushes all
        """Write what has changed, in this transaction."""
        if self.owner.has_to_write() or not self._is_clean():
            self.owner.flush(super().flush)

    def add(self, instance: object, **options: Any) -> None:
        """Add an object, which is written at the next flush; of an aggregate, this is its `save`."""
        super().add(instance, **options)
        self.owner.is_kept(instance)

    def attach(self, instance: object) -> None:
        """Bring an object into the session, for the unit itself."""
        super().add(instance)

    def delete(self, instance: object) -> None:
        """Mark an object as deleted; an aggregate is no longer found by its repository."""
        super().delete(instance)
        self.owner.are_deleted()

    def delete_all(self, instances: Iterable[object]) -> None:  # SQLAlchemy 2.1 has it
        """Mark several."""
        for instance in instances:
            self.delete(instance)

    def merge(self, instance: T, **options: Any) -> T:
        """Copy an object into the one that the session has; an aggregate is saved instead."""
        self.owner.check_merge(instance)
        return super().merge(instance, **options)

    def merge_all(self, instances: Iterable[T], **options: Any) -> Sequence[T]:  # SQLAlchemy 2.1 has it
        """Copy several."""
        return [self.merge(instance, **options) for instance in instances]

    def begin(self, nested: bool = False) -> SessionTransaction:
        """Refuse to, unless it is a savepoint: at the end of its block the session would commit, or roll back."""
        if not nested:
            self._refuse("begin")
        return super().begin(nested)

    def commit(self) -> NoReturn:
        """Refuse to."""
        self._refuse("commit")

    def rollback(self) -> NoReturn:
        """Refuse to."""
        self._refuse("rollback")

    def close(self) -> None:
        """Do nothing: `async with session:` ends before the unit does."""

    def as_async(self, connection: AsyncConnection) -> AsyncSession:
        """Return this session as async code uses it."""

        def this_one(**_: object) -> UnitSession:  # where it would make one of its own
            return self

        return AsyncSession(bind=connection, sync_session_class=cast("Any", this_one))

    def end(self) -> None:
        """Close it; what it has loaded belongs to no session any more."""
        super().close()

    def _refuse(self, operation: str) -> NoReturn:
        raise UnitError(
            self.owner.unit, f"{operation} of its session; leave it to the unit, so that all of it is stored or nothing"
        )


def watch_refreshes(cls: type) -> None:
    """Let units hear of attributes of this class that are read later, or again."""
    if not event.contains(cls, "refresh", _refreshed):
        event.listen(cls, "refresh", _refreshed)


def _refreshed(instance: object, _: object, names: Iterable[str] | None) -> None:
    session = object_session(instance)
    if isinstance(session, UnitSession):
        session.owner.is_refreshed(instance, names)


@event.listens_for(UnitSession, "loaded_as_persistent")
def _loaded(session: UnitSession, instance: object) -> None:
    session.owner.is_loaded(instance)


@event.listens_for(UnitSession, "transient_to_pending")
@event.listens_for(UnitSession, "detached_to_persistent")
def _added(session: UnitSession, instance: object) -> None:
    session.owner.is_added(instance)


@event.listens_for(UnitSession, "after_transaction_create")
def _begun(session: UnitSession, transaction: SessionTransaction) -> None:
    if transaction.nested:
        session.owner.savepoint_begins(transaction)


@event.listens_for(UnitSession, "after_soft_rollback")
def _undone(session: UnitSession, transaction: SessionTransaction) -> None:
    if transaction.nested:
        session.owner.savepoint_is_undone(transaction)


@event.listens_for(UnitSession, "do_orm_execute")
def _refuse_to_load_in_async_code(execution: ORMExecuteState) -> None:
    """Name what is not loaded; SQLAlchemy would say that something wants to wait where nobody can.

    Raises:
        UnitError: an attribute was read, in async code, that has to be loaded first.
    """
    session: Any = execution.session
    is_load = execution.is_relationship_load or execution.is_column_load
    if not is_load or not session.owner.is_async or in_greenlet():
        return
    unit, path = session.owner.unit, execution.loader_strategy_path
    if execution.is_relationship_load and path is not None:
        owner, relationship = cast("tuple[Mapper[Any], RelationshipProperty[Any]]", path[-2:])
        name = f"{owner.class_.__qualname__}.{relationship.key}"
        raise UnitError(
            unit,
            f"{name} is not loaded, and async code cannot load it by reading it; write "
            f"options=[selectinload({name})] into OrmMapped(...), or "
            f"`await session.refresh(..., [{relationship.key!r}])` first",
        )
    mapper = execution.bind_mapper
    name = "an object" if mapper is None else mapper.class_.__qualname__
    cure = "undefer it in the options of OrmMapped(...)"
    if mapper is not None and mapper.inherits is not None:  # a query of the base class leaves its columns out
        base = mapper.base_mapper.class_.__qualname__
        cure = f"write options=[selectin_polymorphic({base}, [{name}])] into OrmMapped(...), undefer it there"
    raise UnitError(
        unit,
        f"an attribute of {name} is not loaded, and async code cannot load it by reading it; {cure}, or "
        f"`await session.refresh(...)` first",
    )
