"""Publishers in process: what a relay has to know of handlers that fail, and who gets a message."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import suppress
from typing import Any
from weakref import ref

import pytest
from sqlalchemy import MetaData, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from dddkit.dataclasses import EventBroker
from dddkit.exceptions import ConcurrencyError, MessageRejectedError, UnhandledEventError, UnknownMessageError
from dddkit.messages import EventCatalog, Message
from dddkit.sqlalchemy import Consumer, UnitOfWork, embedded, to_broker, to_consumers
from dddkit.sqlalchemy._publishing import TryAgainError
from tests.persistence.consuming import added, adding, consumer_of, consuming, items
from tests.persistence.shops import Shop
from tests.servers.databases import PostgreSQL

if sys.version_info >= (3, 11):
    from builtins import ExceptionGroup
else:
    from exceptiongroup import ExceptionGroup

# Any: events are those of a flavour, looked up by name.
Event = Any


def failing(shop: Shop, error: Exception, name: str = "refunds") -> Consumer[Any]:
    """Return a consumer whose handler raises this."""
    consumer = consumer_of(shop, name)

    @consumer.on(shop.Basket.ItemAdded)
    async def fail(event: Event, unit: Any) -> None:
        raise error

    return consumer


@consuming("sqlite")
async def test_handlers_of_a_broker_get_the_event_sync_and_async_ones_caused_by_its_message(shop: Shop) -> None:
    broker, seen = EventBroker(), list[tuple[str, str | None]]()

    def see(event: Event) -> None:
        seen.append((event.item, shop.catalog.encode(event).causation_id))

    async def see_later(event: Event) -> None:
        await asyncio.sleep(0)
        see(event)

    broker.subscribe(shop.Basket.ItemAdded, see)
    broker.subscribe(shop.Basket.ItemAdded, see_later)
    message = added(shop)
    await to_broker(broker, shop.catalog)(message)
    assert seen == [("tea", message.id)] * 2


@consuming("sqlite")
async def test_an_event_without_a_subscriber_counts_as_published(shop: Shop) -> None:
    broker = EventBroker()
    with pytest.raises(UnhandledEventError):
        await broker(shop.Basket.Created())
    await to_broker(broker, shop.catalog)(shop.catalog.encode(shop.Basket.Created()))


@consuming("sqlite")
async def test_the_error_of_a_handler_of_a_broker_rejects_the_message(shop: Shop) -> None:
    for on_error, name in (("stop", "LookupError"), ("continue", "ExceptionGroup of LookupError, LookupError")):
        broker, error = EventBroker(on_error=on_error), LookupError("secret")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of a loop

        def fail(event: Event, error: Exception = error) -> None:
            raise error

        async def fail_later(event: Event, error: Exception = error) -> None:
            raise error

        broker.subscribe(shop.Basket.ItemAdded, fail)
        broker.subscribe(shop.Basket.ItemAdded, fail_later)
        with pytest.raises(MessageRejectedError) as raised:
            await to_broker(broker, shop.catalog)(added(shop))
        assert str(raised.value) == f"basket.item-added.v1: a handler failed: {name}"
        cause: Any = raised.value.__cause__
        assert cause is error or cause.exceptions == (error, error)


@consuming("sqlite")
async def test_a_message_that_nothing_reads_is_rejected_and_one_in_a_newer_version_waits(shop: Shop) -> None:
    adding(shop, refunds := consumer_of(shop))
    for publish, who in (
        (to_broker(EventBroker(), shop.catalog), "the catalog"),
        (to_consumers(refunds), "the consumer refunds"),
    ):
        for type_, error in (
            ("basket.item-added.v2", TryAgainError),
            ("order.placed.v1", MessageRejectedError),
        ):
            with pytest.raises(error, match=rf"^{type_}: {who} does not read it: {type_} is ") as raised:
                await publish(Message(id="1", source="/a", type=type_, data={"item": "tea"}))
            assert isinstance(raised.value.__cause__, UnknownMessageError)
        with pytest.raises(MessageRejectedError, match=r"data\.item"):
            await publish(Message(id="1", source="/a", type="basket.item-added.v1", data={"item": 5}))


@consuming()
async def test_each_consumer_gets_a_message_in_order_and_once(shop: Shop) -> None:
    names: list[str] = []
    consumers = [consumer_of(shop, name) for name in ("one", "two", "three")]
    for consumer in consumers[:2]:

        @consumer.on(shop.Basket.ItemAdded)
        async def note(event: Event, unit: Any, name: str = consumer.name) -> None:
            names.append(name)

    publish, message = to_consumers(*consumers), added(shop)
    await publish(message)
    await publish(message)
    assert names == ["one", "two"]


@consuming("sqlite")
async def test_one_consumer_that_fails_does_not_keep_the_message_from_the_others(shop: Shop) -> None:
    adding(shop, second := consumer_of(shop, "mails"))
    first = failing(shop, LookupError("secret"))
    publish, message = to_consumers(first, second), added(shop)
    for _ in range(2):
        with pytest.raises(MessageRejectedError) as raised:
            await publish(message)
        assert str(raised.value) == "basket.item-added.v1: the consumer refunds failed: LookupError"
        assert isinstance(raised.value.__cause__, LookupError)
        assert raised.value.message_type == "basket.item-added.v1"
    assert await items(shop) == ["tea"]

    third = failing(shop, ConcurrencyError(None, None, None), "third")
    with pytest.raises(MessageRejectedError, match=r"refunds failed: LookupError; the consumer third failed: Conc"):
        await to_consumers(first, second, third)(message)
    with pytest.raises(MessageRejectedError) as both:
        await to_consumers(first, third)(message)
    cause: Any = both.value.__cause__
    assert [type(error) for error in cause.exceptions] == [LookupError, ConcurrencyError]


@consuming("sqlite")
async def test_which_failures_of_a_handler_count_no_attempt(shop: Shop) -> None:
    basket = shop.Basket(basket_id=1)
    stale, gone = ConcurrencyError(basket, 1, 2), ConcurrencyError(basket, 1, None)
    taken, other_object = ConcurrencyError(basket, None, 2), ConcurrencyError(basket, 2, 2)
    locked = OperationalError("", {}, Exception("database is locked"))
    for error, expected in (
        (stale, TryAgainError),
        (gone, TryAgainError),
        (ConcurrencyError(None, None, None), TryAgainError),
        (locked, TryAgainError),
        (ExceptionGroup("", [stale, ExceptionGroup("", [locked])]), TryAgainError),
        (ExceptionGroup("", [stale, ValueError()]), MessageRejectedError),
        (taken, MessageRejectedError),  # a handler that does not look first fails each time
        (other_object, MessageRejectedError),
        (OperationalError("", {}, Exception("disk I/O error")), MessageRejectedError),
        (TypeError("in the handler"), MessageRejectedError),
        (MessageRejectedError("no", None), MessageRejectedError),
    ):
        with pytest.raises(expected, match=r"^basket\.item-added\.v1: the consumer refunds failed: ") as raised:
            await to_consumers(failing(shop, error))(added(shop))
        assert raised.value.__cause__ is error


@consuming("postgresql")
async def test_deadlocks_of_own_statements_count_no_attempt(shop: Shop) -> None:
    refunds, turns = consumer_of(shop), [asyncio.Event(), asyncio.Event()]
    await shop.save(shop.Basket(basket_id=0), shop.Basket(basket_id=1))

    @refunds.on(shop.Basket.ItemAdded)
    async def lock_both(event: Event, unit: Any) -> None:
        connection, mine = await unit.connection(), int(event.item)
        lock = text("SELECT 1 FROM baskets WHERE key = :key FOR UPDATE")
        await connection.execute(lock, {"key": mine})
        turns[mine].set()
        await turns[1 - mine].wait()
        await connection.execute(lock, {"key": 1 - mine})

    publish = to_consumers(refunds)
    found = await asyncio.gather(*(publish(added(shop, str(n))) for n in range(2)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) == ["NoneType", "TryAgainError"]


@consuming("postgresql")
async def test_a_lost_connection_of_the_unit_counts_no_attempt_whatever_the_handler_makes_of_it(shop: Shop) -> None:
    def disconnect() -> None:
        assert isinstance(shop.database, PostgreSQL)
        engine = create_engine(shop.database.url("psycopg"))
        with engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        engine.dispose()

    async def leave_it_to_the_commit(unit: Any) -> None:
        await unit.baskets.save(shop.Basket(basket_id=7))

    async def read(unit: Any) -> None:
        await unit.baskets.get(7)

    async def raise_another_error(unit: Any) -> None:
        try:
            await unit.baskets.get(7)
        except Exception as error:
            raise LookupError from error

    async def use_the_connection(unit: Any) -> None:
        await (await unit.connection()).execute(text("SELECT 1"))

    async def use_it_and_raise_another_error(unit: Any) -> None:
        connection = await unit.connection()
        disconnect()
        try:
            await connection.execute(text("SELECT 1"))
        except Exception:
            raise LookupError from None

    for number, work in enumerate(
        (leave_it_to_the_commit, read, raise_another_error, use_the_connection, use_it_and_raise_another_error)
    ):
        refunds, is_away = consumer_of(shop, str(number)), [True]

        @refunds.on(shop.Basket.ItemAdded)
        async def handle(event: Event, unit: Any, work: Any = work, is_away: list[bool] = is_away) -> None:
            if is_away:
                disconnect()
                await work(unit)

        message = added(shop)
        with pytest.raises(TryAgainError):
            await to_consumers(refunds)(message)
        is_away.clear()
        await to_consumers(refunds)(message)


@consuming("sqlite")
async def test_what_keeps_a_consumer_from_beginning_counts_no_attempt(shop: Shop) -> None:
    without_tables = embedded(":memory:", MetaData())
    away = create_async_engine("postgresql+asyncpg://127.0.0.1:1/shop")

    def no_unit() -> Any:
        raise LookupError("no such tenant")

    for make_unit, error in (
        (no_unit, r"could not begin: LookupError: no such tenant"),
        (lambda: shop.Unit(without_tables), r"could not begin: UnitError: .*no table dddkit_inbox; create it"),
        (lambda: shop.Unit(away), r"could not begin: .*127\.0\.0\.1"),
        (lambda: shop.declare(UnitOfWork)(shop.engine), r"could not begin: TypeError: refunds: .* has no inbox"),
    ):
        refunds: Consumer[Any] = Consumer("refunds", shop.catalog, make_unit)
        adding(shop, refunds)
        with pytest.raises(TryAgainError, match=error):
            await to_consumers(refunds)(added(shop))
    await without_tables.dispose()
    await away.dispose()


@consuming("sqlite")
async def test_a_relay_that_is_cancelled_cancels_the_consumer(shop: Shop) -> None:
    first, second, begun = consumer_of(shop, "first"), consumer_of(shop, "second"), asyncio.Event()
    adding(shop, second)

    @first.on(shop.Basket.ItemAdded)
    async def wait(event: Event, unit: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def publish() -> None:
        await to_consumers(first, second)(added(shop))

    task = asyncio.ensure_future(publish())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await items(shop) == []


@consuming("sqlite")
async def test_a_failure_is_no_reference_cycle(shop: Shop) -> None:
    refunds, mails, broker, errors = consumer_of(shop), consumer_of(shop, "mails"), EventBroker(), list[Any]()

    class OwnError(Exception):
        def __init__(self) -> None:
            errors.append(ref(self))

    async def fail(event: Event, unit: Any = None) -> None:
        raise OwnError

    for consumer in (refunds, mails):
        consumer.on(shop.Basket.ItemAdded)(fail)
    broker.subscribe(shop.Basket.ItemAdded, fail)
    publishers = (to_consumers(refunds), to_consumers(refunds, mails), to_broker(broker, shop.catalog))
    gc.disable()
    try:
        for publish in (refunds.receive, *publishers):
            with suppress(MessageRejectedError, OwnError):
                await publish(added(shop))
        assert [error() for error in errors] == [None] * 5
    finally:
        gc.enable()


def test_what_is_refused_as_a_consumer_or_a_broker() -> None:
    catalog = EventCatalog("/shop")

    def named(name: str) -> Consumer[UnitOfWork]:
        return Consumer(name, catalog, lambda: UnitOfWork.__new__(UnitOfWork))

    with pytest.raises(ValueError, match=r"two consumers are called refunds, and each would take the messages of the"):
        to_consumers(named("refunds"), named("mails"), named("refunds"))
    with pytest.raises(ValueError, match=r"to_consumers takes at least one consumer; without any, messages would be"):
        to_consumers()
    wrong: Any = [named("refunds")]
    with pytest.raises(TypeError, match=r"to_consumers takes consumers, one after the other, and got a list"):
        to_consumers(wrong)
    with pytest.raises(TypeError, match=r"to_broker takes an EventBroker, and got a list"):
        to_broker(wrong, catalog)
    with pytest.raises(TypeError, match=r"to_broker takes the EventCatalog that names the events, and got a list"):
        to_broker(EventBroker(), wrong)
