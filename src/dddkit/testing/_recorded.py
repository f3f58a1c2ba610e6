"""Recording what a broker publishes."""

from __future__ import annotations

from typing import Any, Final, final

from dddkit._callables import kind_of
from dddkit._core.broker import EventBroker
from dddkit._locks import new_lock

__all__ = ["recorded"]

_lock: Final = new_lock()  # blocks of several threads may begin and end on one broker at once


@final
class recorded:  # noqa: N801  # it reads as a statement: `with recorded(broker) as events`
    """Record the events that a broker publishes while the block runs, in the order of publishing.

        with recorded(broker) as events:
            await checkout(state)
        assert_events(events, OrderPlaced(order_id=OrderId(1)))

    Each event is in the list before its handlers run, so an event that a handler publishes comes after the one that it
    handles, and one whose handler fails is there. In the block an event without subscriber is no error. Blocks may be
    nested, and several may run on one broker, in threads too: each records what is published while it runs, whoever
    publishes it. The list stays as it is when the block ends, also by an exception.

    An event that is refused, by a sync publish to async handlers or by a predicate that raises, is not published.

    Raises:
        TypeError: it is no EventBroker.
    """

    __slots__ = ("_broker", "_events")

    def __init__(self, broker: EventBroker) -> None:
        if not isinstance(broker, EventBroker):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"recorded takes an EventBroker, and got {kind_of(broker)}")
        self._broker: Final = broker
        self._events: list[list[Any]] = []

    def __enter__(self) -> list[Any]:  # of events of any class; the test knows which
        events: list[Any] = []
        self._events.append(events)
        with _lock:
            self._broker._record(events)  # pyright: ignore[reportPrivateUsage]  # for the kit's own packages
        return events

    def __exit__(self, *_: object) -> None:
        with _lock:
            self._broker._stop_recording(self._events.pop())  # pyright: ignore[reportPrivateUsage]  # as above
