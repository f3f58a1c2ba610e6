"""RabbitMQ: publishing, what a subscriber needs to lose nothing, and reading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, final

import aio_pika
from aiormq.exceptions import (
    AMQPError,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
)
from faststream.rabbit import QueueType, RabbitExchange
from faststream.rabbit.subscriber.usecase import RabbitSubscriber
from pamqp.commands import Basic

from dddkit._callables import kind_of
from dddkit.exceptions import MessageRejectedError, NotPublishedError
from dddkit.faststream._routes import name_of, pause_after
from dddkit.messages import Message

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection
    from faststream.rabbit import RabbitBroker, RabbitMessage

__all__ = ["RabbitPublisher", "postpone", "read", "require_nothing_is_lost"]

_PREFIX: Final = "cloudEvents:"
_PREFIXES: Final = ("cloudevents:", "cloudevents_")
_OTHERS: Final = "ce-"
"""How the names of headers begin where others send them over AMQP 0.9.1, for which CloudEvents has no rule."""

_LONGEST: Final = 255  # bytes of the texts that AMQP has outside of the headers
_HEADERS: Final = 100_000  # the headers go in one frame, which is 128 KiB long
_LOOK: Final = 0.1  # seconds after which a pause notices that the subscriber stops
_LARGE: Final = 64 * 1024  # smaller limits than this are rare


@final
class RabbitPublisher:
    """Publishes messages to the exchange.

    RabbitMQ closes the channel of a message that it refuses, and what else is under way there fails too. So messages
    do not go over the channel of the subscribers, and a large one goes over a channel of its own.
    """

    __slots__ = ("_broker", "_channel", "_connection", "_exchange", "_lock")

    def __init__(self, broker: RabbitBroker, exchange: RabbitExchange | str) -> None:
        if not isinstance(exchange, (str, RabbitExchange)):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"to_rabbit takes a RabbitExchange, or its name, not {kind_of(exchange)}")
        self._exchange = exchange if isinstance(exchange, str) else exchange.name
        if not self._exchange:
            raise ValueError("to_rabbit publishes to an exchange of yours; the default one has no bindings")
        self._broker = broker
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, message: Message) -> None:
        key, body = name_of(message), message.body()
        written = _written(message, key, body)
        if not await self._broker.ping(1.0):  # asks nobody: it waits for as long if there is no connection now
            why = "the broker is away; if it was never connected, write `async with broker:` around the relay"
            raise NotPublishedError(why, message.type, message.id)
        try:
            async with self._channel_for(len(body)) as channel:
                exchange = await channel.get_exchange(self._exchange, ensure=False)
                confirmation = await exchange.publish(written, key, mandatory=True)
        except ChannelNotFoundEntity as error:
            why = f"there is no exchange {self._exchange!r}"
            raise NotPublishedError(why, message.type, message.id) from error
        except DeliveryError as error:
            raise NotPublishedError("the broker refused it; is a queue full?", message.type, message.id) from error
        except (AMQPError, ChannelInvalidStateError, ConnectionError) as error:
            # What is said of one message is raised for all that were under way in its channel.
            if isinstance(error, ChannelPreconditionFailed) and f"message size {len(body)} is larger" in str(error):
                raise MessageRejectedError(f"it is larger than the broker takes ({error})", message.type) from error
            raise NotPublishedError("the channel was closed meanwhile", message.type, message.id) from error
        if not isinstance(confirmation, Basic.Ack):  # it came back, which aio-pika does not raise
            why = f"no queue is bound to the exchange {self._exchange!r} for {key!r}"
            raise MessageRejectedError(why, message.type)

    @asynccontextmanager
    async def _channel_for(self, size: int) -> AsyncGenerator[AbstractChannel, None]:
        connection = await self._broker.connect()
        if size > _LARGE:
            own = connection.channel()
            async with own:
                yield own
            return
        yield await self._shared_channel(connection)

    async def _shared_channel(self, connection: AbstractConnection) -> AbstractChannel:
        async with self._lock:
            if self._channel is not None and self._channel.is_closed:
                await self._channel.close()  # it would open itself again
                self._channel = None
            if self._channel is None or self._connection is not connection:
                channel = connection.channel()
                await channel.initialize()
                self._connection, self._channel = connection, channel
            return self._channel


def _written(message: Message, key: str, body: bytes) -> aio_pika.Message:
    headers = message.headers(_PREFIX)
    content_type = headers.pop("content-type")
    for what, text in (("routing key", key), ("content type", content_type)):
        if not _is_short(text):
            raise MessageRejectedError(f"its {what} is longer than {_LONGEST} bytes", message.type)
    if sum(len(name) + len(value.encode()) for name, value in headers.items()) > _HEADERS:
        raise MessageRejectedError(f"its attributes are longer than {_HEADERS} bytes", message.type)
    correlation_id = message.correlation_id
    return aio_pika.Message(
        body,
        headers=dict(headers),
        content_type=content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=message.id if _is_short(message.id) else None,
        correlation_id=correlation_id if correlation_id is not None and _is_short(correlation_id) else None,
    )


def _is_short(text: str) -> bool:
    return len(text.encode()) <= _LONGEST


def require_nothing_is_lost(subscriber: object, name: str) -> None:
    """Raise ValueError where the subscriber would lose what its handler fails at."""
    if not isinstance(subscriber, RabbitSubscriber):
        raise TypeError(f"deliver takes what broker.subscriber(...) returns, not {kind_of(subscriber)}")
    queue, arguments = subscriber.queue, subscriber.queue.arguments or {}
    if arguments.get("x-queue-type") == QueueType.STREAM.value:
        raise ValueError(f"a stream of RabbitMQ does not deliver again what {name} fails at; take a quorum queue")
    if not queue.declare:  # nothing is known of it
        return
    if not queue.durable or queue.exclusive or queue.auto_delete:
        raise ValueError(
            f"the queue {queue.name!r} loses its messages when {name} or the broker stops; "
            f"write RabbitQueue({queue.name!r}, durable=True), neither exclusive nor auto_delete"
        )
    has_limit = arguments.get("x-queue-type") == QueueType.QUORUM.value  # of 20 deliveries, unless it has another
    if has_limit and not arguments.get("x-dead-letter-exchange"):
        raise ValueError(
            f"the quorum queue {queue.name!r} deletes what {name} fails at too often; "
            'write RabbitQueue(..., arguments={"x-dead-letter-exchange": ..., "x-delivery-limit": ...})'
        )


def read(received: RabbitMessage) -> Message:
    """Return the CloudEvent of a message; a MessageRejectedError if it is none."""
    headers = {str(name): value for name, value in received.headers.items()}
    if not any(name.lower().startswith(_PREFIXES) for name in headers):
        # `ce-` as in HTTP, but with the values as they are: no SDK quotes them here.
        headers = {
            _PREFIX + name[len(_OTHERS) :] if name.lower().startswith(_OTHERS) else name: value
            for name, value in headers.items()
        }
    if received.content_type:
        headers["content-type"] = received.content_type
    return Message.read(headers, received.body, _PREFIX)


async def postpone(subscriber: RabbitSubscriber, received: RabbitMessage) -> None:
    """Keep a message that was not handled for a while: it is delivered again at once. A stop does not wait for it."""
    count = received.headers.get("x-delivery-count")  # quorum queues count
    if not isinstance(count, int):
        count = 5 if received.raw_message.redelivered else 0
    over = time.monotonic() + pause_after(count + 1)
    while subscriber.running and (left := over - time.monotonic()) > 0:
        await asyncio.sleep(min(left, _LOOK))
