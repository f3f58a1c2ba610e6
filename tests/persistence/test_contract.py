"""Documents keep the contract of repositories."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from dddkit.dataclasses import Aggregate, AggregateEvent
from dddkit.sqlalchemy import Documents, SyncUnitOfWork, UnitOfWork
from dddkit.testing import RepositoryContract, SyncRepositoryContract
from tests.servers.databases import Database, PostgreSQL, SQLite

metadata = MetaData()
numbers = count(1)


@dataclass(kw_only=True)
class Order(Aggregate):
    order_id: int
    lines: list[str] = field(default_factory=list[str])

    @dataclass(frozen=True, kw_only=True)
    class Extended(AggregateEvent):
        line: str

    def extend(self, line: str) -> None:
        self.lines.append(line)
        self.add_event(self.Extended(line=line))


class ShopUnit(UnitOfWork):
    orders = Documents[Order, int](metadata, verify=True)


class SyncShopUnit(SyncUnitOfWork):
    orders = Documents[Order, int](metadata, verify=True)


class Orders:
    """What both contracts are given."""

    database: Database

    def new(self) -> Order:
        return Order(order_id=next(numbers))

    def change(self, order: Order, /) -> None:
        order.extend("tea")


class AsyncOrders(Orders, RepositoryContract[Order, int]):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Any]:
        engine = self.database.engine(metadata)
        try:
            async with ShopUnit(engine) as unit:
                yield unit.orders
                await unit.commit()
        finally:
            await engine.dispose()


class SyncOrders(Orders, SyncRepositoryContract[Order, int]):
    @contextmanager
    def open(self) -> Generator[Any]:
        engine = self.database.sync_engine(metadata)
        try:
            with SyncShopUnit(engine) as unit:
                yield unit.orders
                unit.commit()
        finally:
            engine.dispose()


class OnSQLite:
    database: Database

    @pytest.fixture(autouse=True)
    def prepare(self, tmp_path: Path) -> None:
        self.database = SQLite(str(tmp_path / "shop.sqlite"))


class OnPostgreSQL:
    database: Database

    @pytest.fixture(autouse=True, params=["asyncpg", "psycopg"])
    def prepare(self, request: pytest.FixtureRequest, postgresql: PostgreSQL) -> None:
        self.database = postgresql.over(request.param)


class TestDocumentsOnSQLite(OnSQLite, AsyncOrders): ...


class TestDocumentsOfSyncUnitsOnSQLite(OnSQLite, SyncOrders): ...


@pytest.mark.slow
class TestDocumentsOnPostgreSQL(OnPostgreSQL, AsyncOrders): ...


@pytest.mark.slow
class TestDocumentsOfSyncUnitsOnPostgreSQL(OnPostgreSQL, SyncOrders): ...
