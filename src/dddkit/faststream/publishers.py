"""What a relay publishes by: RabbitMQ and NATS JetStream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from dddkit._callables import kind_of
from dddkit.faststream._brokers import broker_of

if TYPE_CHECKING:
    from faststream.nats import NatsBroker
    from faststream.rabbit import RabbitBroker, RabbitExchange

    from dddkit.messages import Message

__all__ = ["to_nats", "to_rabbit"]


def to_nats(
    broker: NatsBroker, stream: str, subject: str | Callable[[Message], str] | None = None
) -> Callable[[Message], Awaitable[None]]:
    """Return what publishes messages to a stream of NATS JetStream.

    It returns when the stream has stored the message. The stream drops what it has stored already: the header
    `Nats-Msg-Id` is the source of the message and its id. The message is a CloudEvent in binary mode.

    The broker is yours: connect it before, and make it with `max_reconnect_attempts=-1`, without which NATS gives up
    for good after some minutes of an outage. The stream is yours too.

    Args:
        broker: where to.
        stream: the name of the stream, which has to cover the subjects.
        subject: what to publish under, or a function that says so of a message; `<stream>.<name>` if it is left out,
            with the name that the event has in its catalog, and no version.

    Raises:
        TypeError: that is no NatsBroker, no name, or no subject.
        ValueError: that is no name of a stream, or no subject.

    What is returned raises:
        MessageRejectedError: the message is larger than the server or the stream takes, or its name is no subject.
        NotPublishedError: the broker is away, there is no such stream, or it cannot store anything now.
        Exception: whatever else the client raises, such as a TimeoutError.
    """
    if broker_of(broker) != "nats":
        raise TypeError(f"to_nats takes a NatsBroker, not {kind_of(broker)}")
    from dddkit.faststream._nats import nats_publisher  # its client may not be installed

    return nats_publisher(broker, stream, subject)


def to_rabbit(broker: RabbitBroker, exchange: RabbitExchange | str) -> Callable[[Message], Awaitable[None]]:
    """Return what publishes messages to an exchange of RabbitMQ.

    It returns when the broker has confirmed that each queue, at least one, has the message; it is persistent. Its
    routing key is the name that the event has in its catalog, without version. The message is a CloudEvent in binary
    mode, whose headers begin with `cloudEvents:`.

    The broker is yours: connect it before. The exchange is yours too, and is not declared here. Messages go over
    channels of their own: RabbitMQ closes that of a message it refuses, which must not be that of your subscribers.

    Raises:
        TypeError: that is no RabbitBroker, or no exchange.
        ValueError: the exchange has no name.

    What is returned raises:
        MessageRejectedError: no queue is bound for the message, or it is larger than the broker takes.
        NotPublishedError: the broker is away, there is no such exchange, or a queue is full.
        Exception: whatever else the client raises.
    """
    if broker_of(broker) != "rabbit":
        raise TypeError(f"to_rabbit takes a RabbitBroker, not {kind_of(broker)}")
    from dddkit.faststream._rabbit import RabbitPublisher  # its client may not be installed

    return RabbitPublisher(broker, exchange)
