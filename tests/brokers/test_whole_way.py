"""The whole way: a unit, its outbox, a relay, a broker, a consumer in its unit. Each event has its effects once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from faststream.rabbit import QueueType

from dddkit.messages import Message
from dddkit.sqlalchemy import Consumer, Relay
from tests.blocks.flavours import Dataclasses
from tests.brokers.sites import NatsSite, RabbitSite, Site
from tests.persistence.consuming import consumer_of
from tests.persistence.shops import Shop
from tests.servers.databases import Database, PostgreSQL, SQLite
from tests.servers.running import own_server

BASKETS = 3


@dataclass
class Twice:
    """A consumer that gets each message twice, one after the other."""

    consumer: Consumer[Any]
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.consumer.name

    async def receive(self, message: Message) -> None:
        await self.consumer.receive(message)
        await self.consumer.receive(message)


def copying(shop: Shop) -> Consumer[Any]:
    """Return a consumer that copies each item into a basket of its own; now and then it fails, after its effects."""
    consumer, random = consumer_of(shop), Random(0)

    @consumer.on(shop.Basket.ItemAdded)
    async def copy(event: Any, unit: Any) -> None:
        copy_id = 100 + int(event.item.partition(".")[0])
        basket = await unit.baskets.get(copy_id) or shop.Basket(basket_id=copy_id)
        basket.items.append(event.item)
        await unit.baskets.save(basket)
        if random.random() < 0.1:
            raise LookupError

    return consumer


async def add(shop: Shop, each: int) -> None:
    for number in range(each):
        async with shop.unit() as unit:
            for basket_id in range(BASKETS):
                basket = await unit.baskets.get(basket_id) or shop.Basket(basket_id=basket_id)
                basket.add(f"{basket_id}.{number}")
                await unit.baskets.save(basket)
            await unit.commit()


def check_the_whole_way(
    site: Site, database: Database, each: int, meanwhile: Callable[[], Awaitable[object]] | None = None
) -> None:
    shop = Shop(Dataclasses, database, is_async=True)

    async def run() -> None:
        await site.prepare()
        publishing, consuming = site.broker(), site.broker()
        site.subscribe(consuming, Twice(copying(shop)))
        relay = Relay(shop.engine, shop.outbox, site.publish(publishing), poll=0.05, timeout=2)
        async with publishing, consuming, relay:
            await consuming.start()
            await add(shop, each)
            if meanwhile is not None:
                await meanwhile()
                await add(shop, 1)
            total = BASKETS * (each + (meanwhile is not None))
            while await shop.count(shop.inbox.table) < total:
                await asyncio.sleep(0.01)
            assert await relay.dead() == []
        for basket_id in range(BASKETS):
            expected = (await shop.stored(basket_id)).items
            assert (await shop.stored(100 + basket_id)).items == expected
            assert len(expected) == total / BASKETS

    async def run_and_dispose() -> None:
        try:
            await asyncio.wait_for(run(), 90)
        finally:
            await shop.dispose()

    asyncio.run(run_and_dispose())


def test_each_event_has_its_effects_once_and_in_order(site: Site, tmp_path: Path) -> None:
    if isinstance(site, RabbitSite):
        site.binding = "#"
    check_the_whole_way(site, SQLite(str(tmp_path / "shop.sqlite")), 6)


@pytest.mark.slow
def test_each_event_has_its_effects_once_and_in_order_on_postgresql(
    nats_site: NatsSite, postgresql: PostgreSQL
) -> None:
    check_the_whole_way(nats_site, postgresql, 50)


@pytest.mark.slow
@pytest.mark.parametrize("program", ["nats", "rabbitmq"])
def test_nothing_is_lost_while_the_broker_is_killed(program: Any, tmp_path: Path) -> None:
    with own_server(program) as server:
        site: Site
        if program == "nats":
            site = NatsSite(f"nats://127.0.0.1:{server.port('nats')}")
        else:
            url = f"amqp://guest:guest@127.0.0.1:{server.port('rabbitmq')}/"
            site = RabbitSite(url, queue_type=QueueType.CLASSIC, binding="#")

        async def kill() -> None:
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

        check_the_whole_way(site, SQLite(str(tmp_path / "shop.sqlite")), 20, kill)
