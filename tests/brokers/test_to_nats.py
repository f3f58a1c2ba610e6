"""What to_nats publishes, and which failures concern the message and which the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from faststream.nats import JStream, NatsBroker
from faststream.rabbit import RabbitBroker
from nats.js import JetStreamContext

from dddkit.exceptions import MessageRejectedError, NotPublishedError
from dddkit.faststream import to_nats
from dddkit.messages import Message
from tests.brokers.sites import NatsSite, message
from tests.servers.running import own_server


def published(site: NatsSite, *messages: Message, subject: Any = None, **config: Any) -> list[tuple[str, Any]]:
    """Return the subjects and headers of what the stream holds after the messages were published."""

    async def run() -> list[tuple[str, Any]]:
        await site.prepare(**config)
        async with site.broker() as broker:
            publish = to_nats(broker, site.stream, subject)
            for each in messages:
                await publish(each)
            stream: Any = JetStreamContext(broker.connection)
            held = (await stream.stream_info(site.stream)).state.messages
            found = [await stream.get_msg(site.stream, number) for number in range(1, held + 1)]
        return [(each.subject or "", each.headers) for each in found]

    return asyncio.run(run())


def test_the_subject_is_the_stream_and_the_name_without_version(nats_site: NatsSite) -> None:
    found = published(nats_site, message(1), message(2, type="com.github.push"), message(3, type="a.v2.b.v12"))
    assert [subject.removeprefix(f"{nats_site.stream}.") for subject, _ in found] == [
        "order.cancelled",
        "com.github.push",
        "a.v2.b",
    ]


def test_the_subject_can_be_said_and_made_of_the_message(nats_site: NatsSite) -> None:
    def by_aggregate(message: Message) -> str:
        return f"{nats_site.stream}.{(message.subject or 'none').replace('/', '.')}"

    assert [subject for subject, _ in published(nats_site, message(1), subject=by_aggregate)] == [
        f"{nats_site.stream}.orders.17"
    ]
    site = NatsSite(nats_site.url)
    assert [subject for subject, _ in published(site, message(1), subject=f"{site.stream}.all")] == [
        f"{site.stream}.all"
    ]


def test_a_message_published_twice_is_stored_once(nats_site: NatsSite) -> None:
    found = published(nats_site, message(1), message(2), message(1), message(2))
    assert [headers["ce-id"] for _, headers in found] == ["1", "2"]


def test_the_same_id_of_another_source_is_another_message(nats_site: NatsSite) -> None:
    found = published(nats_site, message(1), message(1, source="/hub"))
    assert [headers["Nats-Msg-Id"] for _, headers in found] == ["/shop 1", "/hub 1"]


@pytest.mark.parametrize(
    ("wrong", "config"),
    [
        (message(1, data="x" * 2_000_000), {}),
        (message(1, data="x" * (1_048_576 - 10)), {}),  # with its headers
        (message(1, subject="x" * 2_000_000), {}),
        (message(1, data="x" * 5_000), {"max_msg_size": 2_000}),
        (message(1, type="order.*.v1"), {}),
        (message(1, type="order cancelled.v1"), {}),
        (message(1, type="order..cancelled.v1"), {}),
        (message(1, data=float("nan")), {}),
    ],
    ids=["size", "size-with-headers", "size-of-headers", "size-for-stream", "star", "blank", "dots", "no-json"],
)
def test_a_message_that_nats_never_takes_is_rejected_and_others_go_on(
    nats_site: NatsSite, wrong: Message, config: dict[str, Any]
) -> None:
    async def run() -> None:
        await nats_site.prepare(**config)
        async with nats_site.broker() as broker:
            publish = nats_site.publish(broker)
            with pytest.raises(MessageRejectedError) as rejected:
                await publish(wrong)
            assert rejected.value.message_type == wrong.type
            assert "xxxx" not in str(rejected.value)
            await publish(message(2))

    asyncio.run(run())


def failure(publish: Callable[[Message], Awaitable[None]]) -> Callable[[], Coroutine[Any, Any, str]]:
    async def found() -> str:
        with pytest.raises(NotPublishedError) as error:
            await publish(message(1))
        assert (error.value.message_type, error.value.message_id) == ("order.cancelled.v1", "1")
        return str(error.value)

    return found


def test_a_missing_stream_is_an_outage_and_over_when_it_is_there(nats_site: NatsSite) -> None:
    async def run() -> str:
        async with nats_site.broker() as broker:
            publish = nats_site.publish(broker)
            said = await failure(publish)()
            await nats_site.prepare()
            await publish(message(1))
        return said

    said = asyncio.run(run())
    assert said.startswith("order.cancelled.v1 was not published: no stream has the subject shop-")
    assert said.endswith(f"add it to the subjects of {nats_site.stream}")


def test_a_subject_of_another_stream_is_an_outage(nats_site: NatsSite) -> None:
    async def run() -> str:
        await nats_site.prepare()
        async with nats_site.broker() as broker:
            return await failure(to_nats(broker, "other", f"{nats_site.stream}.order"))()

    assert "belongs to another stream than other" in asyncio.run(run())


def test_a_full_stream_is_an_outage(nats_site: NatsSite) -> None:
    async def run() -> str:
        await nats_site.prepare(max_msgs=1, discard="new")
        async with nats_site.broker() as broker:
            publish = nats_site.publish(broker)
            await publish(message(2))
            return await failure(publish)()

    assert f"{nats_site.stream} did not store it (maximum messages exceeded)" in asyncio.run(run())


def test_a_broker_that_was_never_connected_says_so(nats_site: NatsSite) -> None:
    assert "write `async with broker:` around the relay" in asyncio.run(
        failure(nats_site.publish(nats_site.broker()))()
    )


def test_an_outage_of_the_server_is_said_at_once_and_publishing_goes_on_after_it() -> None:
    with own_server("nats") as server:
        site = NatsSite(f"nats://127.0.0.1:{server.port('nats')}")

        async def run() -> None:
            await site.prepare()
            closed = NatsBroker(site.url, logger=None, max_reconnect_attempts=1, reconnect_time_wait=0)
            await closed.connect()
            async with site.broker() as broker:
                publish = site.publish(broker)
                await publish(message(1))
                await asyncio.to_thread(server.kill)
                while broker.connection.is_connected or not closed.connection.is_closed:
                    await asyncio.sleep(0.005)
                assert (await failure(publish)()).endswith("the broker is away")
                assert "max_reconnect_attempts=-1" in await failure(site.publish(closed))()
                await asyncio.to_thread(server.start)
                while not broker.connection.is_connected:
                    await asyncio.sleep(0.005)
                await publish(message(1))
                await publish(message(2))
                held = (await JetStreamContext(broker.connection).stream_info(site.stream)).state.messages
            assert held == 2

        asyncio.run(asyncio.wait_for(run(), 60))


@pytest.mark.parametrize(
    ("stream", "subject"),
    [("", None), ("a b", None), ("a.b", None), ("shop", "a..b"), ("shop", "shop.>"), ("shop", "")],
)
def test_no_name_of_a_stream_and_no_subject_are_refused(stream: str, subject: str | None) -> None:
    with pytest.raises(ValueError, match="is no"):
        to_nats(NatsBroker(), stream, subject)


def test_a_stream_and_a_subject_of_another_type_are_refused() -> None:
    wrong: Any
    for wrong, shown in ((JStream("shop"), "a JStream"), (None, "None")):
        with pytest.raises(TypeError, match=f"to_nats takes the name of the stream, a str, not {shown}"):
            to_nats(NatsBroker(), wrong)
    wrong = 3
    with pytest.raises(TypeError, match="to_nats: subject is a str, or a function of a message, not 3"):
        to_nats(NatsBroker(), "shop", wrong)


def test_a_message_for_which_there_is_no_subject_is_rejected() -> None:
    subjects: Any = {"another": "shop.another"}
    with pytest.raises(MessageRejectedError, match="its subject is a str, and `subject` returned None"):
        asyncio.run(_once(to_nats(NatsBroker(), "shop", lambda message: subjects.get(message.type))))


async def _once(publish: Callable[[Message], Awaitable[None]]) -> None:
    await publish(message(1))


@pytest.mark.parametrize("wrong", [None, "nats://localhost", RabbitBroker()], ids=["none", "url", "rabbitmq"])
def test_what_is_no_nats_broker_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="to_nats takes a NatsBroker, not"):
        to_nats(wrong, "shop")
