"""What checkers say about consumers and publishers. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Engine, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import assert_type

from dddkit.dataclasses import Aggregate, AggregateEvent, EventBroker
from dddkit.messages import EventCatalog, Message
from dddkit.sqlalchemy import Consumer, Documents, Inbox, SyncUnitOfWork, UnitOfWork, to_broker, to_consumers

metadata = MetaData()
catalog = EventCatalog("/shop")


@dataclass(kw_only=True)
class Order(Aggregate):
    order_id: int

    @dataclass(frozen=True, kw_only=True)
    class Cancelled(AggregateEvent):
        reason: str


class ShopUnit(UnitOfWork):
    inbox = Inbox(metadata)
    orders = Documents[Order, int](metadata)


class SyncShopUnit(SyncUnitOfWork):
    inbox = ShopUnit.inbox


def consumers(engine: AsyncEngine, sync_engine: Engine) -> None:
    refunds = Consumer("refunds", catalog, lambda: ShopUnit(engine))
    assert_type(refunds, Consumer[ShopUnit])
    assert_type(Consumer("mails", catalog, partial(ShopUnit, engine), unknown="ignore"), Consumer[ShopUnit])
    assert_type(refunds.name, str)

    @refunds.on(Order.Cancelled)
    async def pay_back(event: Order.Cancelled, unit: ShopUnit) -> None:
        assert_type(await unit.orders.get(1), Order | None)

    still_a_coroutine_function: Callable[[Order.Cancelled, ShopUnit], Coroutine[Any, Any, None]] = pay_back

    @refunds.on(Order.Cancelled)
    async def of_any_unit(event: AggregateEvent, unit: UnitOfWork) -> None: ...

    class Handler:
        async def __call__(self, event: Order.Cancelled, unit: ShopUnit) -> None: ...

        async def handle(self, event: Order.Cancelled, unit: ShopUnit) -> None: ...

    refunds.on(Order.Cancelled)(still_a_coroutine_function)
    refunds.on(Order.Cancelled)(Handler())
    refunds.on(Order.Cancelled)(Handler().handle)

    @refunds.on(Order.Cancelled)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async def takes_another_event(event: int, unit: ShopUnit) -> None: ...

    @refunds.on(Order.Cancelled)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async def takes_another_unit(event: Order.Cancelled, unit: SyncShopUnit) -> None: ...

    @refunds.on(Order.Cancelled)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    def is_sync(event: Order.Cancelled, unit: ShopUnit) -> None: ...

    @refunds.on(Order.Cancelled)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    async def returns_what_nobody_reads(event: Order.Cancelled, unit: ShopUnit) -> int:
        return 1

    Consumer("refunds", catalog, lambda: SyncShopUnit(sync_engine))  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    Consumer("refunds", catalog, lambda: ShopUnit(engine), unknown="rise")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def publishers(refunds: Consumer[ShopUnit], mails: Consumer[UnitOfWork], message: Message) -> None:
    assert_type(to_consumers(refunds, mails), Callable[[Message], Awaitable[object]])
    assert_type(to_broker(EventBroker(), catalog), Callable[[Message], Awaitable[object]])
    await refunds.receive(message)
    await to_consumers(refunds)(message)
    to_consumers([refunds])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def pruning(engine: AsyncEngine, sync_engine: Engine) -> None:
    assert_type(await ShopUnit.inbox.prune(engine, older_than=timedelta(days=30)), int)
    assert_type(ShopUnit.inbox.sync_prune(sync_engine, older_than=timedelta(days=30)), int)
    await ShopUnit.inbox.prune(sync_engine, older_than=timedelta(days=30))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
