"""The whole way: a unit, its outbox, a relay, consumers in the same process. Each event has its effects once."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from dddkit.dataclasses import EventBroker
from dddkit.exceptions import ConcurrencyError
from dddkit.sqlalchemy import Consumer, Relay, to_broker, to_consumers
from tests.persistence.consuming import added, consumer_of, consuming
from tests.persistence.shops import Shop
from tests.servers.databases import SQLite

# Any: events are those of a flavour, looked up by name.
Event = Any

BASKETS = 5


async def put_into_baskets(shop: Shop, writers: int, each: int) -> None:
    """Let writers add items, of which the names say in which order, and who."""

    async def write(writer: int) -> None:
        for number in range(each):
            basket_id = (writer + number) % BASKETS
            while True:
                try:
                    async with shop.unit() as unit:
                        basket = await unit.baskets.get(basket_id)
                        basket.add(f"{basket_id}.{len(basket.items)}")
                        await unit.commit()
                    break
                except ConcurrencyError:
                    await asyncio.sleep(0.001)

    await shop.save(*(shop.Basket(basket_id=number) for number in range(BASKETS)))
    await asyncio.gather(*map(write, range(writers)))


def copying(shop: Shop, consumer: Consumer[Any], first_id: int, random: Random, failures: Counter[str]) -> None:
    """Let the consumer copy each item into a basket of its own; now and then it fails, after its effects."""

    @consumer.on(shop.Basket.ItemAdded)
    async def copy(event: Event, unit: Any) -> None:
        copy_id = first_id + int(event.item.partition(".")[0])
        basket = await unit.baskets.get(copy_id) or shop.Basket(basket_id=copy_id)
        basket.items.append(event.item)
        basket.add_event(shop.Basket.Created())  # an effect that is published too; nobody handles it
        await unit.baskets.save(basket)
        match random.randrange(8):
            case 0:
                failures["error"] += 1
                raise LookupError
            case 1:
                failures["conflict"] += 1
                raise ConcurrencyError(basket, 1, 2)
            case _:
                await asyncio.sleep(0)


async def publish_all(relay: Relay) -> None:
    """Publish until nothing waits, the effects of the handlers included."""
    for _ in range(1000):
        await relay.run_once()
        if not (await relay.backlog()).waiting:
            return
    raise AssertionError("it does not end")


async def check_effects(shop: Shop, writers: int, each: int, *, running: bool) -> None:
    await put_into_baskets(shop, writers, each)
    random, failures, consumers = Random(0), Counter[str](), list[Consumer[Any]]()
    for number, name in enumerate(("refunds", "mails")):
        consumers.append(consumer_of(shop, name))
        copying(shop, consumers[-1], 100 * (number + 1), random, failures)
    relay = Relay(shop.engine, shop.outbox, to_consumers(*consumers), attempts=1000, poll=0.01)
    if running:
        async with relay:
            while (await relay.backlog()).waiting:
                await asyncio.sleep(0.05)
    else:
        await publish_all(relay)

    assert set(failures) == {"error", "conflict"}
    for basket_id in range(BASKETS):
        expected = (await shop.stored(basket_id)).items
        assert expected == [f"{basket_id}.{place}" for place in range(len(expected))]
        for first_id in (100, 200):
            assert (await shop.stored(first_id + basket_id)).items == expected
    assert await shop.count(shop.inbox.table) == 2 * writers * each
    assert await relay.dead() == []


@consuming("sqlite")
async def test_each_event_has_its_effects_once_and_in_order_where_handlers_fail_now_and_then(shop: Shop) -> None:
    await check_effects(shop, 2, 8, running=False)


@pytest.mark.slow
@consuming("sqlite-file", "postgresql")
async def test_a_running_relay_gives_each_of_many_events_its_effects_once(shop: Shop) -> None:
    await check_effects(shop, 4, 30, running=True)


@consuming("sqlite")
async def test_an_event_is_stored_published_and_handled_and_so_are_its_effects(shop: Shop) -> None:
    """Basket 1 says that an item was added; a consumer puts it into basket 2, and a subscriber sees both."""
    broker, seen = EventBroker(), list[str]()
    refunds = consumer_of(shop)

    @refunds.on(shop.Basket.ItemAdded)
    async def copy_once(event: Event, unit: Any) -> None:
        if await unit.baskets.get(2) is None:
            (basket := shop.Basket(basket_id=2)).add(f"copied {event.item}")
            await unit.baskets.save(basket)

    @broker.handle(shop.Basket.ItemAdded)
    def see(event: Event) -> None:
        seen.append(event.item)

    async def publish(message: Any) -> None:
        await to_consumers(refunds)(message)
        await to_broker(broker, shop.catalog)(message)

    (basket := shop.Basket(basket_id=1)).add("tea")
    await shop.save(basket)
    await publish_all(Relay(shop.engine, shop.outbox, publish))
    assert seen == ["tea", "copied tea"]


@consuming("sqlite")
async def test_a_consumer_that_always_fails_makes_the_message_dead_and_the_error_says_which_one(shop: Shop) -> None:
    refunds, mails = consumer_of(shop), consumer_of(shop, "mails")
    calls = Counter[str]()

    @refunds.on(shop.Basket.ItemAdded)
    async def fail(event: Event, unit: Any) -> None:
        calls["refunds"] += 1
        if calls["refunds"] <= 3:
            raise LookupError("secret")

    @mails.on(shop.Basket.ItemAdded)
    async def note(event: Event, unit: Any) -> None:
        calls["mails"] += 1

    (basket := shop.Basket(basket_id=1)).add("tea")
    await shop.save(basket)
    relay = Relay(shop.engine, shop.outbox, to_consumers(refunds, mails), attempts=3)
    for _ in range(4):
        assert await relay.run_once() == 0
    (dead,) = await relay.dead()
    assert dead.error == "MessageRejectedError: basket.item-added.v1: the consumer refunds failed: LookupError"
    await relay.retry(dead.id)
    assert await relay.run_once() == 1
    assert calls == {"refunds": 4, "mails": 1}


@consuming("sqlite")
async def test_conflicts_make_no_message_dead_and_the_outbox_says_what_it_waits_for(shop: Shop) -> None:
    refunds, failures = consumer_of(shop), [ConcurrencyError(None, None, None)] * 5

    @refunds.on(shop.Basket.ItemAdded)
    async def fail_often(event: Event, unit: Any) -> None:
        if failures:
            raise failures.pop()

    (basket := shop.Basket(basket_id=1)).add("tea")
    await shop.save(basket)
    relay = Relay(shop.engine, shop.outbox, to_consumers(refunds), attempts=1)
    assert [await relay.run_once() for _ in range(5)] == [0] * 5
    ((error,),) = await shop.rows(select(shop.outbox.table.c.error))
    assert error.startswith("basket.item-added.v1: the consumer refunds failed: ConcurrencyError: the database could")
    assert await relay.run_once() == 1


@consuming("sqlite")
async def test_a_handler_that_takes_too_long_is_cancelled_and_nothing_of_it_is_stored(shop: Shop) -> None:
    refunds, waits = consumer_of(shop), [True]

    @refunds.on(shop.Basket.ItemAdded)
    async def wait(event: Event, unit: Any) -> None:
        await unit.baskets.save(shop.Basket(basket_id=7, items=[event.item]))
        if waits:
            await asyncio.Event().wait()

    async with shop.unit() as unit:
        unit.publish(shop.catalog.decode(added(shop)))
        await unit.commit()
    relay = Relay(shop.engine, shop.outbox, to_consumers(refunds), timeout=0.01)
    assert (await relay.run_once(), await shop.stored(7), await shop.count(shop.inbox.table)) == (0, None, 0)
    waits.clear()
    relay = Relay(shop.engine, shop.outbox, to_consumers(refunds))
    assert (await relay.run_once(), (await shop.stored(7)).items) == (1, ["tea"])


@consuming()
async def test_fu6_messages_are_handled_at_once_but_on_sqlite_where_each_would_wait_for_the_lock_of_the_others(
    shop: Shop,
) -> None:
    under_way, most = 0, 0

    def make_unit() -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        return shop.unit()

    consumer = Consumer("refunds", shop.catalog, make_unit)

    @consumer.on(shop.Basket.ItemAdded)
    async def handle(event: Event, unit: Any) -> None:
        nonlocal under_way
        under_way -= 1

    for number in range(BASKETS):
        (basket := shop.Basket(basket_id=number)).add("tea")
        await shop.save(basket)
    await publish_all(Relay(shop.engine, shop.outbox, to_consumers(consumer)))
    assert most == (1 if isinstance(shop.database, SQLite) else BASKETS)
