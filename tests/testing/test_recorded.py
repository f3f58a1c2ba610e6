"""recorded: what a broker publishes while a block runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from dddkit.dataclasses import DomainEvent, EventBroker, InMemoryRepository
from dddkit.exceptions import UnhandledEventError
from dddkit.testing import assert_events, recorded
from tests.blocks.flavours import Flavour, in_both_flavours, needs_threads


@dataclass(frozen=True, kw_only=True)
class Rang(DomainEvent):
    bell: int


@dataclass(frozen=True, kw_only=True)
class Answered(DomainEvent):
    bell: int


Publish = Callable[[EventBroker, object], None]
WAYS: dict[str, Publish] = {
    "call": lambda broker, event: asyncio.run(awaited(broker, event)),
    "publish": lambda broker, event: broker.publish(event),
    "apublish": lambda broker, event: asyncio.run(broker.apublish(event)),
}
# By each of them a publish takes another way through the broker.
OPTIONS: list[dict[str, Any]] = [
    {"on_error": on_error, "unhandled": unhandled, "parallel": parallel}
    for on_error, unhandled, parallel in product(["stop", "continue"], ["raise", "ignore"], [False, True])
]
by_every_way = pytest.mark.parametrize("way", WAYS)
with_all_options = pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))


async def awaited(broker: EventBroker, event: object) -> None:
    await broker(event)


def anything(_: object) -> bool:
    return True


@needs_threads
@by_every_way
@with_all_options
def test_each_event_is_there_before_its_handlers_run(options: dict[str, Any], way: str) -> None:
    broker, seen = EventBroker(**options), list[list[int]]()
    with recorded(broker) as events:
        broker.subscribe(Rang, lambda _: seen.append([one.bell for one in events]))
        broker.subscribe(anything, lambda _: seen.append([one.bell for one in events]))
        for bell in (1, 2):
            WAYS[way](broker, Rang(bell=bell))
    assert seen == [[1], [1], [1, 2], [1, 2]]
    assert_events(events, Rang(bell=1), Rang(bell=2))


@needs_threads
@by_every_way
@with_all_options
def test_an_event_without_subscriber_is_no_error_in_the_block(options: dict[str, Any], way: str) -> None:
    broker = EventBroker(**options)
    with recorded(broker) as events:
        WAYS[way](broker, Rang(bell=1))
    assert_events(events, Rang(bell=1))
    if options["unhandled"] == "raise":
        with pytest.raises(UnhandledEventError):
            WAYS[way](broker, Rang(bell=2))
    assert len(events) == 1


@by_every_way
def test_what_a_handler_publishes_comes_after_the_event_that_it_handles(way: str) -> None:
    broker = EventBroker()
    broker.subscribe(Rang, lambda event: broker.publish(Answered(bell=event.bell)))
    with recorded(broker) as events:
        WAYS[way](broker, Rang(bell=1))
        WAYS[way](broker, Rang(bell=2))
    assert_events(events, Rang(bell=1), Answered(bell=1), Rang(bell=2), Answered(bell=2))


def test_an_event_whose_handler_fails_is_there() -> None:
    broker = EventBroker()

    @broker.handle(Rang)
    def fail(event: Rang) -> None:
        raise LookupError

    with recorded(broker) as events, pytest.raises(LookupError):
        broker(Rang(bell=1))
    assert_events(events, Rang(bell=1))


def test_an_async_event_is_there_when_its_publish_is_awaited() -> None:
    broker, seen = EventBroker(), list[int]()

    @broker.handle(Rang)
    async def answer(event: Rang) -> None:
        seen.append(event.bell)

    async def main() -> None:
        with recorded(broker) as events:
            first = broker(Rang(bell=1))
            await broker(Rang(bell=2))
            await first
        assert_events(events, Rang(bell=2), Rang(bell=1))

    asyncio.run(main())
    assert seen == [2, 1]


def test_what_is_refused_is_not_published() -> None:
    broker = EventBroker()

    @broker.handle(Rang)
    async def answer(event: Rang) -> None: ...

    with recorded(broker) as events:
        with pytest.raises(TypeError, match="answer is async"):
            broker.publish(Rang(bell=1))
        assert events == []


def test_an_exception_ends_the_block_too() -> None:
    broker = EventBroker()
    broker.subscribe(Rang, print)
    kept: list[list[Any]] = []

    def record() -> None:
        with recorded(broker) as events:
            kept.append(events)
            broker(Rang(bell=1))
            raise LookupError

    with pytest.raises(LookupError):
        record()
    broker(Rang(bell=2))
    assert_events(kept[0], Rang(bell=1))


def test_nested_blocks_each_record_what_is_published_while_they_run() -> None:
    broker, other = EventBroker(), EventBroker()
    with recorded(broker) as outer, recorded(other) as elsewhere:
        broker(Rang(bell=1))
        with recorded(broker) as inner:
            broker(Rang(bell=2))
        other(Rang(bell=3))
        broker(Rang(bell=4))
    assert_events(inner, Rang(bell=2))
    assert_events(outer, Rang(bell=1), Rang(bell=2), Rang(bell=4))
    assert_events(elsewhere, Rang(bell=3))


def test_blocks_may_end_in_any_order_and_be_used_again() -> None:
    broker = EventBroker()
    first, second = recorded(broker), recorded(broker)
    one = first.__enter__()
    other = second.__enter__()
    broker(Rang(bell=1))
    first.__exit__()
    broker(Rang(bell=2))
    second.__exit__()
    with pytest.raises(UnhandledEventError):
        broker(Rang(bell=3))
    with first as again:
        broker(Rang(bell=4))
    assert [[event.bell for event in events] for events in (one, other, again)] == [[1], [1, 2], [4]]


def test_subscribing_in_the_block_counts_at_once_and_stays() -> None:
    broker, seen = EventBroker(), list[Rang]()
    with recorded(broker) as events:
        broker(Rang(bell=1))
        broker.subscribe(Rang, seen.append)
        broker(Rang(bell=2))
    broker(Rang(bell=3))
    assert [event.bell for event in events] == [1, 2]
    assert [event.bell for event in seen] == [2, 3]


@in_both_flavours
def test_what_a_repository_publishes_is_recorded(flavour: type[Flavour]) -> None:
    async def main() -> None:
        broker = EventBroker()
        basket = flavour.Basket(basket_id=1)
        basket.add("fig")
        with recorded(broker) as events:
            await InMemoryRepository[Any, int](broker).save(basket)
            other = flavour.Basket(basket_id=2)
            other.add("yew")
            flavour.blocks.SyncInMemoryRepository(broker).save(other)
        assert_events(events, flavour.Basket.ItemAdded(item="fig"), flavour.Basket.ItemAdded(item="yew"))

    asyncio.run(main())


@needs_threads
def test_what_other_threads_publish_is_recorded_and_their_blocks_are_their_own() -> None:
    broker = EventBroker(unhandled="ignore")
    failures: list[object] = []

    def work(number: int) -> None:
        for turn in range(30):
            with recorded(broker) as events:
                broker(Rang(bell=number * 1000 + turn))
            own = [event.bell for event in events if event.bell // 1000 == number]
            if own != [number * 1000 + turn]:
                failures.append((number, turn, own))

    threads = [threading.Thread(target=work, args=[number]) for number in range(1, 5)]
    with recorded(broker) as everything:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(everything) == 120
    for number in range(1, 5):
        own = [event.bell for event in everything if event.bell // 1000 == number]
        assert own == sorted(own)


def test_a_broker_that_nobody_records_any_more_calls_its_handlers_directly() -> None:
    """The frames between publisher and handler are those of before: recording leaves nothing in their way."""
    broker = EventBroker()

    @broker.handle(Rang)
    def fail(event: Rang) -> None:
        raise LookupError

    def names() -> Iterator[str]:
        with pytest.raises(LookupError) as error:
            broker(Rang(bell=1))
        return (entry.name for entry in error.traceback)

    before = list(names())
    with recorded(broker):
        during = list(names())
    assert list(names()) == before
    assert len(during) > len(before)


def test_what_is_no_broker_is_rejected() -> None:
    broker: Any = EventBroker
    with pytest.raises(TypeError, match="recorded takes an EventBroker, and got the class EventBroker"):
        recorded(broker)
