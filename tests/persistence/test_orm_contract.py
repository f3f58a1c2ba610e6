"""Mapped aggregates keep the contract of repositories, however they are mapped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from dddkit.testing import RepositoryContract, SyncRepositoryContract
from tests.persistence.crates import WAYS, Depot
from tests.servers.databases import Database, PostgreSQL, SQLite

numbers: Final = count(1)


class Crates:
    """What both contracts are given."""

    depot: Depot

    def new(self) -> Any:
        return self.depot.new(next(numbers), "tea", "cup")

    def change(self, crate: Any, /) -> None:
        crate.pack("pot")
        crate.tags.append("b")
        crate.lines[0].amount += 1


class AsyncCrates(Crates, RepositoryContract[Any, int]):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Any]:
        async with self.depot.Unit(self.depot.engine) as unit:
            yield unit.crates
            await unit.commit()
        await self.depot.engine.dispose()  # each block has an event loop of its own


class SyncCrates(Crates, SyncRepositoryContract[Any, int]):
    @contextmanager
    def open(self) -> Generator[Any]:
        with self.depot.Unit(self.depot.engine) as unit:
            yield unit.crates
            unit.commit()


class Prepared:
    """A database for each test."""

    is_async = False
    depot: Depot

    def use(self, way: str, database: Database) -> Generator[None]:
        self.depot = Depot(WAYS[way], database, is_async=self.is_async)
        yield
        if not self.is_async:
            self.depot.engine.dispose()


class OnSQLite(Prepared):
    @pytest.fixture(autouse=True, params=WAYS)
    def prepare(self, request: pytest.FixtureRequest, tmp_path: Path) -> Generator[None]:
        yield from self.use(request.param, SQLite(str(tmp_path / "depot.sqlite")))


class OnPostgreSQL(Prepared):
    @pytest.fixture(autouse=True, params=["declarative-asyncpg", "dataclass-psycopg", "imperative-asyncpg"])
    def prepare(self, request: pytest.FixtureRequest, postgresql: PostgreSQL) -> Generator[None]:
        way, driver = request.param.split("-")
        yield from self.use(way, postgresql.over(driver))


@pytest.mark.slow
class TestMappedOnSQLite(OnSQLite, AsyncCrates):
    is_async = True


class TestMappedOfSyncUnitsInMemory(Prepared, SyncCrates):
    @pytest.fixture(autouse=True)
    def prepare(self) -> Generator[None]:
        yield from self.use("imperative", SQLite(":memory:"))


@pytest.mark.slow
class TestMappedOfSyncUnitsOnSQLite(OnSQLite, SyncCrates): ...


@pytest.mark.slow
class TestMappedOnPostgreSQL(OnPostgreSQL, AsyncCrates):
    is_async = True


@pytest.mark.slow
class TestMappedOfSyncUnitsOnPostgreSQL(OnPostgreSQL, SyncCrates): ...
