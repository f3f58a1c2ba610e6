"""Publishers for a relay whose handlers are in its own process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.exc import DBAPIError

from dddkit._callables import kind_of
from dddkit._core.broker import EventBroker
from dddkit.exceptions import ConcurrencyError, DDDKitError, MessageRejectedError, UnknownMessageError
from dddkit.messages import EventCatalog, caused_by
from dddkit.sqlalchemy._errors import is_temporary
from dddkit.sqlalchemy._publishing import TakesTurns, TryAgainError
from dddkit.sqlalchemy.consumer import Consumer, Delivery

if sys.version_info >= (3, 11):
    from builtins import BaseExceptionGroup, ExceptionGroup
else:
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

if TYPE_CHECKING:
    from dddkit.messages import Message
    from dddkit.sqlalchemy._publishing import Publish

__all__ = ["to_broker", "to_consumers"]


def to_broker(event_broker: EventBroker, catalog: EventCatalog) -> Publish:
    """Return what publishes messages to the handlers of a broker in this process, each at least once.

        relay = Relay(engine, outbox, to_broker(event_broker, catalog))

    Where one handler fails, the message comes again to all of them: for effects that happen once, there are consumers.
    An event without a handler counts as published. A message in a newer version than that of the catalog waits until
    a newer program publishes it.

    Raises:
        TypeError: it is no broker, or no catalog.
    """
    if not isinstance(event_broker, EventBroker):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
        raise TypeError(f"to_broker takes an EventBroker, and got {kind_of(event_broker)}")
    if not isinstance(catalog, EventCatalog):  # pyright: ignore[reportUnnecessaryIsInstance]  # as above
        raise TypeError(f"to_broker takes the EventCatalog that names the events, and got {kind_of(catalog)}")

    async def publish(message: Message) -> None:
        try:
            event = catalog.decode(message)
        except UnknownMessageError as error:
            raise _error_of([_unread("the catalog", error)], message) from error
        try:
            with caused_by(message):
                await event_broker._apublish_optional(event)  # pyright: ignore[reportPrivateUsage]  # for our own packages
        except Exception as error:
            raise MessageRejectedError(f"a handler failed: {_named(error)}", message.type) from error

    return publish


def to_consumers(*consumers: Consumer[Any]) -> Publish:
    """Return what gives messages to consumers in this process, one after the other; each has its effects once.

        relay = Relay(engine, outbox, to_consumers(refunds, mails))

    Where one of them fails, the others still get the message. It comes again, and those that are done do nothing. No
    attempt is counted for a ConcurrencyError, where a unit has no connection or no inbox, and for a message in a newer
    version than that of a consumer's catalog.

    On SQLite, which has one writer at a time, a relay publishes one message at a time by it, whatever its concurrency.

    Raises:
        TypeError: something is no consumer.
        ValueError: there is none, or two have one name: each would take the messages of the other for done.
    """
    names: set[str] = set()
    for consumer in consumers:
        if not isinstance(consumer, Consumer):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"to_consumers takes consumers, one after the other, and got {kind_of(consumer)}")
        if consumer.name in names:
            raise ValueError(
                f"two consumers are called {consumer.name}, and each would take the messages of the other for done; "
                f"give one of them another name"
            )
        names.add(consumer.name)
    if not consumers:
        raise ValueError("to_consumers takes at least one consumer; without any, messages would be gone")

    return _ToConsumers(consumers)


class _ToConsumers(TakesTurns):
    __slots__ = ("_consumers",)

    def __init__(self, consumers: Sequence[Consumer[Any]]) -> None:
        self._consumers = consumers

    async def __call__(self, message: Message) -> None:
        consumers = self._consumers
        failures = [failure for consumer in consumers if (failure := await _failure(consumer, message)) is not None]
        if failures:
            raise _error_of(failures, message) from _cause_of(failures)


class _Failure(NamedTuple):
    text: str
    error: Exception
    may_pass: bool
    """Whether it is the fault of neither the message nor the handler, so that it goes later."""


async def _failure(consumer: Consumer[Any], message: Message) -> _Failure | None:
    """Give the message to the consumer; return what went wrong."""
    delivery, who = Delivery(), f"the consumer {consumer.name}"
    try:
        await consumer._deliver(message, delivery)  # pyright: ignore[reportPrivateUsage]  # for our own packages
    except Exception as error:
        if isinstance(error, UnknownMessageError) and not delivery.is_read:
            return _unread(who, error)
        if delivery.is_read and not delivery.is_handled:  # no unit, no connection, no table: no message gets through
            return _Failure(f"{who} could not begin: {type(error).__qualname__}: {error}", error, may_pass=True)
        unit = delivery.unit
        is_lost = unit is not None and unit._calls.is_lost  # pyright: ignore[reportPrivateUsage]  # as above
        return _Failure(f"{who} failed: {_named(error)}", error, may_pass=is_lost or _may_pass(error))
    return None


def _unread(who: str, error: UnknownMessageError) -> _Failure:
    """Return what went wrong where nothing reads the message; a newer program may read a newer version."""
    return _Failure(f"{who} does not read it: {error}", error, may_pass=error.known_version is not None)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):  # of a handler that does several things at once
        return all(map(_may_pass, _errors_in(error)))
    if isinstance(error, ConcurrencyError):  # a new object over a stored one fails each time, unless its handler looks
        return error.found is None or error.expected not in (None, error.found)
    return isinstance(error, DBAPIError) and is_temporary(error)


def _named(error: BaseException) -> str:
    """Return what logs may show: texts that are not ours may have values in them."""
    name = type(error).__qualname__
    if isinstance(error, BaseExceptionGroup):
        return f"{name} of {', '.join(map(_named, _errors_in(error)))}"
    return f"{name}: {error}" if type(error).__module__ == DDDKitError.__module__ else name


def _errors_in(group: Any) -> Sequence[BaseException]:  # Any: what a group is generic in is not known at run time
    errors: Sequence[BaseException] = group.exceptions
    return errors


def _error_of(failures: Sequence[_Failure], message: Message) -> Exception:
    text = "; ".join(failure.text for failure in failures)
    if all(failure.may_pass for failure in failures):
        return TryAgainError(f"{message.type}: {text}")
    return MessageRejectedError(text, message.type)


def _cause_of(failures: Sequence[_Failure]) -> Exception:
    errors = [failure.error for failure in failures]
    return errors[0] if len(errors) == 1 else ExceptionGroup("several consumers failed", errors)
