"""What to_rabbit publishes, and which failures concern the message and which the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from faststream import AckPolicy
from faststream.nats import NatsBroker
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue

from dddkit.exceptions import MessageRejectedError, NotPublishedError
from dddkit.faststream import to_rabbit
from tests.brokers.sites import RabbitSite, message
from tests.servers.running import own_server


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


async def said(attempt: Any) -> str:
    with pytest.raises(NotPublishedError) as error:
        await attempt
    assert (error.value.message_type, error.value.message_id) == ("order.cancelled.v1", "1")
    return str(error.value)


@pytest.mark.slow
def test_a_message_is_persistent_with_its_name_as_the_routing_key(rabbit_site: RabbitSite) -> None:
    rabbit_site.queue_type = QueueType.CLASSIC  # messages can be got from it one by one

    async def test() -> None:
        await rabbit_site.prepare()
        connection: Any = await aio_pika.connect(rabbit_site.url)
        async with rabbit_site.broker() as broker, connection:
            await rabbit_site.publish(broker)(message(1, correlation_id="c"))
            await rabbit_site.publish(broker)(message(2, id="x" * 300, type="order.paid"))
            queue = await (await connection.channel()).get_queue(f"{rabbit_site.exchange}.refunds", ensure=False)
            first, second = await queue.get(no_ack=True), await queue.get(no_ack=True)
            assert first is not None
            assert second is not None
        assert (first.routing_key, second.routing_key) == ("order.cancelled", "order.paid")
        assert first.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
        assert (first.message_id, first.correlation_id, first.content_type) == ("1", "c", "application/json")
        assert first.headers["cloudEvents:subject"] == "orders/17"
        assert second.headers["cloudEvents:id"] == "x" * 300  # AMQP has no room for it elsewhere

    run(test())


@pytest.mark.slow
def test_a_missing_exchange_is_an_outage_and_over_when_it_is_there(rabbit_site: RabbitSite) -> None:
    async def test() -> None:
        async with rabbit_site.broker() as broker:
            publish = rabbit_site.publish(broker)
            for _ in range(3):
                assert f"there is no exchange '{rabbit_site.exchange}'" in await said(publish(message(1)))
            await rabbit_site.prepare()
            await publish(message(1))

    run(test())


@pytest.mark.slow
def test_an_unroutable_message_is_rejected(rabbit_site: RabbitSite) -> None:
    async def test() -> None:
        await rabbit_site.prepare()
        async with rabbit_site.broker() as broker:
            publish = rabbit_site.publish(broker)
            with pytest.raises(MessageRejectedError, match=r"^user.added.v1: no queue is bound .* for 'user.added'$"):
                await publish(message(1, type="user.added.v1"))
            await publish(message(2))

    run(test())


@pytest.mark.slow
@pytest.mark.parametrize(
    "channel", [Channel(on_return_raises=True), Channel(publisher_confirms=False)], ids=["raises", "no-confirms"]
)
def test_the_users_settings_of_channels_change_nothing(rabbit_site: RabbitSite, channel: Channel) -> None:
    async def test() -> None:
        await rabbit_site.prepare()
        async with RabbitBroker(rabbit_site.url, logger=None, default_channel=channel) as broker:
            publish = rabbit_site.publish(broker)
            with pytest.raises(MessageRejectedError, match="no queue is bound"):
                await publish(message(1, type="user.added.v1"))
            await publish(message(2))

    run(test())


@pytest.mark.slow
def test_a_too_large_message_is_rejected_and_disturbs_nobody(rabbit_site: RabbitSite) -> None:
    async def test() -> None:
        await rabbit_site.prepare()
        broker, got = rabbit_site.broker(), list[bytes]()

        @broker.subscriber(RabbitQueue(f"{rabbit_site.exchange}.own", durable=True), ack_policy=AckPolicy.NACK_ON_ERROR)
        async def handle(received: RabbitMessage) -> None:
            got.append(received.body)

        async with broker:
            await broker.start()
            publish = rabbit_site.publish(broker)
            for _ in range(3):
                large = [publish(message(number, data="x" * 2_000_000)) for number in range(2)]
                small = [publish(message(number)) for number in range(50)]
                errors = await asyncio.gather(*large, *small, return_exceptions=True)
                assert [type(error) for error in errors[:2]] == [MessageRejectedError] * 2
                assert errors[2:] == [None] * 50
                assert "xxxx" not in str(errors[0])
            await broker.publish(b"lives", f"{rabbit_site.exchange}.own")
            while not got:
                await asyncio.sleep(0.005)

    run(test())


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [message(1, type="x" * 300), message(1, content_type="a/" + "x" * 300), message(1, subject="ä" * 60_000)],
    ids=["key", "content-type", "attributes"],
)
def test_what_has_no_place_in_amqp_is_rejected(rabbit_site: RabbitSite, wrong: Any) -> None:
    async def test() -> None:
        await rabbit_site.prepare()
        async with rabbit_site.broker() as broker:
            publish = rabbit_site.publish(broker)
            with pytest.raises(MessageRejectedError, match="longer than"):
                await publish(wrong)
            await publish(message(2, subject="ä" * 40_000))

    run(test())


@pytest.mark.slow
def test_a_full_queue_is_an_outage(rabbit_site: RabbitSite) -> None:
    async def test() -> None:
        async with rabbit_site.broker() as broker:
            exchange = await broker.declare_exchange(
                RabbitExchange(rabbit_site.exchange, type=ExchangeType.FANOUT, durable=True)
            )
            full: Any = {"x-max-length": 1, "x-overflow": "reject-publish"}
            queue = await broker.declare_queue(
                RabbitQueue(f"{rabbit_site.exchange}.full", durable=True, arguments=full)
            )
            await queue.bind(exchange)
            publish = rabbit_site.publish(broker)
            await publish(message(2))
            assert "is a queue full?" in await said(publish(message(1)))
            await queue.purge()
            await publish(message(1))

    run(test())


@pytest.mark.slow
def test_a_broker_that_was_never_connected_says_so(rabbit_site: RabbitSite) -> None:
    async def test() -> None:
        told = await said(rabbit_site.publish(rabbit_site.broker())(message(1)))
        assert "write `async with broker:` around the relay" in told

    run(test())


@pytest.mark.slow
def test_publishing_and_consuming_go_on_after_the_server_was_killed() -> None:
    with own_server("rabbitmq") as server:
        # RabbitMQ 3.10 alone: a quorum queue that is killed while it is young finds no leader any more.
        url = f"amqp://guest:guest@127.0.0.1:{server.port('rabbitmq')}/"
        site = RabbitSite(url, queue_type=QueueType.CLASSIC)

        async def test() -> None:
            await site.prepare()
            async with site.broker() as broker:
                publish = site.publish(broker)
                await publish(message(1))
                await asyncio.to_thread(server.kill)
                while await broker.ping(0.01):
                    await asyncio.sleep(0.005)
                assert "the broker is away" in await said(publish(message(1)))
                await asyncio.to_thread(server.start)
                while not await broker.ping(0.01):
                    await asyncio.sleep(0.05)
                await publish(message(2))
                await publish(message(3))
            connection: Any = await aio_pika.connect(site.url)
            async with connection:
                queue = await (await connection.channel()).get_queue(f"{site.exchange}.refunds", ensure=False)
                bodies = [got.headers["cloudEvents:id"] async for got in _all(queue)]
            assert bodies == ["1", "2", "3"]

        run(test())


async def _all(queue: AbstractQueue) -> AsyncIterator[AbstractIncomingMessage]:
    while (got := await queue.get(no_ack=True, fail=False)) is not None:
        yield got


def test_an_exchange_without_name_is_refused() -> None:
    for wrong in ("", RabbitExchange()):
        with pytest.raises(ValueError, match="an exchange of yours"):
            to_rabbit(RabbitBroker(), wrong)


@pytest.mark.parametrize("wrong", [None, RabbitQueue("shop")], ids=["none", "queue"])
def test_what_is_no_exchange_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"to_rabbit takes a RabbitExchange, or its name, not (None|a RabbitQueue)"):
        to_rabbit(RabbitBroker(), wrong)


@pytest.mark.parametrize("wrong", [None, "amqp://localhost", NatsBroker()], ids=["none", "url", "nats"])
def test_what_is_no_rabbit_broker_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="to_rabbit takes a RabbitBroker, not"):
        to_rabbit(wrong, "shop")
