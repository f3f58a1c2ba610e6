"""One test's place at a broker: a stream or an exchange of its own, and who publishes and subscribes there."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import aio_pika
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitQueue
from nats.js.api import ConsumerConfig

from dddkit.faststream import MessageConsumer, deliver, to_nats, to_rabbit
from dddkit.messages import Message

__all__ = ["NatsSite", "RabbitSite", "Received", "Site", "message"]

_NUMBERS: Final = itertools.count()


def unique(name: str) -> str:
    """Return a name that no other test of this run uses at the broker."""
    return f"{name}-{os.getpid()}-{next(_NUMBERS)}"


def message(number: int = 1, **attributes: Any) -> Message:
    """Return a message about order 17."""
    known = {"type": "order.cancelled.v1", "source": "/shop", "subject": "orders/17", "data": {"number": number}}
    return Message(**{"id": str(number), **known, **attributes})


@dataclass
class Received:
    """A consumer that keeps what it receives, and fails as often as it is told, by message."""

    name: str = "refunds"
    failures: dict[str, int] = field(default_factory=dict[str, int])
    messages: list[Message] = field(default_factory=list[Message])
    attempts: list[str] = field(default_factory=list[str])

    async def receive(self, message: Message) -> None:
        self.attempts.append(message.id)
        if self.failures.get(message.id, 0) > 0:
            self.failures[message.id] -= 1
            raise RuntimeError("the handler failed")
        await asyncio.sleep(0)
        self.messages.append(message)

    @property
    def ids(self) -> list[str]:
        return [found.id for found in self.messages]

    async def until(self, count: int, seconds: float = 30) -> None:
        """Return when there are so many messages."""

        async def waited() -> None:
            while len(self.messages) < count:
                await asyncio.sleep(0.005)

        await asyncio.wait_for(waited(), seconds)


class Site(Protocol):
    """What is the same for both brokers."""

    def broker(self) -> Any:
        """Return a new client."""
        ...

    def publish(self, broker: Any) -> Callable[[Message], Awaitable[None]]: ...

    def subscribe(self, broker: Any, consumer: MessageConsumer) -> None:
        """Deliver to a consumer, in order."""
        ...

    async def prepare(self) -> None:
        """Make what is there before clients come."""
        ...

    async def send(self, headers: Mapping[str, str], body: bytes) -> None:
        """Send what another service sends."""
        ...


@dataclass
class NatsSite:
    url: str
    stream: str = field(default_factory=lambda: unique("shop"))

    def broker(self) -> NatsBroker:
        return NatsBroker(self.url, logger=None, max_reconnect_attempts=-1, reconnect_time_wait=0, graceful_timeout=5)

    def publish(self, broker: Any) -> Callable[[Message], Awaitable[None]]:
        return to_nats(broker, self.stream)

    def subscribe(self, broker: Any, consumer: MessageConsumer) -> None:
        subscriber = broker.subscriber(
            f"{self.stream}.>",
            stream=JStream(self.stream, declare=False),
            durable=consumer.name,
            pull_sub=PullSub(timeout=0.5),
            config=ConsumerConfig(max_ack_pending=1, ack_wait=2),
            ack_policy=AckPolicy.NACK_ON_ERROR,
        )
        deliver(subscriber, consumer)

    async def prepare(self, **config: Any) -> None:
        async with NatsBroker(self.url, logger=None) as broker:
            await broker.connection.jetstream().add_stream(name=self.stream, subjects=[f"{self.stream}.>"], **config)

    async def send(self, headers: Mapping[str, str], body: bytes) -> None:
        async with NatsBroker(self.url, logger=None) as broker:
            stream = broker.connection.jetstream()
            await stream.publish(f"{self.stream}.order.cancelled", body, headers=dict(headers))


@dataclass
class RabbitSite:
    url: str
    exchange: str = field(default_factory=lambda: unique("shop"))
    queue_type: Any = QueueType.QUORUM
    delivery_limit: int = 1000
    binding: str = "order.#"

    def broker(self) -> RabbitBroker:
        return RabbitBroker(self.url, logger=None, reconnect_interval=0.2, graceful_timeout=5)

    def publish(self, broker: Any) -> Callable[[Message], Awaitable[None]]:
        return to_rabbit(broker, self.exchange)

    def queue(self, name: str) -> RabbitQueue:
        return RabbitQueue(
            f"{self.exchange}.{name}",
            queue_type=self.queue_type,
            durable=True,
            routing_key=self.binding,
            arguments={
                "x-single-active-consumer": True,
                **(self.limited if self.queue_type is QueueType.QUORUM else {}),
            },
        )

    @property
    def limited(self) -> dict[str, Any]:
        return {"x-delivery-limit": self.delivery_limit, "x-dead-letter-exchange": f"{self.exchange}.dead"}

    def subscribe(self, broker: Any, consumer: MessageConsumer) -> None:
        subscriber = broker.subscriber(
            self.queue(consumer.name),
            RabbitExchange(self.exchange, type=ExchangeType.TOPIC, durable=True),
            channel=Channel(prefetch_count=1),
            ack_policy=AckPolicy.NACK_ON_ERROR,
        )
        deliver(subscriber, consumer)

    async def prepare(self) -> None:
        async with RabbitBroker(self.url, logger=None) as broker:
            exchange = await broker.declare_exchange(
                RabbitExchange(self.exchange, type=ExchangeType.TOPIC, durable=True)
            )
            for name in ("refunds", "mails"):
                queue = await broker.declare_queue(self.queue(name))
                await queue.bind(exchange, self.binding)

    async def send(self, headers: Mapping[str, str], body: bytes) -> None:
        properties = dict(headers)
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange(self.exchange, ensure=False)
            sent = aio_pika.Message(body, content_type=properties.pop("content-type", None), headers=dict(properties))
            await exchange.publish(sent, "order.cancelled")
