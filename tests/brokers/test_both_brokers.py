"""What to_nats, to_rabbit and deliver do over both brokers."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timezone
from typing import Any

import pytest
from faststream import BaseMiddleware
from faststream.exceptions import RejectMessage
from faststream.rabbit import QueueType

from dddkit.messages import Message, MessageRejectedError
from tests.brokers.sites import RabbitSite, Received, Site, message


def test_a_message_arrives_as_it_was_sent(site: Site) -> None:
    sent = [
        message(
            1,
            id="ä \n%",
            subject="orders/ü 17",
            time=datetime(2026, 3, 1, 12, 0, 0, 123456, timezone.utc),
            correlation_id="c",
            causation_id="0",
            extensions={"traceparent": "00-1-2-01"},
            data={"umlaut": "ä", "none": None},
        ),
        message(2, data=None, subject=None),
        message(3, data="plain text", content_type="text/plain; charset=utf-8"),
        message(4, data=b"\x00\xff", content_type="application/octet-stream"),
        message(5, type="order.cancelled"),
    ]

    async def run() -> list[Message]:
        await site.prepare()
        consumer, broker = Received(), site.broker()
        site.subscribe(broker, consumer)
        publish = site.publish(broker)
        async with broker:
            await broker.start()
            for each in sent:
                await publish(each)
            await consumer.until(len(sent))
        return consumer.messages

    received = asyncio.run(run())
    assert received[2].data in ("plain text", b"plain text")
    assert [each for each in received if each.id != "3"] == [each for each in sent if each.id != "3"]


def test_what_a_handler_fails_at_comes_again_before_what_follows(site: Site) -> None:
    async def run() -> Received:
        await site.prepare()
        consumer, broker = Received(failures={"2": 2, "5": 1}), site.broker()
        site.subscribe(broker, consumer)
        publish = site.publish(broker)
        async with broker:
            await broker.start()
            for number in range(1, 9):
                await publish(message(number))
            await consumer.until(8)
        return consumer

    consumer = asyncio.run(run())
    assert consumer.ids == [str(number) for number in range(1, 9)]
    assert consumer.attempts == ["1", "2", "2", "2", "3", "4", "5", "5", "6", "7", "8"]


def test_messages_wait_while_nobody_consumes_and_each_consumer_gets_all(site: Site) -> None:
    async def consume(names: tuple[str, ...], count: int) -> list[list[str]]:
        broker = site.broker()
        consumers = [Received(name) for name in names]
        for consumer in consumers:
            site.subscribe(broker, consumer)
        async with broker:
            await broker.start()
            for consumer in consumers:
                await consumer.until(count)
        return [consumer.ids for consumer in consumers]

    async def run() -> None:
        await site.prepare()
        async with site.broker() as broker:
            publish = site.publish(broker)
            await asyncio.gather(*[publish(message(number)) for number in range(20)])
            assert [sorted(ids, key=int) for ids in await consume(("refunds",), 20)] == [list(map(str, range(20)))]
            await publish(message(20))
        refunds, mails = [await consume((name,), count) for name, count in (("refunds", 1), ("mails", 21))]
        assert refunds == [["20"]]
        assert sorted(mails[0], key=int) == list(map(str, range(21)))

    asyncio.run(run())


def test_two_processes_of_one_consumer_keep_the_order(site: Site) -> None:
    async def run() -> None:
        await site.prepare()
        seen: list[str] = []
        consumers, brokers = [Received(), Received()], [site.broker(), site.broker()]
        for consumer, broker in zip(consumers, brokers, strict=True):
            consumer.attempts = seen
            site.subscribe(broker, consumer)
        async with brokers[0], brokers[1]:
            for broker in brokers:
                await broker.start()
            publish = site.publish(brokers[0])
            for number in range(30):
                await publish(message(number))
            while sum(len(consumer.messages) for consumer in consumers) < 30:
                await asyncio.sleep(0.005)
        assert seen == list(map(str, range(30)))

    asyncio.run(asyncio.wait_for(run(), 60))


@pytest.mark.slow
def test_a_stop_does_not_wait_for_the_pause_of_a_message_and_the_next_process_gets_it(site: Site) -> None:
    is_classic = isinstance(site, RabbitSite) and site.queue_type is QueueType.CLASSIC
    failures = 2 if is_classic else 5  # a classic queue does not count; the pause is 3.2 seconds there, and 1.6 else

    async def run() -> tuple[float, Received]:
        await site.prepare()
        broker, consumer = site.broker(), Received(failures={"1": failures})
        site.subscribe(broker, consumer)
        async with broker:
            await broker.start()
            await site.publish(broker)(message(1))
            while len(consumer.attempts) < failures:
                await asyncio.sleep(0.005)
            stopped = time.monotonic()
        took = time.monotonic() - stopped
        broker, consumer = site.broker(), Received()
        site.subscribe(broker, consumer)
        async with broker:
            await broker.start()
            await consumer.until(1)
        return took, consumer

    took, consumer = asyncio.run(run())
    assert took < 0.8
    assert consumer.ids == ["1"]


def event(**attributes: str) -> dict[str, str]:
    return {"specversion": "1.0", "id": "1", "source": "/hub", "type": "order.cancelled.v1", **attributes}


def test_the_structured_mode_of_other_services_is_read(site: Site) -> None:
    async def run() -> list[Message]:
        await site.prepare()
        consumer, broker = Received(), site.broker()
        site.subscribe(broker, consumer)
        async with broker:
            await broker.start()
            body = json.dumps({**event(subject="orders/ü"), "data": {"number": 1}}).encode()
            await site.send({"content-type": "application/cloudevents+json; charset=utf-8"}, body)
            await consumer.until(1)
        return consumer.messages

    (received,) = asyncio.run(run())
    assert (received.id, received.subject, received.data) == ("1", "orders/ü", {"number": 1})


def test_the_binary_mode_of_other_services_is_read(site: Site) -> None:
    async def run() -> list[Message]:
        await site.prepare()
        consumer, broker = Received(), site.broker()
        site.subscribe(broker, consumer)
        async with broker:
            await broker.start()
            headers = {f"ce-{name}": value for name, value in event(subject="orders/17").items()}
            await site.send({**headers, "content-type": "application/json"}, b'{"number": 1}')
            await consumer.until(1)
        return consumer.messages

    (received,) = asyncio.run(run())
    assert (received.id, received.subject, received.data) == ("1", "orders/17", {"number": 1})


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"hello"),
        ({"content-type": "application/json"}, b"{"),
        ({"content-type": "application/cloudevents+json"}, b"{}"),
    ],
    ids=["nothing", "broken", "incomplete"],
)
def test_what_cannot_be_read_is_neither_lost_nor_a_hot_loop(site: Site, headers: dict[str, str], body: bytes) -> None:
    errors: list[BaseException | None] = []

    class Watching(BaseMiddleware):
        async def after_processed(self, exc_type: Any = None, exc_val: Any = None, exc_tb: Any = None) -> Any:
            errors.append(exc_val)
            return await super().after_processed(exc_type, exc_val, exc_tb)

    async def run() -> Received:
        await site.prepare()
        consumer, broker = Received(), site.broker()
        broker.add_middleware(Watching)
        site.subscribe(broker, consumer)
        async with broker:
            await broker.start()
            await site.send(headers, body)
            await site.publish(broker)(message(2))
            while len(errors) < 2:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)
        return consumer

    consumer = asyncio.run(asyncio.wait_for(run(), 60))
    assert len(errors) < 10
    assert {type(error) for error in errors} == {MessageRejectedError}
    assert consumer.messages == []  # what follows waits


def test_a_consumer_may_reject_a_message_itself(site: Site) -> None:
    class Rejecting(Received):
        async def receive(self, message: Message) -> None:
            await super().receive(message)
            if message.id == "1":
                raise RejectMessage

    async def run() -> Received:
        await site.prepare()
        consumer, broker = Rejecting(), site.broker()
        site.subscribe(broker, consumer)
        async with broker:
            await broker.start()
            publish = site.publish(broker)
            await publish(message(1))
            await publish(message(2))
            await consumer.until(2)
        return consumer

    assert asyncio.run(run()).attempts == ["1", "2"]
