"""Repositories by SQL of one's own keep the contract, in both flavours and both kinds of unit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any, ClassVar

import pytest
from sqlalchemy import MetaData

from dddkit.sqlalchemy import Custom, SyncUnitOfWork, UnitOfWork
from dddkit.testing import RepositoryContract, SyncRepositoryContract
from tests.blocks.flavours import Dataclasses, Flavour, Pydantic
from tests.persistence.baskets_by_hand import ByHand, SqlBaskets, SqlWithoutLock, handler_for
from tests.persistence.shops import Model
from tests.persistence.test_contract import OnPostgreSQL, OnSQLite
from tests.servers.databases import Database

numbers = count(1)
custom: Model = Custom


class Kind:
    """The units of one flavour."""

    def __init__(self, flavour: type[Flavour], sql: type[SqlWithoutLock]) -> None:
        self.flavour = flavour
        self.metadata = MetaData()
        by_hand = ByHand(flavour, self.metadata)
        declared = custom[flavour.Basket, int](by_hand.sql(sql), changes=handler_for(flavour))
        self.Unit: Model = type("ShopUnit", (UnitOfWork,), {"baskets": declared})
        self.SyncUnit: Model = type("SyncShopUnit", (SyncUnitOfWork,), {"baskets": declared})


OF_DATACLASSES = Kind(Dataclasses, SqlBaskets)
OF_PYDANTIC = Kind(Pydantic, SqlWithoutLock)


class Baskets:
    """What both contracts are given."""

    database: Database
    kind: ClassVar[Kind]

    def new(self) -> Any:
        return self.kind.flavour.Basket(basket_id=next(numbers))

    def change(self, basket: Any, /) -> None:
        basket.add("tea")


class AsyncBaskets(Baskets, RepositoryContract[Any, int]):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Any]:
        engine = self.database.engine(self.kind.metadata)
        try:
            async with self.kind.Unit(engine) as unit:
                yield unit.baskets
                await unit.commit()
        finally:
            await engine.dispose()


class SyncBaskets(Baskets, SyncRepositoryContract[Any, int]):
    @contextmanager
    def open(self) -> Generator[Any]:
        engine = self.database.sync_engine(self.kind.metadata)
        try:
            with self.kind.SyncUnit(engine) as unit:
                yield unit.baskets
                unit.commit()
        finally:
            engine.dispose()


@pytest.mark.slow
class TestDataclassesOnSQLite(OnSQLite, AsyncBaskets):
    kind = OF_DATACLASSES


class TestDataclassesOfSyncUnitsOnSQLite(OnSQLite, SyncBaskets):
    kind = OF_DATACLASSES


@pytest.mark.slow
class TestPydanticOnSQLite(OnSQLite, AsyncBaskets):
    kind = OF_PYDANTIC


@pytest.mark.slow
class TestPydanticOfSyncUnitsOnSQLite(OnSQLite, SyncBaskets):
    kind = OF_PYDANTIC


@pytest.mark.slow
class TestDataclassesOnPostgreSQL(OnPostgreSQL, AsyncBaskets):
    kind = OF_DATACLASSES


@pytest.mark.slow
class TestDataclassesOfSyncUnitsOnPostgreSQL(OnPostgreSQL, SyncBaskets):
    kind = OF_DATACLASSES


@pytest.mark.slow
class TestPydanticOnPostgreSQL(OnPostgreSQL, AsyncBaskets):
    kind = OF_PYDANTIC


@pytest.mark.slow
class TestPydanticOfSyncUnitsOnPostgreSQL(OnPostgreSQL, SyncBaskets):
    kind = OF_PYDANTIC
