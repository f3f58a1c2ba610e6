"""Custom: aggregates in tables of the user's, by SQL of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import getattr_static, isabstract, signature
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, get_origin, overload

from sqlalchemy import Table

from dddkit._awaitables import is_async
from dddkit._callables import kind_of, without_partials
from dddkit._core.changes import ChangesHandler
from dddkit._core.recording import Recording
from dddkit._typing import Self
from dddkit.sqlalchemy._custom_storage import DOMAIN_EVENTS, CustomSQL, CustomStorage, DeclaredCustom
from dddkit.sqlalchemy._declaration import Declaration, runtime_class
from dddkit.sqlalchemy._keys import PLAIN

if TYPE_CHECKING:
    from dddkit.sqlalchemy._repositories import SyncUnitRepository, UnitRepository
    from dddkit.sqlalchemy._work import Work
    from dddkit.sqlalchemy.outbox import Outbox
    from dddkit.sqlalchemy.sync_unit import SyncUnitOfWork
    from dddkit.sqlalchemy.unit import UnitOfWork

__all__ = ["Custom"]

AggregateT = TypeVar("AggregateT", bound=Recording)
IdT = TypeVar("IdT")
ChangesT = TypeVar("ChangesT", bound=tuple[Any, ...])

_METHODS: Final = {
    "get": ("connection", "id"),
    "insert": ("connection", "aggregate", "changes", "version"),
    "update": ("connection", "aggregate", "changes", "expected"),
    "delete": ("connection", "aggregate", "expected"),
}
_LOCK: Final = {"lock": ("connection", "id")}


class Custom(Declaration[AggregateT, IdT]):
    """Stores the aggregates of one class by your own SQL, which is the same for both kinds of unit.

        class SqlLedgers:
            def get(self, connection: Connection, ledger_id: LedgerId) -> tuple[Ledger, int] | None: ...
            def insert(self, connection: Connection, ledger: Ledger, changes: LedgerRows, version: int) -> None: ...
            def update(self, connection: Connection, ledger: Ledger, changes: LedgerRows, expected: int) -> int: ...
            def delete(self, connection: Connection, ledger: Ledger, expected: int) -> int: ...

        class BooksUnit(UnitOfWork):
            ledgers = Custom[Ledger, LedgerId](SqlLedgers, changes=LedgerChanges())

    `get` returns the aggregate with its version. `update` writes the version `expected + 1` where `expected` is stored;
    it and `delete` return how many rows matched, 0 where somebody else was faster. With a fifth method,
    `lock(connection, id)`, which locks the row and returns its version or None, `get(..., lock=True)` is there, and
    units that write several aggregates never wait for each other.

    An aggregate is written when it has recorded an event, or was passed to `save`. The unit folds its events with the
    changes handler, and passes on the result. If that has a field `domain_events`, those go to the outbox and to the
    unit's broker, in place of the aggregate's own events; reactions see the aggregate's own.

    Each unit makes an object of the class, so that it may remember what it has read.

    Args:
        sql: the class, made without arguments, or a `functools.partial` of it.
        changes: folds the events into what `insert` and `update` are given; without it, those are given the list of
            the events.
        table: the table of the aggregate, where foreign keys lead to it or from it to others that the unit writes.
    """

    _example = "ledgers = Custom[Ledger, LedgerId](SqlLedgers)"

    @overload
    def __init__(
        self,
        sql: Callable[[], CustomSQL[AggregateT, IdT, ChangesT]],
        *,
        changes: ChangesHandler[AggregateT, ChangesT],
        table: Table | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        sql: Callable[[], CustomSQL[AggregateT, IdT, list[Any]]],  # Any: the events of its flavour
        *,
        changes: None = None,
        table: Table | None = None,
    ) -> None: ...
    def __init__(
        self,
        sql: Callable[[], CustomSQL[AggregateT, IdT, Any]],
        *,
        changes: ChangesHandler[AggregateT, Any] | None = None,
        table: Table | None = None,
    ) -> None:
        self._sql: Final = sql
        self._changes: Final = changes
        self._table: Final = table
        self._declared: DeclaredCustom[AggregateT] | None = None

    @overload
    def __get__(self, unit: None, owner: type[Any], /) -> Self: ...
    @overload
    def __get__(self, unit: UnitOfWork, owner: type[Any], /) -> UnitRepository[AggregateT, IdT]: ...
    @overload
    def __get__(self, unit: SyncUnitOfWork, owner: type[Any], /) -> SyncUnitRepository[AggregateT, IdT]: ...
    def __get__(self, unit: UnitOfWork | SyncUnitOfWork | None, owner: type[Any], /) -> Any:
        if unit is None:
            return self
        return unit._repository(self._storage_of(unit._work))  # pyright: ignore[reportPrivateUsage]  # for declarations

    def _storage_of(self, work: Work) -> CustomStorage[AggregateT]:
        if self not in work.held:
            work.held[self] = CustomStorage(work.unit, self._stored)
        return cast("CustomStorage[AggregateT]", work.held[self])

    @property
    def _stored(self) -> DeclaredCustom[AggregateT]:
        if self._declared is None:
            raise self._not_declared()
        return self._declared

    def _declare(self, unit: str, name: str) -> DeclaredCustom[AggregateT]:
        if self._declared is None:
            where = f"{unit}.{name}"
            aggregate, identity = self._parameters(where)
            try:
                self._declared = DeclaredCustom(
                    name,
                    aggregate,
                    _identity_class(identity),
                    self._sql,
                    _checked_class(self._sql),
                    _checked_handler(self._changes),
                    _checked_table(self._table),
                )
            except TypeError as error:
                raise TypeError(f"{where}: {error}") from error
        return self._declared

    def _check(self, unit: str, outbox: Outbox | None) -> None:
        stored = self._stored
        if outbox is not None and not _has_text(stored.kind):
            raise TypeError(
                f"{unit}.{stored.name}: with an outbox, an identity is part of the subject of messages, as text; "
                f"define `__str__` in {stored.kind.__qualname__}"
            )

    def _publishing(self) -> Sequence[type]:
        handler = self._stored.handler
        if handler is not None and DOMAIN_EVENTS in getattr(handler.result_type, "_fields", ()):
            return ()
        return (self._stored.cls,)


def _identity_class(identity: object) -> type:
    found = runtime_class(identity)
    found = get_origin(found) or found
    if not isinstance(found, type) or found in (object, Any, UnionType):  # Any is a class from Python 3.11 on
        raise TypeError(f"an identity is of one class, and this one is {kind_of(found)}")
    if found.__hash__ is None:
        raise TypeError(f"an identity is hashable, and {found.__qualname__} is not; freeze it")
    return found


def _has_text(kind: type) -> bool:
    """Return whether the text of such objects is defined: what Python makes of others changes with their class."""
    owner = next(base for base in kind.__mro__ if "__str__" in vars(base))
    return kind in PLAIN or (owner is not object and owner.__module__.partition(".")[0] != "pydantic")


def _checked_class(sql: object) -> type:
    """Return the class of what each unit makes, once it has the methods.

    Raises:
        TypeError: it is none, lacks a method, or has one that cannot be called as it will be.
    """
    cls = without_partials(sql)
    if not isinstance(cls, type):
        raise TypeError(
            f"Custom takes the class with the SQL, of which each unit makes an object, and got {kind_of(cls)}"
        )
    name = cls.__qualname__
    for method, parameters in (_METHODS | _LOCK if hasattr(cls, "lock") else _METHODS).items():
        written = f"`def {method}(self, {', '.join(parameters)})`"
        function: object = getattr(cls, method, None)
        if not callable(function) or _is_of_protocol(cls, method):
            raise TypeError(f"{name} has no method {method}; write {written}")
        if is_async(function):
            raise TypeError(
                f"{name}.{method} is async, and it is called on a Connection, in both units; write {written}"
            )
        is_bound = isinstance(getattr_static(cls, method), (staticmethod, classmethod))
        if not _takes(function, len(parameters) + (not is_bound)):
            raise TypeError(f"{name}.{method} is called with other parameters; write {written}")
    if isabstract(cls):
        raise TypeError(f"{name} is abstract; define its abstract methods")
    if not _takes(sql, 0):
        raise TypeError(f"{name} is made without arguments, and needs some; pass functools.partial({name}, ...)")
    return cls


def _is_of_protocol(cls: type, method: str) -> bool:
    """Return whether it is inherited from a Protocol, where it is empty and would return None."""
    owner = next(base for base in cls.__mro__ if method in vars(base))
    return bool(getattr(owner, "_is_protocol", False))


def _takes(function: Any, given: int) -> bool:
    """Return whether it can be called with so many arguments, as far as anybody can tell."""
    try:
        parameters = signature(function)
    except (TypeError, ValueError):  # written in C, perhaps
        return True
    try:
        parameters.bind(*range(given))
    except TypeError:
        return False
    return True


def _checked_handler(changes: Any) -> Any:
    if changes is None or isinstance(changes, ChangesHandler):
        return changes  # pyright: ignore[reportUnknownVariableType]  # of what, its declaration says
    given: object = changes
    hint = f"; write {given.__qualname__}()" if isinstance(given, type) and issubclass(given, ChangesHandler) else ""
    raise TypeError(f"changes is a ChangesHandler, and got {kind_of(changes)}{hint}")


def _checked_table(table: Any) -> Any:
    if table is None or isinstance(table, Table):
        return table  # pyright: ignore[reportUnknownVariableType]  # SQLAlchemy 2.1 has a parameter for its columns
    raise TypeError(f"table is a Table of SQLAlchemy, and got {kind_of(table)}")
