"""The brokers: what a run declares there, how it publishes and consumes, and what it finds there in the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from logging import DEBUG
from typing import TYPE_CHECKING, Any, Final

import aio_pika
import nats.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.rabbit import Channel, RabbitBroker, RabbitExchange, RabbitQueue
from nats.js.api import ConsumerConfig

from dddkit.faststream import MessageConsumer, deliver, to_nats, to_rabbit
from tests.kill.bank import Change
from tests.kill.setups import Setup

if TYPE_CHECKING:
    from dddkit.sqlalchemy._publishing import Publish

__all__ = ["consuming", "content", "declare", "publisher"]

STREAM: Final = "bank"
"""The stream of NATS, or the exchange of RabbitMQ."""

QUEUE: Final = RabbitQueue("ledgers", durable=True, routing_key="#", arguments={"x-single-active-consumer": True})
AUDIT: Final = "audit"
"""A queue that nobody consumes from: what has ever been published, in order."""

AWAY: Final = 0.2
"""How many seconds to wait for a server that is away, before the next attempt."""


async def declare(setup: Setup) -> None:
    """Make the stream, or the exchange with its queues."""
    if setup.broker == "nats":
        client = await _nats(setup.broker_url)
        # A short memory for what was published twice, so that the consumer gets it twice too.
        await client.jetstream().add_stream(name=STREAM, subjects=[f"{STREAM}.>"], duplicate_window=0.1)
        await client.close()
    else:
        async with await _rabbitmq(setup.broker_url) as connection:
            channel = await connection.channel()
            exchange = await channel.declare_exchange(STREAM, "topic", durable=True)
            for name, arguments in ((QUEUE.name, QUEUE.arguments), (AUDIT, None)):
                queue = await channel.declare_queue(name, durable=True, arguments=arguments)
                await queue.bind(exchange, "#")


@asynccontextmanager
async def publisher(setup: Setup) -> AsyncGenerator[Publish]:
    """Yield what a relay publishes with."""
    broker = _broker(setup)
    await _start(broker)
    try:
        yield to_nats(broker, STREAM) if isinstance(broker, NatsBroker) else to_rabbit(broker, STREAM)
    finally:
        await broker.stop()


@asynccontextmanager
async def consuming(setup: Setup, consumer: MessageConsumer) -> AsyncGenerator[None]:
    """Give the consumer what comes from the broker, with the settings that keep the order."""
    broker = _broker(setup)
    if isinstance(broker, NatsBroker):
        deliver(
            broker.subscriber(
                f"{STREAM}.>",
                stream=JStream(STREAM, declare=False),  # FastStream would replace its settings by those that it knows
                durable=consumer.name,
                pull_sub=PullSub(),
                config=ConsumerConfig(max_ack_pending=1, ack_wait=3),
                ack_policy=AckPolicy.NACK_ON_ERROR,
            ),
            consumer,
        )
    else:
        exchange = RabbitExchange(STREAM, declare=False)
        deliver(
            broker.subscriber(QUEUE, exchange, channel=Channel(prefetch_count=1), ack_policy=AckPolicy.NACK_ON_ERROR),
            consumer,
        )
    await _start(broker)
    try:
        yield
    finally:
        await broker.stop()


def _broker(setup: Setup) -> NatsBroker | RabbitBroker:
    if setup.broker == "nats":
        return NatsBroker(setup.broker_url, max_reconnect_attempts=-1, reconnect_time_wait=1, log_level=DEBUG)
    return RabbitBroker(setup.broker_url, reconnect_interval=AWAY, log_level=DEBUG)


async def _start(broker: NatsBroker | RabbitBroker) -> None:
    """Connect, as soon as the server is there."""
    while True:
        try:
            await broker.start()
        except (OSError, asyncio.TimeoutError, nats.errors.Error, aio_pika.exceptions.AMQPError):
            await asyncio.sleep(AWAY)
        else:
            return


# Any: both clients are typed in part only.


async def _nats(url: str) -> Any:
    return await nats.connect(url)  # pyright: ignore[reportUnknownMemberType]  # as above


async def _rabbitmq(url: str) -> Any:
    return await aio_pika.connect(url)


async def content(setup: Setup) -> list[Change]:
    """Return all that was ever published, in the order of the broker."""
    bodies = await (_of_stream(setup.broker_url) if setup.broker == "nats" else _of_queue(setup.broker_url))
    return [Change.read(json.loads(body)) for body in bodies]


async def _of_stream(url: str) -> list[bytes]:
    client = await _nats(url)
    try:
        context = client.jetstream()
        number = (await context.stream_info(STREAM)).state.messages
        messages = await context.subscribe(f"{STREAM}.>", stream=STREAM, ordered_consumer=True)
        return [(await messages.next_msg(10)).data for _ in range(number)]
    finally:
        await client.close()


async def _of_queue(url: str) -> list[bytes]:
    """Return what is in the queue, where it stays: nothing is acknowledged."""
    async with await _rabbitmq(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(AUDIT, passive=True)
        number = queue.declaration_result.message_count or 0
        async with queue.iterator(no_ack=False) as messages:
            return [(await asyncio.wait_for(messages.__anext__(), 10)).body for _ in range(number)]
