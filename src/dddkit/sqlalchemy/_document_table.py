"""The table of one aggregate class: its statements, and how a row becomes an aggregate and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, cast
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    select,
)
from sqlalchemy import Enum as SqlEnum
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from dddkit._callables import kind_of
from dddkit._core.identity import identity_of
from dddkit._core.recording import Recording
from dddkit._core.versions import set_version
from dddkit._json import JsonCodec, JsonMismatchError
from dddkit._typing import Self
from dddkit.exceptions import UnitError
from dddkit.sqlalchemy._keys import key_of
from dddkit.sqlalchemy._prepared import Prepared

if TYPE_CHECKING:
    from sqlalchemy.sql.dml import Delete

__all__ = ["OUR_COLUMNS", "DocumentTable", "Key", "Row", "Upcast", "column_types"]

AggregateT = TypeVar("AggregateT", bound=Recording)

Key = int | str | UUID
Upcast = Callable[[dict[str, Any]], dict[str, Any]]

OUR_COLUMNS: Final = ("key", "data", "version", "schema")
_DEFINED_TWICE: Final = "where its module runs a second time, let it make its MetaData too"
_DOCUMENTS: Final = "dddkit_documents"  # in the `info` of a MetaData; Alembic writes that of a table into migrations


class Row(NamedTuple):
    key: Key
    version: int
    schema: int
    data: str


class Statements(NamedTuple):
    """What is executed for one row. Made once per table and dialect; values are always bound parameters."""

    insert: Prepared
    update: Prepared


class DocumentTable(Generic[AggregateT]):
    """Stores the aggregates of one class as JSON, each with a version."""

    def __init__(
        self,
        name: str,
        cls: type[AggregateT],
        kind: type[Key],
        table: Table,
        columns: Mapping[str, TypeEngine[Any]],
        schema: int,
    ) -> None:
        self.name = name
        self.cls = cls
        self.kind: Final = kind
        self.table = table
        self.place: Table | None = table
        self.store = table.fullname
        self.schema: Final = schema
        self.upcasts: Final[dict[int, Upcast]] = {}
        self.columns: Final = {column: _copy_for(type_) for column, type_ in columns.items()}
        self._codec: Final[JsonCodec[AggregateT]] = JsonCodec(cls)
        self._by_dialect: Final[dict[str, Statements]] = {}

        # Any: SQLAlchemy 2.0 and 2.1 write the columns of a query in different ways.
        c = table.c
        self.key: Final[Column[Any]] = c["key"]
        read: tuple[Any, ...] = (c["version"], c["schema"], sql_cast(c["data"], Text))
        self.every: Final[Any] = select(self.key, *read)
        is_key = self.key == bindparam("the_key", type_=self.key.type)
        one: Any = select(*read).where(is_key)
        self.one: Final = Prepared(one)
        self.one_locked: Final = Prepared(one.with_for_update())
        self.several: Final[Any] = self.every.where(self.key.in_(bindparam("the_keys", expanding=True)))
        self.version: Final = select(c["version"]).where(is_key)
        self.locking: Final = (
            select(self.key, c["version"])
            .where(self.key.in_(bindparam("the_keys", expanding=True)))
            .order_by(self.key)
            .with_for_update()
        )
        self._is_version: Final = c["version"] == bindparam("the_version", type_=BigInteger())
        self._is_key: Final = is_key
        self.deleting: Final[Delete] = table.delete().where(is_key, self._is_version)

    @classmethod
    def declare(
        cls,
        name: str,
        aggregate: type[AggregateT],
        kind: type[Key],
        metadata: MetaData,
        table: str,
        columns: Mapping[str, TypeEngine[Any]],
        schema: int,
    ) -> Self:
        """Return the table of this name in the metadata; unit classes that declare the same aggregate share it.

        Raises:
            TypeError: a table of this name is there, and it is another one.
        """
        full_name = table if metadata.schema is None else f"{metadata.schema}.{table}"
        declared: dict[str, Any] = metadata.info.setdefault(_DOCUMENTS, {})
        if (there := metadata.tables.get(full_name)) is not None:
            theirs = declared.get(full_name)
            if theirs is None or theirs.table is not there:
                raise TypeError(f'the table {full_name} is in this MetaData already; call this one table="..."')
            if theirs.cls is not aggregate:
                names = theirs.cls.__qualname__, aggregate.__qualname__
                raise TypeError(
                    f"the table {full_name} is that of {names[0]}, and here of {names[1]}; "
                    + ('call this one table="..."' if names[0] != names[1] else _DEFINED_TWICE)
                )
            if (theirs.kind, theirs.schema, sorted(theirs.columns)) != (kind, schema, sorted(columns)):
                raise TypeError(
                    f"the table {full_name} is declared twice, with another identity, schema or columns; write one "
                    f"Documents, and put it into both unit classes"
                )
            shared: Self = theirs
            return shared
        types: dict[type, TypeEngine[Any]] = {int: BigInteger(), str: String(), UUID: Uuid()}
        made = Table(
            table,
            metadata,
            Column("key", types[kind], primary_key=True, autoincrement=False),
            Column("data", JSON(), nullable=False),
            Column("version", BigInteger(), nullable=False),
            Column("schema", Integer(), nullable=False),
            *(Column(column, type_, index=True) for column, type_ in columns.items()),
        )
        try:
            documents = cls(name, aggregate, kind, made, columns, schema)
        except BaseException:
            metadata.remove(made)
            raise
        declared[full_name] = documents
        return documents

    def statements(self, dialect: Dialect) -> Statements:
        try:
            return self._by_dialect[dialect.name]
        except KeyError:
            made = self._by_dialect[dialect.name] = self._statements(dialect.name)
            return made

    def _statements(self, dialect: str) -> Statements:
        data: Any = bindparam("the_data", type_=Text())
        if dialect == "postgresql":
            data = sql_cast(data, JSON)  # SQLite would make a number of it
        # Not called like the columns, for which SQLAlchemy would take them.
        values = {
            "data": data,
            "version": bindparam("the_new_version", type_=BigInteger()),
            "schema": bindparam("the_schema", type_=Integer()),
            **{column: bindparam(f"the_{column}_copy", type_=self.table.c[column].type) for column in self.columns},
        }
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        # A taken key is found by the number of rows, so that PostgreSQL need not abort the transaction.
        inserted = (
            insert(self.table)
            .values(key=bindparam("the_key", type_=self.key.type), **values)
            .on_conflict_do_nothing(index_elements=[self.key])
            .inline()
            .execution_options(preserve_rowcount=True)
        )
        updated = self.table.update().where(self._is_key, self._is_version).values(values)
        return Statements(Prepared(inserted), Prepared(updated))

    def key_of(self, identity: object) -> Key:
        """Return the identity as the key of a row.

        Raises:
            TypeError: it is of another type than declared.
        """
        if type(identity) is self.kind:  # the usual case
            return identity
        return key_of(self.name, self.cls, self.kind, identity)

    def dump(self, unit: str, aggregate: AggregateT) -> str:
        """Return the aggregate as JSON.

        Raises:
            UnitError: a value does not fit its field.
        """
        try:
            return self._codec.dump(aggregate).decode()
        except JsonMismatchError as error:
            raise UnitError(unit, f"{self.shown(identity_of(aggregate))} does not fit its class: {error}") from None

    def load(self, unit: str, row: Row) -> AggregateT:
        """Return the aggregate of a row, with its version.

        Raises:
            UnitError: the row does not fit the class, or was written by a newer one.
        """
        key, version, schema, data = row
        try:
            if schema == self.schema:
                aggregate = self._codec.load(data)
            else:
                aggregate = self._codec.load_object(self._upcast(unit, key, schema, data))
        except JsonMismatchError as error:
            raise UnitError(
                unit,
                f"the row of {self.shown(key)} does not fit the class: {error}; where the class has changed, write "
                f"Documents(..., schema={self.schema + 1}) and `@{unit}.{self.name}.upcast(to={self.schema + 1})`",
            ) from None  # what pydantic says shows values
        if identity_of(aggregate) != key:
            raise UnitError(unit, f"the row of {self.shown(key)} holds another identity; mend the row")
        set_version(aggregate, self.store, version)
        return aggregate

    def _upcast(self, unit: str, key: Key, schema: int, data: str) -> object:
        if schema > self.schema:
            raise UnitError(
                unit,
                f"the row of {self.shown(key)} has schema {schema}, and this program knows {self.schema}; "
                f"a newer release has written it: deploy that one here too",
            )
        if schema < 1:
            raise UnitError(
                unit, f"the row of {self.shown(key)} has schema {schema}, and they begin at 1; mend the row"
            )
        try:
            document: object = json.loads(data)
        except (ValueError, RecursionError):  # its text shows values
            raise UnitError(unit, f"the row of {self.shown(key)} holds no JSON; mend the row") from None
        for to in range(schema + 1, self.schema + 1):
            upcast: Any = self.upcasts[to]  # Any: what it is given is checked by nobody
            try:
                document = upcast(document)
            except Exception as error:
                raise UnitError(
                    unit, f"the upcast of {self.name} to schema {to} failed for {self.shown(key)}"
                ) from error
            if not isinstance(document, dict):
                problem = f"the upcast of {self.name} to schema {to} returned {kind_of(document)}, not a dict"
                raise UnitError(unit, problem)
        return cast("dict[str, Any]", document)

    def differences(self, aggregate: AggregateT, read: AggregateT) -> str:
        """Return which fields are another value in what was read; nothing where none is."""
        return "; ".join(f"{path}: {problem}" for path, problem in self._codec.differences(aggregate, read))

    def parameters(self, key: Key, aggregate: AggregateT, data: str, version: int) -> dict[str, Any]:
        """Return what an INSERT or UPDATE of the aggregate is executed with."""
        values = {"the_key": key, "the_data": data, "the_new_version": version, "the_schema": self.schema}
        for name, copy in self.columns.items():
            values[f"the_{name}_copy"] = copy(getattr(aggregate, name))
        return values

    def unfit(self, unit: str, key: Key) -> UnitError:
        """Return the error for a value that a column does not hold."""
        columns = ", ".join(self.columns)
        what = f"its columns ({columns}); copy a property that fits, or declare another type" if columns else "a column"
        return UnitError(unit, f"{self.shown(key)} does not fit {what}")

    def shown(self, identity: object) -> str:
        return f"{self.cls.__qualname__} with the identity {identity!r}"


def column_types(columns: Mapping[str, TypeEngine[Any] | type[TypeEngine[Any]]]) -> dict[str, TypeEngine[Any]]:
    """Return the types of columns.

    Raises:
        TypeError: one is no type of SQLAlchemy.
    """
    types: dict[str, Any] = {name: type_() if isinstance(type_, type) else type_ for name, type_ in columns.items()}
    for name, type_ in types.items():
        if not isinstance(type_, TypeEngine):
            raise TypeError(
                f"columns maps fields to types of SQLAlchemy, as in {{{name!r}: String}}, and got {kind_of(type_)}"
            )
    return types


def _copy_for(type_: TypeEngine[Any]) -> Callable[[Any], Any]:
    """Return what makes a value ready for a column of this type: an aware time is in UTC, an enum its value."""
    keeps_zone = isinstance(type_, DateTime) and type_.timezone
    keeps_enum = isinstance(type_, SqlEnum)

    def copy(value: Any) -> Any:
        if isinstance(value, Enum) and not keeps_enum:
            return value.value
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = value.astimezone(timezone.utc)
            return value if keeps_zone else value.replace(tzinfo=None)
        return value

    return copy
