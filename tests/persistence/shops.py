"""A small shop in each flavour, with both kinds of unit; a test is written once, with `await`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pytest
from sqlalchemy import MetaData, Table, func, select

from dddkit.messages import EventCatalog
from dddkit.sqlalchemy import Documents, Inbox, Outbox, SyncUnitOfWork, UnitOfWork
from tests.blocks.flavours import Dataclasses, Flavour, Pydantic
from tests.servers.databases import Database, SQLite

# Any: the classes of a flavour are looked up by name, and a sync unit stands in for an async one.
Model = Any

DECLARATIONS: Final = {True: UnitOfWork, False: SyncUnitOfWork}


class Awaited:
    """Makes a sync object look like the async one: what its methods return can be awaited."""

    def __init__(self, target: Model) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if name in ("publish", "on", "table", "committed", "add"):
            return value
        if not callable(value):
            return Awaited(value)

        @wraps(value)
        async def call(*args: object, **kwargs: object) -> object:
            result = value(*args, **kwargs)
            return Awaited(result) if name in ("connection", "session") else result

        return call

    async def __aenter__(self) -> Awaited:
        return Awaited(self._target.__enter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._target.__exit__(kind, error, traceback)


class Shop:
    """One database, with the aggregates of a flavour and the units of one kind."""

    def __init__(self, flavour: type[Flavour], database: Database, *, is_async: bool) -> None:
        self.flavour: Final = flavour
        self.database: Final = database
        self.is_async: Final = is_async
        self.metadata: Final = MetaData()
        self.catalog: Final = EventCatalog("/shop")
        self.outbox: Final = Outbox(self.metadata, self.catalog)
        self.inbox: Final = Inbox(self.metadata)
        self.Basket: Final[Model] = flavour.Basket
        self.catalog.add(self.Basket.Created, "basket.created")
        self.catalog.add(self.Basket.ItemAdded, "basket.item-added")
        self.Unit: Model = self.declare(outbox=self.outbox, inbox=self.inbox, baskets=self.documents(flavour.Basket))
        self._engine: Model = None

    def use(self, engine: Model) -> None:
        """Use this engine from now on."""
        self._engine = engine

    def documents(self, aggregate: Model, identity: Model = int, **arguments: Model) -> Documents[Any, Any]:
        declared: Model = Documents
        made: Documents[Any, Any] = declared[aggregate, identity](self.metadata, **arguments)
        return made

    def declare(self, *bases: type, **attributes: object) -> Model:
        """Declare a unit class of this kind."""
        return type("ShopUnit", bases or (DECLARATIONS[self.is_async],), {"__module__": __name__, **attributes})

    @property
    def engine(self) -> Model:
        if self._engine is None:
            self._engine = (
                self.database.engine(self.metadata) if self.is_async else self.database.sync_engine(self.metadata)
            )
        return self._engine

    def unit(self, unit_class: Model = None, **arguments: Model) -> Model:
        """Return a new unit, to be used with `async with` and `await` whatever its kind."""
        made = (unit_class or self.Unit)(self.engine, **arguments)
        return made if self.is_async else Awaited(made)

    async def stored(self, identity: Model, repository: str = "baskets", unit_class: Model = None) -> Model:
        """Return what another unit reads."""
        async with self.unit(unit_class, read_only=True) as unit:
            return await getattr(unit, repository).get(identity)

    async def save(self, *aggregates: Model, repository: str = "baskets", unit_class: Model = None) -> None:
        """Store them, in a unit of their own."""
        async with self.unit(unit_class) as unit:
            for aggregate in aggregates:
                await getattr(unit, repository).save(aggregate)
            await unit.commit()

    async def delete(self, aggregate: Model) -> None:
        """Delete it, in a unit of its own."""
        async with self.unit() as unit:
            await unit.baskets.delete(aggregate)
            await unit.commit()

    async def rows(self, query: Model) -> list[tuple[Any, ...]]:
        """Return the rows of a query, as another unit sees them."""
        async with self.unit(read_only=True) as unit:
            connection = await unit.connection()
            result = await connection.execute(query)
            return [tuple(row) for row in result]

    async def count(self, table: Table) -> int:
        ((number,),) = await self.rows(select(func.count()).select_from(table))
        return int(number)

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


# All four of flavour and kind, on both databases, are slow tests; two that differ in both are not. These two have a
# database in memory, the other two and those of "sqlite-file" a file.
_QUICK: Final = ((Dataclasses, True), (Pydantic, False))
_ALL: Final = [(flavour, is_async) for flavour in (Dataclasses, Pydantic) for is_async in (True, False)]

Scenario = Callable[[Shop], Awaitable[None]]


def _cases(databases: tuple[str, ...]) -> Iterator[Any]:
    for database in databases:
        for flavour, is_async in _ALL:
            quick = database != "postgresql" and (flavour, is_async) in _QUICK
            yield pytest.param(
                (flavour, is_async, "sqlite-memory" if database == "sqlite" and quick else database),
                marks=() if quick else pytest.mark.slow,
                id=f"{flavour.name}-{'async' if is_async else 'sync'}-{database}",
            )


def in_shops(*databases: str) -> Callable[[Scenario], Callable[..., None]]:
    """Run the test with both units, in both flavours, on these databases (without any: on both)."""

    def decorate(scenario: Scenario) -> Callable[..., None]:
        @pytest.mark.parametrize("case", [*_cases(databases or ("sqlite", "postgresql"))])
        def test(case: tuple[type[Flavour], bool, str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
            flavour, is_async, name = case
            database: Database
            if name == "postgresql":
                database = request.getfixturevalue("postgresql")
            else:
                database = SQLite(":memory:" if name == "sqlite-memory" else str(tmp_path / "shop.sqlite"))
            shop = Shop(flavour, database, is_async=is_async)

            async def run() -> None:
                try:
                    await scenario(shop)
                finally:
                    await shop.dispose()

            asyncio.run(run())

        test.__name__, test.__doc__ = scenario.__name__, scenario.__doc__
        test.__module__ = scenario.__module__
        return test

    return decorate
