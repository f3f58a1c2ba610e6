"""Crates with lines, mapped in each way that SQLAlchemy has; a test is written once, with `await`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, MetaData, String, Table, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    composite,
    mapped_column,
    registry,
    relationship,
    selectinload,
)

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity, Identity, ValueObject
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy import Inbox, OrmMapped, Outbox
from tests.persistence.shops import DECLARATIONS, Awaited
from tests.servers.databases import Database, SQLite

# Any: the classes differ in how they are mapped, and a sync unit stands in for an async one.
Model = Any


@dataclass(frozen=True)
class Money(ValueObject):
    amount: int
    currency: str = "EUR"


@dataclass(frozen=True, kw_only=True)
class Packed(AggregateEvent):
    item: str


@dataclass(frozen=True, kw_only=True)
class Weighed(AggregateEvent):
    pass


class Packing:
    """What a crate does, however it is mapped."""

    if TYPE_CHECKING:
        lines: Any
        add_event: Any
        line_class: Any

    def pack(self, item: str, amount: int = 1) -> None:
        self.lines.append(self.line_class(item=item, amount=amount))
        self.add_event(Packed(item=item))

    def weigh(self) -> None:
        self.add_event(Weighed())


class Base(DeclarativeBase):
    pass


class DeclaredLine(Base):
    __tablename__ = "declared_lines"
    line_id: Mapped[int] = mapped_column(primary_key=True)
    crate_id: Mapped[int] = mapped_column(ForeignKey("declared_crates.crate_id"))
    item: Mapped[str]
    amount: Mapped[int] = mapped_column(default=1)


class DeclaredCrate(Packing, Aggregate, Base):
    __tablename__ = "declared_crates"
    crate_id: Mapped[Identity[int]] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    price: Mapped[Money] = composite(mapped_column("price_amount"), mapped_column("price_currency"))
    lines: Mapped[list[DeclaredLine]] = relationship(cascade="all, delete-orphan", order_by=DeclaredLine.line_id)
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}
    line_class = DeclaredLine


class DataclassBase(MappedAsDataclass, DeclarativeBase):
    pass


class DataclassLine(DataclassBase, kw_only=True):
    __tablename__ = "dataclass_lines"
    line_id: Mapped[int] = mapped_column(primary_key=True, init=False)
    crate_id: Mapped[int] = mapped_column(ForeignKey("dataclass_crates.crate_id"), init=False)
    item: Mapped[str]
    amount: Mapped[int] = mapped_column(default=1)


class DataclassCrate(Packing, DataclassBase, Aggregate, kw_only=True):
    __tablename__ = "dataclass_crates"
    crate_id: Mapped[Identity[int]] = mapped_column(primary_key=True)
    price: Mapped[Money] = composite(mapped_column("price_amount"), mapped_column("price_currency"))
    name: Mapped[str] = mapped_column(default="")
    tags: Mapped[list[str]] = mapped_column(JSON, default_factory=list)
    lines: Mapped[list[DataclassLine]] = relationship(
        cascade="all, delete-orphan", order_by=DataclassLine.line_id, default_factory=list
    )
    version: Mapped[int] = mapped_column(BigInteger, init=False)
    __mapper_args__ = {"version_id_col": version}
    line_class = DataclassLine


@dataclass(kw_only=True)
class CleanLine(Entity):
    item: str
    amount: int = 1
    line_id: Identity[int | None] = None


@dataclass(kw_only=True)
class CleanCrate(Packing, Aggregate):
    crate_id: Identity[int]
    price: Money
    name: str = ""
    tags: list[str] = field(default_factory=list[str])
    lines: list[CleanLine] = field(default_factory=list[CleanLine])
    line_class = CleanLine


imperative: Final = registry()
clean_lines: Final = Table(
    "clean_lines",
    imperative.metadata,
    Column("line_id", Integer, primary_key=True),
    Column("crate_id", Integer, ForeignKey("clean_crates.crate_id")),
    Column("item", String, nullable=False),
    Column("amount", Integer, nullable=False),
)
clean_crates: Final = Table(
    "clean_crates",
    imperative.metadata,
    Column("crate_id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("price_amount", Integer, nullable=False),
    Column("price_currency", String, nullable=False),
    Column("version", BigInteger, nullable=False),
)
imperative.map_imperatively(CleanLine, clean_lines)
imperative.map_imperatively(
    CleanCrate,
    clean_crates,
    version_id_col=clean_crates.c.version,
    properties={
        "_version": clean_crates.c.version,
        "price": composite(Money, clean_crates.c.price_amount, clean_crates.c.price_currency),
        "lines": relationship(CleanLine, cascade="all, delete-orphan", order_by=clean_lines.c.line_id, lazy="selectin"),
    },
)


class Way:
    """One way to map."""

    def __init__(self, name: str, crate: Model, metadata: MetaData, version: str = "version") -> None:
        self.name: Final = name
        self.Crate: Final = crate
        self.Line: Final[Model] = crate.line_class
        self.version: Final = version
        self.metadata: Final = metadata


WAYS: Final = {
    way.name: way
    for way in (
        Way("declarative", DeclaredCrate, Base.metadata),
        Way("dataclass", DataclassCrate, DataclassBase.metadata),
        Way("imperative", CleanCrate, imperative.metadata, "_version"),
    )
}


class Depot:
    """One database with the crates of one way to map, and units of one kind."""

    def __init__(self, way: Way, database: Database, *, is_async: bool) -> None:
        self.way: Final = way
        self.database: Final = database
        self.is_async: Final = is_async
        self.Crate: Final[Model] = way.Crate
        self.Line: Final[Model] = way.Line
        self.metadata: Final = MetaData()
        for table in way.metadata.tables.values():
            table.to_metadata(self.metadata)
        self.catalog: Final = EventCatalog("/depot")
        self.catalog.add(Packed, "crate.packed", version=1)
        self.catalog.add(Weighed, "crate.weighed", version=1)
        self.outbox: Final = Outbox(self.metadata, self.catalog)
        self.inbox: Final = Inbox(self.metadata)
        crates: Model = OrmMapped
        options = [] if self.Crate is CleanCrate else [selectinload(self.Crate.lines)]
        self.crates: Final[Model] = crates[self.Crate, int](options=options)
        self.Unit: Model = self.declare(outbox=self.outbox, inbox=self.inbox, crates=self.crates)
        self._engine: Model = None

    def declare(self, **attributes: object) -> Model:
        """Declare a unit class of this kind."""
        return type("DepotUnit", (DECLARATIONS[self.is_async],), {"__module__": __name__, **attributes})

    @property
    def engine(self) -> Model:
        if self._engine is None:
            database = self.database
            self._engine = database.engine(self.metadata) if self.is_async else database.sync_engine(self.metadata)
        return self._engine

    def use(self, engine: Model) -> None:
        """Use this engine from now on."""
        self._engine = engine

    def unit(self, unit_class: Model = None, **arguments: Model) -> Model:
        """Return a new unit, to be used with `async with` and `await` whatever its kind."""
        made = (unit_class or self.Unit)(self.engine, **arguments)
        return made if self.is_async else Awaited(made)

    def new(self, crate_id: int = 1, *items: str, **fields: Model) -> Model:
        lines = [self.Line(item=item, amount=1) for item in items]
        return self.Crate(
            **{"crate_id": crate_id, "name": "tea", "price": Money(5), "tags": ["a"], "lines": lines} | fields
        )

    async def stored(self, crate_id: Model = 1, repository: str = "crates", unit_class: Model = None) -> Model:
        """Return what another unit reads."""
        async with self.unit(unit_class, read_only=True) as unit:
            return await getattr(unit, repository).get(crate_id)

    async def save(self, *aggregates: Model, repository: str = "crates", unit_class: Model = None) -> None:
        """Store them, in a unit of their own."""
        async with self.unit(unit_class) as unit:
            for aggregate in aggregates:
                await getattr(unit, repository).save(aggregate)
            await unit.commit()

    async def delete(self, aggregate: Model) -> None:
        async with self.unit() as unit:
            await unit.crates.delete(aggregate)
            await unit.commit()

    async def version(self, crate_id: int = 1) -> int | None:
        """Return the version in the database."""
        table = self.Crate.__table__ if hasattr(self.Crate, "__table__") else clean_crates
        rows = await self.rows(select(table.c.version).where(table.c.crate_id == crate_id))
        return rows[0][0] if rows else None

    async def rows(self, query: Model) -> list[tuple[Any, ...]]:
        """Return the rows of a query, as another unit sees them."""
        async with self.unit(read_only=True) as unit:
            connection = await unit.connection()
            result = await connection.execute(query)
            return [tuple(row) for row in result]

    async def messages(self) -> list[tuple[str, str]]:
        """Return the type and the subject of what is in the outbox, in order."""
        table = self.outbox.table
        rows = await self.rows(select(table.c.type, table.c.subject).order_by(table.c.number))
        return [(type_, subject or "-") for type_, subject in rows]

    async def dispose(self) -> None:
        if self._engine is not None:
            disposing = self._engine.dispose()
            if inspect.isawaitable(disposing):
                await disposing


Scenario = Callable[[Depot], Awaitable[None]]

# All ways with both kinds of unit on both databases are slow tests; each way and each kind is once in the quick ones.
_QUICK: Final = (("declarative", True), ("imperative", False))


def _cases(databases: tuple[str, ...]) -> Iterator[Any]:
    for database in databases:
        for name in WAYS:
            for is_async in (True, False):
                quick = database == "sqlite" and (name, is_async) in _QUICK
                yield pytest.param(
                    (name, is_async, "sqlite-memory" if quick else database),
                    marks=() if quick else pytest.mark.slow,
                    id=f"{name}-{'async' if is_async else 'sync'}-{database}",
                )


def in_depots(*databases: str) -> Callable[[Scenario], Callable[..., None]]:
    """Run the test with crates mapped in each way, with both units, on these databases (without any: on both)."""

    def decorate(scenario: Scenario) -> Callable[..., None]:
        @pytest.mark.parametrize("case", [*_cases(databases or ("sqlite", "postgresql"))])
        def test(case: tuple[str, bool, str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
            way, is_async, name = case
            database: Database
            if name == "postgresql":
                database = request.getfixturevalue("postgresql")
            else:
                database = SQLite(":memory:" if name == "sqlite-memory" else str(tmp_path / "depot.sqlite"))
            depot = Depot(WAYS[way], database, is_async=is_async)

            async def run() -> None:
                try:
                    await scenario(depot)
                finally:
                    await depot.dispose()

            asyncio.run(run())

        test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
        test.__module__ = scenario.__module__
        return test

    return decorate
