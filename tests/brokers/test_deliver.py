"""What deliver refuses, before anything is lost. No server is needed."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest
from faststream import AckPolicy
from faststream.nats import NatsBroker, PullSub, TestNatsBroker
from faststream.rabbit import QueueType, RabbitBroker, RabbitQueue, TestRabbitBroker
from faststream.redis import RedisBroker, StreamSub
from nats.js.api import AckPolicy as Acknowledgement
from nats.js.api import ConsumerConfig

from dddkit.faststream import deliver
from tests.brokers.sites import Received, message

NACK = AckPolicy.NACK_ON_ERROR


def nats(**options: Any) -> Any:
    known = {"stream": "shop", "durable": "refunds", "pull_sub": PullSub(), "ack_policy": NACK}
    given = {name: value for name, value in {**known, **options}.items() if value is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # FastStream's own advice
        broker: Any = NatsBroker()
        return broker.subscriber("shop.>", **given)


def rabbit(queue: str | RabbitQueue = "refunds", **options: Any) -> Any:
    broker: Any = RabbitBroker()
    return broker.subscriber(queue, "shop", **{"ack_policy": NACK, **options})


@pytest.mark.parametrize(
    "subscriber",
    [
        nats(),
        nats(max_workers=5),
        nats(pull_sub=None, durable=None, queue="refunds"),
        nats(durable=None, config=ConsumerConfig(durable_name="refunds", max_ack_pending=1)),
        rabbit(),
        rabbit(RabbitQueue("refunds", queue_type=QueueType.QUORUM, arguments={"x-dead-letter-exchange": "dead"})),
        rabbit(RabbitQueue("refunds", queue_type=QueueType.QUORUM, declare=False)),
        NatsBroker(ack_policy=NACK).subscriber("shop.>", stream="shop", durable="refunds", pull_sub=PullSub()),
        RabbitBroker(ack_policy=NACK).subscriber("refunds"),
    ],
    ids=lambda found: type(found).__name__,
)
def test_subscribers_that_lose_nothing_are_taken(subscriber: Any) -> None:
    deliver(subscriber, Received())


POLICIES = [policy for policy in AckPolicy if policy is not NACK]


@pytest.mark.parametrize("policy", [*POLICIES, None], ids=lambda policy: policy.name if policy else "default")
@pytest.mark.parametrize("make", [nats, rabbit])
def test_a_policy_that_loses_a_message_is_refused_with_the_line_to_write(make: Any, policy: AckPolicy | None) -> None:
    subscriber = make(**{"ack_policy": policy} if policy else {"ack_policy": AckPolicy.REJECT_ON_ERROR})
    with pytest.raises(ValueError, match=r"refunds fails at it; write .*ack_policy=AckPolicy.NACK_ON_ERROR"):
        deliver(subscriber, Received())


def test_fast_streams_default_loses_and_is_refused() -> None:
    subscribers: list[Any] = [
        NatsBroker().subscriber("shop.>", stream="shop", durable="refunds", pull_sub=PullSub()),
        RabbitBroker().subscriber("refunds"),
    ]
    for subscriber in subscribers:
        with pytest.raises(ValueError, match="REJECT_ON_ERROR"):
            deliver(subscriber, Received())


@pytest.mark.parametrize(
    ("subscriber", "said"),
    [
        (nats(stream=None, durable=None, pull_sub=None), "NATS without JetStream loses .*; write .*stream="),
        (nats(durable=None), "forgets where refunds was .*; write .*durable="),
        (nats(durable=None, pull_sub=None), "forgets where refunds was .*; write .*durable="),
        (nats(pull_sub=None), "a second process of refunds cannot start.*; write .*pull_sub="),
        (nats(pull_sub=None, max_workers=5), "a second process of refunds cannot start.*; write .*pull_sub="),
        (nats(pull_sub=None, ordered_consumer=True), "forgets where refunds was"),
        (nats(pull_sub=PullSub(batch=True)), "one message at a time; leave out batch=True"),
        (nats(headers_only=True), "leave out headers_only"),
        (nats(config=ConsumerConfig(ack_policy=Acknowledgement.NONE)), r"leave out ConsumerConfig\(ack_policy"),
        (nats(config=ConsumerConfig(ack_policy=Acknowledgement.ALL)), r"leave out ConsumerConfig\(ack_policy"),
        (rabbit(RabbitQueue("q", durable=False)), "'q' loses its messages .*durable=True"),
        (rabbit(RabbitQueue("q", exclusive=True)), "'q' loses its messages"),
        (rabbit(RabbitQueue("q", auto_delete=True)), "'q' loses its messages"),
        (rabbit(RabbitQueue("q", queue_type=QueueType.STREAM)), "take a quorum queue"),
        (rabbit(RabbitQueue("q", queue_type=QueueType.QUORUM)), "deletes what .*x-dead-letter-exchange"),
    ],
)
def test_a_subscriber_that_loses_messages_is_refused_with_what_to_write(subscriber: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        deliver(subscriber, Received())


def test_other_brokers_are_refused_by_name() -> None:
    subscriber: Any = RedisBroker().subscriber(stream=StreamSub("shop", group="refunds", consumer="1"), ack_policy=NACK)
    with pytest.raises(TypeError, match=r"NATS and RabbitMQ; for Redis see https"):
        deliver(subscriber, Received())


@pytest.mark.parametrize(
    "wrong", [None, "refunds", NatsBroker(), RabbitBroker(), Received()], ids=lambda w: type(w).__name__
)
def test_what_is_no_subscriber_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"takes what broker.subscriber\(\.\.\.\) returns"):
        deliver(wrong, Received())


@pytest.mark.parametrize("wrong", [None, "refunds", Received, print], ids=["none", "text", "class", "function"])
def test_what_is_no_consumer_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="takes a Consumer"):
        deliver(rabbit(), wrong)


def test_a_subscriber_serves_one_consumer() -> None:
    subscriber = rabbit()
    deliver(subscriber, Received())
    with pytest.raises(ValueError, match="has the handler refunds already; make one for mails"):
        deliver(subscriber, Received("mails"))


def test_fast_streams_own_test_brokers_deliver() -> None:
    sent = message(17)

    async def run() -> list[Received]:
        consumers = [Received(), Received()]
        nats_broker, rabbit_broker = NatsBroker(), RabbitBroker()
        subscriber = nats_broker.subscriber(
            "shop.>", stream="shop", durable="refunds", pull_sub=PullSub(), ack_policy=NACK
        )
        deliver(subscriber, consumers[0])
        deliver(rabbit_broker.subscriber("refunds", ack_policy=NACK), consumers[1])
        async with TestNatsBroker(nats_broker), TestRabbitBroker(rabbit_broker):
            await nats_broker.publish(sent.body(), "shop.order.cancelled", headers=sent.headers("ce-"), stream="shop")
            headers = sent.headers("cloudEvents:")
            content_type = headers.pop("content-type")
            await rabbit_broker.publish(sent.body(), "refunds", headers=dict(headers), content_type=content_type)
        return consumers

    for consumer in asyncio.run(run()):
        assert consumer.messages == [sent]


def test_without_type_casting_messages_are_delivered_too() -> None:
    async def run() -> Received:
        consumer, broker = Received(), RabbitBroker(apply_types=False)
        deliver(broker.subscriber("refunds", ack_policy=NACK), consumer)
        async with TestRabbitBroker(broker):
            await broker.publish(message().to_json(), "refunds", content_type="application/cloudevents+json")
        return consumer

    assert asyncio.run(run()).messages == [message()]
