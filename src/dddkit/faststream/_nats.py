"""NATS JetStream: publishing, what a subscriber needs to lose nothing, and reading."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from faststream.exceptions import IncorrectState
from faststream.nats.subscriber.usecases import (
    BatchPullStreamSubscriber,
    ConcurrentPullStreamSubscriber,
    ConcurrentPushStreamSubscriber,
    PullStreamSubscriber,
    PushStreamSubscriber,
)
from nats.errors import BadSubjectError, MaxPayloadError, NotJSMessageError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy as Acknowledgement
from nats.js.errors import APIError, NoStreamResponseError

from dddkit._callables import kind_of
from dddkit.exceptions import MessageRejectedError, NotPublishedError
from dddkit.faststream._routes import name_of, pause_after
from dddkit.messages import Message

if TYPE_CHECKING:
    from faststream.nats import NatsBroker, NatsMessage
    from nats.aio.client import Client

__all__ = ["nats_publisher", "postpone", "read", "require_nothing_is_lost"]

_PREFIX: Final = "ce-"
_SUBJECT: Final = re.compile(r"[^\s.*>\x00]+(\.[^\s.*>\x00]+)*")
_STREAM: Final = re.compile(r"[^\s.*>/\\\x00]+")

_WRITE: Final = (
    "broker.subscriber(..., stream=..., durable=..., pull_sub=PullSub(timeout=0.5), ack_policy=AckPolicy.NACK_ON_ERROR)"
)

_STREAM_SUBSCRIBERS: Final = (
    ConcurrentPullStreamSubscriber,
    ConcurrentPushStreamSubscriber,
    PullStreamSubscriber,
    PushStreamSubscriber,
)

_PUSH_SUBSCRIBERS: Final = (ConcurrentPushStreamSubscriber, PushStreamSubscriber)

# https://github.com/nats-io/nats-server/blob/main/server/errors.json
_TOO_LARGE: Final = 10054
_OTHER_STREAM: Final = 10060


def nats_publisher(
    broker: NatsBroker, stream: str, subject: str | Callable[[Message], str] | None
) -> Callable[[Message], Awaitable[None]]:
    """Return what publishes messages to the stream."""
    if not isinstance(stream, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
        raise TypeError(f"to_nats takes the name of the stream, a str, not {kind_of(stream)}")
    if subject is not None and not isinstance(subject, str) and not callable(subject):
        raise TypeError(f"to_nats: subject is a str, or a function of a message, not {kind_of(subject)}")
    if _STREAM.fullmatch(stream) is None:
        raise ValueError(f"{stream!r} is no name of a stream")
    if isinstance(subject, str) and _SUBJECT.fullmatch(subject) is None:
        raise ValueError(f"{subject!r} is no subject that can be published under")

    async def publish(message: Message) -> None:
        if subject is None:
            route = f"{stream}.{name_of(message)}"
        else:
            route = subject if isinstance(subject, str) else subject(message)
        if not isinstance(route, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
            raise MessageRejectedError(f"its subject is a str, and `subject` returned {kind_of(route)}", message.type)
        if _SUBJECT.fullmatch(route) is None:
            raise MessageRejectedError(f"{route!r} is no subject of NATS", message.type)
        headers, body = message.headers(_PREFIX), message.body()
        headers["Nats-Msg-Id"] = f"{headers['ce-source']} {headers['ce-id']}"  # no blank is in either
        client = _connected(broker, message)
        _require_size(message, headers, body, client.max_payload)
        try:
            await JetStreamContext(client).publish(route, body, stream=stream, headers=headers)
        except (MaxPayloadError, BadSubjectError) as error:
            raise MessageRejectedError(str(error), message.type) from error
        except NoStreamResponseError as error:
            why = f"no stream has the subject {route}; add it to the subjects of {stream}"
            raise NotPublishedError(why, message.type, message.id) from error
        except APIError as error:
            if error.err_code == _TOO_LARGE:
                raise MessageRejectedError(f"it is larger than the stream {stream} takes", message.type) from error
            why = f"{stream} did not store it ({error.description})"
            if error.err_code == _OTHER_STREAM:
                why = f"the subject {route} belongs to another stream than {stream}"
            raise NotPublishedError(why, message.type, message.id) from error

    return publish


def _connected(broker: NatsBroker, message: Message) -> Client:
    """Return the client, if it is connected: what it takes otherwise is sent later, when nobody waits for it."""
    try:
        client = broker.connection
    except IncorrectState:
        why = "the broker was never connected; write `async with broker:` around the relay"
    else:
        if client.is_connected:
            return client
        why = "the broker is away"
        if client.is_closed:
            why = "its connection was given up for good; start again, with NatsBroker(..., max_reconnect_attempts=-1)"
    raise NotPublishedError(why, message.type, message.id)


def _require_size(message: Message, headers: dict[str, str], body: bytes, limit: int) -> None:
    """Reject what is too large, for which the server would close the connection."""
    size = len(body) + len("NATS/1.0\r\n\r\n") + sum(len(f"{name}: {value}\r\n") for name, value in headers.items())
    if size > limit:
        raise MessageRejectedError(f"its {size} bytes are more than the {limit} that the server takes", message.type)


def require_nothing_is_lost(subscriber: object, name: str) -> None:
    """Raise ValueError where the subscriber would lose what its handler fails at."""
    if not isinstance(subscriber, _STREAM_SUBSCRIBERS):
        if isinstance(subscriber, BatchPullStreamSubscriber):
            raise ValueError(f"{name} takes one message at a time; leave out batch=True")
        raise ValueError(f"NATS without JetStream loses what {name} does not handle; write {_WRITE}")
    config = subscriber.config
    if (config.durable_name or subscriber.queue) and subscriber.extra_options.get("ordered_consumer") is not True:
        if isinstance(subscriber, _PUSH_SUBSCRIBERS) and not subscriber.queue:
            raise ValueError(
                f"without pull_sub=PullSub() a second process of {name} cannot start, and a durable that the server "
                f"has as a push consumer receives nothing with it later; write {_WRITE}"
            )
        if config.ack_policy is not Acknowledgement.EXPLICIT:
            raise ValueError(f"{name} acknowledges each message on its own; leave out ConsumerConfig(ack_policy=...)")
        if config.headers_only:
            raise ValueError(f"{name} needs the bodies of the messages too; leave out headers_only")
        return
    raise ValueError(f"NATS forgets where {name} was when it stops, without a durable consumer; write {_WRITE}")


def read(received: NatsMessage) -> Message:
    """Return the CloudEvent of a message; a MessageRejectedError if it is none."""
    return Message.read(received.headers, received.body, _PREFIX)


async def postpone(received: NatsMessage) -> None:
    """Have a message that was not handled delivered again, the later the more often that has happened."""
    try:
        deliveries = received.raw_message.metadata.num_delivered
    except NotJSMessageError:  # one of TestNatsBroker
        deliveries = 1
    await received.nack(pause_after(deliveries))
