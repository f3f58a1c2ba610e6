"""What checkers say about units of work. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType
from uuid import UUID

from sqlalchemy import Connection, Engine, Integer, MetaData, String, Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import assert_type

import dddkit.pydantic
from dddkit.dataclasses import Aggregate, AggregateEvent, EventBroker, Identity, Repository, SyncRepository
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy import Documents, Inbox, Outbox, SyncUnitOfWork, UnitOfWork, embedded, sync_embedded

OrderId = NewType("OrderId", UUID)
CrateId = NewType("CrateId", int)

metadata = MetaData()
catalog = EventCatalog("/shop")


@dataclass(kw_only=True)
class Order(Aggregate):
    order_id: Identity[OrderId]
    customer: str = ""

    @dataclass(frozen=True, kw_only=True)
    class Cancelled(AggregateEvent):
        reason: str


class Crate(dddkit.pydantic.Aggregate):
    crate_id: Identity[CrateId]


class ShopUnit(UnitOfWork):
    outbox = Outbox(metadata, catalog)
    inbox = Inbox(metadata)
    orders = Documents[Order, OrderId](
        metadata, columns={"customer": String, "number": Integer()}, schema=2, verify=True
    )
    crates = Documents[Crate, CrateId](metadata, table="the_crates")


class SyncShopUnit(SyncUnitOfWork):
    outbox = ShopUnit.outbox
    inbox = ShopUnit.inbox
    orders = ShopUnit.orders
    crates = Documents[Crate, CrateId](metadata, table="the_crates")


@ShopUnit.on(Order.Cancelled)
async def put_back(event: Order.Cancelled, unit: ShopUnit) -> None:
    assert_type(event.reason, str)


@SyncShopUnit.on(Order.Cancelled)
def note(event: Order.Cancelled, unit: SyncShopUnit) -> None: ...


@ShopUnit.on(Order.Cancelled)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async def takes_another_event(event: int, unit: ShopUnit) -> None: ...


@ShopUnit.on(Order.Cancelled)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async def takes_another_unit(event: Order.Cancelled, unit: SyncShopUnit) -> None: ...


@SyncShopUnit.on(Order.Cancelled)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async def is_async(event: Order.Cancelled, unit: SyncShopUnit) -> None: ...


@ShopUnit.orders.upcast(to=2)
def add_customer(order: dict[str, object]) -> dict[str, object]:
    return {**order, "customer": ""}


assert_type(ShopUnit.orders, Documents[Order, OrderId])
assert_type(ShopUnit.orders.table, Table)
assert_type(embedded("shop.sqlite", metadata), AsyncEngine)
assert_type(sync_embedded("shop.sqlite", metadata), Engine)


async def use(engine: AsyncEngine, order: Order, crate: Crate) -> None:
    async with ShopUnit(engine, read_only=False, broker=EventBroker()) as unit:
        assert_type(unit, ShopUnit)
        repository: Repository[Order, OrderId] = unit.orders
        assert_type(await unit.orders.get(order.order_id), Order | None)
        assert_type(await unit.orders.get(order.order_id, lock=True), Order | None)
        assert_type(await unit.orders.get_many([order.order_id]), dict[OrderId, Order])
        column = ShopUnit.orders.table.c["customer"]
        assert_type(await unit.orders.find(column == "ann", order_by=column.desc(), limit=2), list[Order])
        assert_type(await unit.orders.find(order_by=[column]), list[Order])
        assert_type(await unit.crates.get(crate.crate_id), Crate | None)
        await unit.orders.save(order)
        await unit.orders.delete(order)
        unit.publish(Order.Cancelled(reason=""), subject="orders/1")
        assert_type(await unit.once("key"), bool)
        assert_type(await unit.connection(), AsyncConnection)
        assert_type(unit.committed, bool)
        await unit.commit()
        await unit.rollback()

        await repository.get(UUID(int=1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await unit.orders.get(crate.crate_id)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await unit.orders.save(crate)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await unit.crates.delete(order)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def use_sync(engine: Engine, order: Order, crate: Crate) -> None:
    with SyncShopUnit(engine, read_only=False, broker=EventBroker()) as unit:
        assert_type(unit, SyncShopUnit)
        repository: SyncRepository[Order, OrderId] = unit.orders
        assert_type(repository.get(order.order_id), Order | None)
        assert_type(unit.orders.get(order.order_id, lock=True), Order | None)
        assert_type(unit.orders.get_many([order.order_id]), dict[OrderId, Order])
        assert_type(unit.orders.find(limit=2), list[Order])
        assert_type(unit.crates.get(crate.crate_id), Crate | None)
        unit.orders.save(order)
        assert_type(unit.once("key"), bool)
        assert_type(unit.connection(), Connection)
        unit.commit()

        unit.orders.get(crate.crate_id)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        unit.orders.save(crate)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def engines(engine: Engine, async_engine: AsyncEngine) -> None:
    ShopUnit(engine)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SyncShopUnit(async_engine)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Documents[str, int](metadata)  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]
