"""What brings the messages of a broker to a consumer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from faststream import AckPolicy
from faststream.exceptions import HandlerException

from dddkit._callables import kind_of
from dddkit.faststream._brokers import DISPLAYED, broker_of

if TYPE_CHECKING:
    from faststream.nats.subscriber.usecases import LogicSubscriber
    from faststream.rabbit.subscriber import RabbitSubscriber

    from dddkit.messages import Message

__all__ = ["MessageConsumer", "deliver"]

_RECIPES: Final = "https://github.com/mom1/dddkit/blob/main/docs/brokers.md"


class MessageConsumer(Protocol):
    """What messages can be delivered to: a Consumer, or an object of your own.

    Attributes:
        name: what it is called in logs and errors.
    """

    @property
    def name(self) -> str: ...

    async def receive(self, message: Message) -> None:
        """Handle the message. When it returns, the message is done; when it raises, the message comes again."""
        ...


def deliver(subscriber: LogicSubscriber[Any] | RabbitSubscriber, consumer: MessageConsumer) -> None:
    """Bring the messages of a FastStream subscriber, of NATS JetStream or RabbitMQ, to the consumer.

    A message is acknowledged when the consumer has handled it. One that it fails at is delivered again, after a pause
    that grows to 5 seconds: until it is handled, or until what you have set up at the broker puts it aside
    (`x-delivery-limit` and a dead-letter exchange of a quorum queue, `max_deliver` of JetStream). So is one that cannot
    be read. FastStream logs the error. A consumer may raise FastStream's `RejectMessage` to have one put aside at once.

    CloudEvents are read in binary and in structured mode.

    Order is kept where one message at a time is under way: with `ConsumerConfig(max_ack_pending=1)` on JetStream, and
    with `Channel(prefetch_count=1)` and the queue's argument `x-single-active-consumer` on RabbitMQ.

    Args:
        subscriber: what `broker.subscriber(...)` returns, with `ack_policy=AckPolicy.NACK_ON_ERROR`.
        consumer: whom to bring them to.

    Raises:
        TypeError: that is no subscriber of these brokers, or no consumer.
        ValueError: the subscriber would lose messages as it is, with what to write; or it has a handler already.
    """
    name = _require_consumer(consumer)
    read, postpone = _require_subscriber(subscriber, name)

    async def receive(received: Any) -> None:  # Any: each broker has a class of its own, which `read` knows
        try:
            await consumer.receive(read(received))
        except HandlerException:  # the handler tells the broker itself, as FastStream lets it: RejectMessage
            raise
        except Exception:
            await postpone(received)
            raise  # FastStream logs it, and tells the broker

    receive.__name__ = receive.__qualname__ = name
    subscriber(receive, decoder=_whole)


async def _whole(received: Any) -> Any:
    """Have FastStream call the handler with the message itself: it is not always JSON."""
    return received


def _require_consumer(consumer: MessageConsumer) -> str:
    name: object = getattr(consumer, "name", None)
    if isinstance(consumer, type) or not isinstance(name, str) or not callable(getattr(consumer, "receive", None)):
        raise TypeError(f"deliver takes a Consumer, or an object with `name` and `receive`, not {kind_of(consumer)}")
    return name


def _require_subscriber(
    subscriber: Any, name: str
) -> tuple[Callable[[Any], Message], Callable[[Any], Awaitable[None]]]:  # Any: mistakes too
    """Return how to read what the subscriber gets, and how to have it delivered again."""
    broker = broker_of(subscriber)
    if broker is None or not hasattr(subscriber, "ack_policy"):
        raise TypeError(f"deliver takes what broker.subscriber(...) returns, not {kind_of(subscriber)}")
    read: Callable[[Any], Message]
    postpone: Callable[[Any], Awaitable[None]]
    if broker == "nats":  # the client of the other one may not be installed
        from dddkit.faststream import _nats

        _nats.require_nothing_is_lost(subscriber, name)
        read, postpone = _nats.read, _nats.postpone
    elif broker == "rabbit":
        from dddkit.faststream import _rabbit

        _rabbit.require_nothing_is_lost(subscriber, name)
        read, postpone = _rabbit.read, partial(_rabbit.postpone, subscriber)
    else:
        raise TypeError(f"deliver knows NATS and RabbitMQ; for {DISPLAYED[broker]} see {_RECIPES}")
    if subscriber.ack_policy is not AckPolicy.NACK_ON_ERROR:
        raise ValueError(
            f"with {subscriber.ack_policy.name} a message is lost, or never acknowledged, when {name} fails at it; "
            "write broker.subscriber(..., ack_policy=AckPolicy.NACK_ON_ERROR)"
        )
    if subscriber.calls:
        raise ValueError(f"the subscriber has the handler {subscriber.calls[0].name} already; make one for {name}")
    return read, postpone
