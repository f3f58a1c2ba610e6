"""What becomes of a message that is never handled: what was set up at the broker puts it aside, and others go on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aio_pika
import pytest
from nats.js import JetStreamContext

from tests.brokers.sites import NatsSite, RabbitSite, Received, message


async def subscribe(client: Any, subject: str) -> Any:  # Any: it is partially typed
    return await client.subscribe(subject)


def test_jetstream_goes_on_after_max_deliver_keeps_the_message_and_says_which_one(nats_site: NatsSite) -> None:
    nats_site.max_deliver = 2

    async def run() -> tuple[Received, Any, Any]:
        await nats_site.prepare()
        consumer, broker = Received(failures={"1": 99}), nats_site.broker()
        nats_site.subscribe(broker, consumer)
        async with broker:
            told = await subscribe(
                broker.connection, f"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{nats_site.stream}.refunds"
            )
            await broker.start()
            publish = nats_site.publish(broker)
            await publish(message(1))
            await publish(message(2))
            await consumer.until(1)
            advisory = json.loads((await told.next_msg(10)).data)
            kept = await JetStreamContext(broker.connection).get_msg(nats_site.stream, advisory["stream_seq"])
        return consumer, advisory, kept

    consumer, advisory, kept = asyncio.run(run())
    assert consumer.attempts == ["1", "1", "2"]
    assert advisory["deliveries"] == 2
    assert kept.headers["ce-id"] == "1"


@pytest.mark.slow
def test_a_quorum_queue_puts_a_message_aside_after_its_delivery_limit(rabbit_site: RabbitSite) -> None:
    rabbit_site.delivery_limit = 2

    async def run() -> tuple[Received, Any]:
        connection: Any = await aio_pika.connect(rabbit_site.url)
        async with connection:
            channel = await connection.channel()
            dead = await channel.declare_queue(f"{rabbit_site.exchange}.dead", durable=True)
            await dead.bind(await channel.declare_exchange(f"{rabbit_site.exchange}.dead", "fanout", durable=True))
            await rabbit_site.prepare()
            consumer, broker = Received(failures={"1": 99}), rabbit_site.broker()
            rabbit_site.subscribe(broker, consumer)
            async with broker:
                await broker.start()
                publish = rabbit_site.publish(broker)
                await publish(message(1))
                await publish(message(2))
                await consumer.until(1)
                letter = None
                while letter is None:
                    letter = await dead.get(no_ack=True, fail=False)
            return consumer, letter

    consumer, letter = asyncio.run(asyncio.wait_for(run(), 60))
    assert consumer.attempts == ["1", "1", "1", "2"]
    assert letter.headers["cloudEvents:id"] == "1"
    assert letter.headers["x-first-death-reason"] == "delivery_limit"
