"""Documents: aggregates as JSON in a table, each with a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from sqlalchemy import MetaData, Table

from dddkit._annotations import own_annotations
from dddkit._awaitables import is_async
from dddkit._callables import display_name, kind_of
from dddkit._core.recording import Recording
from dddkit._typing import Self
from dddkit.sqlalchemy._declaration import Declaration, runtime_class
from dddkit.sqlalchemy._document_storage import DocumentStorage
from dddkit.sqlalchemy._document_table import OUR_COLUMNS, Key, Upcast, column_types
from dddkit.sqlalchemy._keys import PLAIN
from dddkit.sqlalchemy._tables import check_metadata

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from dddkit.sqlalchemy._repositories import SyncTableRepository, TableRepository
    from dddkit.sqlalchemy.outbox import Outbox
    from dddkit.sqlalchemy.sync_unit import SyncUnitOfWork
    from dddkit.sqlalchemy.unit import UnitOfWork

__all__ = ["Documents"]

AggregateT = TypeVar("AggregateT", bound=Recording)
IdT = TypeVar("IdT")
UpcastT = TypeVar("UpcastT", bound=Upcast)


class Documents(Declaration[AggregateT, IdT]):
    """Stores the aggregates of one class in a table: the identity, the object as JSON, and a version.

        class ShopUnit(UnitOfWork):
            orders = Documents[Order, OrderId](metadata)

    The attribute of a unit is the repository. No mapping has to be written; a class whose objects would not come back
    from JSON as they were is rejected when the unit class is defined. One object may stand in several unit classes.

    Args:
        metadata: where the table is declared, so that Alembic finds it.
        table: the name of the table; without it that of the attribute.
        columns: fields to copy into columns of their own, each with an index, for `find` and your own queries.
        schema: raise it when the class changes so that old rows do not fit any more; `upcast` mends them.
        verify: read back what was written, and compare every field; for tests.
    """

    _example = "orders = Documents[Order, OrderId](metadata)"

    def __init__(
        self,
        metadata: MetaData,
        *,
        table: str | None = None,
        columns: Mapping[str, TypeEngine[Any] | type[TypeEngine[Any]]] | None = None,
        schema: int = 1,
        verify: bool = False,
    ) -> None:
        check_metadata("Documents", metadata)
        if type(schema) is not int or schema < 1:
            raise ValueError("the schema of Documents is a number from 1 on; raise it when the class changes")
        self._metadata: Final = metadata
        self._table_name: Final = table
        self._columns: Final = column_types(columns or {})
        self._schema: Final = schema
        self._verify: Final = verify
        self._upcasts: Final[dict[int, Upcast]] = {}
        self._documents: DocumentStorage[AggregateT] | None = None

    @overload
    def __get__(self, unit: None, owner: type[Any], /) -> Self: ...
    @overload
    def __get__(self, unit: UnitOfWork, owner: type[Any], /) -> TableRepository[AggregateT, IdT]: ...
    @overload
    def __get__(self, unit: SyncUnitOfWork, owner: type[Any], /) -> SyncTableRepository[AggregateT, IdT]: ...
    def __get__(self, unit: UnitOfWork | SyncUnitOfWork | None, owner: type[Any], /) -> Any:
        if unit is None:
            return self
        return unit._table_repository(self._stored)  # pyright: ignore[reportPrivateUsage]  # for declarations

    @property
    def table(self) -> Table:
        """The table, for your own statements and indexes."""
        return self._stored.table

    def upcast(self, *, to: int) -> Callable[[UpcastT], UpcastT]:
        """Register what turns the JSON of the schema before `to` into that of `to`.

            @ShopUnit.orders.upcast(to=2)
            def _(order: dict[str, Any]) -> dict[str, Any]:
                return {**order, "currency": "EUR"}

        It is called when an old row is read. The row itself is written anew when the aggregate changes.

        Raises:
            TypeError: it is async.
            ValueError: no schema of these documents, or registered already.
        """
        stored = self._stored
        if not 1 < to <= stored.schema:
            raise ValueError(
                f"{stored.name} has schema {stored.schema}, and no upcast to {to}; write Documents(..., schema={to})"
            )
        if to in stored.upcasts:
            raise ValueError(f"{stored.name} has an upcast to {to} already")

        def register(upcast: UpcastT) -> UpcastT:
            if is_async(upcast):
                raise TypeError(f"{display_name(upcast)} is async, and nobody awaits it; write it with `def`")
            stored.upcasts[to] = upcast
            return upcast

        return register

    @property
    def _stored(self) -> DocumentStorage[AggregateT]:
        if self._documents is None:
            raise self._not_declared()
        return self._documents

    def _declare(self, unit: str, name: str) -> DocumentStorage[AggregateT]:
        """Find out what is stored, when the unit class is defined.

        Raises:
            TypeError: the class cannot be stored.
        """
        if self._documents is None:
            where = f"{unit}.{name}"
            aggregate, identity = self._parameters(where)
            try:
                self._documents = DocumentStorage[AggregateT].declare(
                    name,
                    aggregate,
                    _kind_of(identity),
                    self._metadata,
                    self._table_name or name,
                    self._columns_of(aggregate),
                    self._schema,
                )
            except TypeError as error:
                raise TypeError(f"{where}: {error}") from error
            self._documents.verifies |= self._verify
        return self._documents

    def _columns_of(self, aggregate: type) -> Mapping[str, TypeEngine[Any]]:
        fields = {name for base in aggregate.__mro__ for name in own_annotations(base)}
        for name in self._columns:
            if name in OUR_COLUMNS:
                raise TypeError(f"the table has a column {name} of its own; copy {name} by a property of another name")
            if name not in fields and not hasattr(aggregate, name):
                raise TypeError(f"{aggregate.__qualname__} has no field {name!r} to copy into a column")
        return self._columns

    def _publishing(self) -> Sequence[type]:
        return (self._stored.cls,)

    def _check(self, unit: str, outbox: Outbox | None) -> None:  # for other kinds
        stored = self._stored
        if missing := [to for to in range(2, stored.schema + 1) if to not in stored.upcasts]:
            raise TypeError(
                f"{unit}.{stored.name} has schema {stored.schema}, and no upcast to {missing[0]}; write "
                f"`@{unit}.{stored.name}.upcast(to={missing[0]})` above a function of the older JSON"
            )


def _kind_of(identity: object) -> type[Key]:
    """Return int, str or UUID: what the identity is at run time."""
    found = runtime_class(identity)
    if found not in PLAIN:
        raise TypeError(
            f"an identity is an int, a str, a UUID or a NewType of one of them, and this one is "
            f"{getattr(found, '__qualname__', kind_of(found))}"
        )
    kind: type[Key] = found
    return kind
