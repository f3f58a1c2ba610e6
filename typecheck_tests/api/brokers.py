"""What checkers say about messages over NATS and RabbitMQ. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsRouter, PullSub
from faststream.rabbit import Channel, RabbitBroker, RabbitExchange, RabbitQueue, RabbitRouter
from faststream.redis import RedisBroker
from nats.js.api import ConsumerConfig
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import assert_type

from dddkit.faststream import MessageConsumer, deliver, to_nats, to_rabbit
from dddkit.messages import EventCatalog, Message
from dddkit.sqlalchemy import Consumer, Outbox, Relay, UnitOfWork

NACK = AckPolicy.NACK_ON_ERROR


def subject_of(message: Message) -> str:
    return f"shop.{message.subject}"


def publishers(nats: NatsBroker, rabbit: RabbitBroker, engine: AsyncEngine, outbox: Outbox) -> None:
    assert_type(to_nats(nats, "shop"), Callable[[Message], Awaitable[None]])
    assert_type(to_rabbit(rabbit, "shop"), Callable[[Message], Awaitable[None]])
    to_nats(nats, "shop", "shop.all")
    to_nats(nats, "shop", subject=subject_of)
    to_rabbit(rabbit, RabbitExchange("shop", durable=True))
    Relay(engine, outbox, to_nats(nats, "shop"))
    Relay(engine, outbox, to_rabbit(rabbit, "shop"))

    to_nats(rabbit, "shop")  # type: ignore[arg-type]  # the other broker  # pyright: ignore[reportArgumentType]
    to_rabbit(nats, "shop")  # type: ignore[arg-type]  # the other broker  # pyright: ignore[reportArgumentType]
    to_nats(nats)  # type: ignore[call-arg]  # no stream  # pyright: ignore[reportCallIssue]


class Mine:
    name = "mine"

    async def receive(self, message: Message) -> None: ...


class Sync:
    name = "sync"

    def receive(self, message: Message) -> None: ...


def subscribers(nats: NatsBroker, rabbit: RabbitBroker, redis: RedisBroker, unit: Callable[[], UnitOfWork]) -> None:
    refunds = Consumer("refunds", EventCatalog("/shop"), unit)
    consumer: MessageConsumer = refunds
    deliver(nats.subscriber("shop.>", stream="shop", durable="refunds", pull_sub=PullSub(), ack_policy=NACK), consumer)
    in_order = ConsumerConfig(max_ack_pending=1)
    deliver(nats.subscriber("shop.>", stream=JStream("shop"), config=in_order, ack_policy=NACK), refunds)
    deliver(NatsRouter().subscriber("shop.>", stream="shop", pull_sub=PullSub(), ack_policy=NACK), Mine())
    one_by_one = Channel(prefetch_count=1)
    deliver(rabbit.subscriber(RabbitQueue("refunds"), "shop", channel=one_by_one, ack_policy=NACK), refunds)
    deliver(RabbitRouter().subscriber("refunds", ack_policy=NACK), Mine())

    deliver(redis.subscriber("shop"), refunds)  # type: ignore[arg-type]  # not Redis  # pyright: ignore[reportArgumentType]
    deliver(nats, refunds)  # type: ignore[arg-type]  # no subscriber  # pyright: ignore[reportArgumentType]
    deliver(rabbit.subscriber("q"), Sync())  # type: ignore[arg-type]  # not async  # pyright: ignore[reportArgumentType]
