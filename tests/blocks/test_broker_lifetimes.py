"""What a broker keeps alive: handlers and event classes while they are subscribed, events while they are published."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import ref

import pytest

from dddkit.dataclasses import DomainEvent, EventBroker
from tests.blocks.flavours import Flavour, in_both_flavours, needs_threads, run

ROUNDS = 300


class Happened:
    """An event that can be watched."""


class Failed(Exception):
    pass


@pytest.fixture
def no_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# Errors


def fails(event: object) -> None:
    raise Failed


def fails_in_c(event: Any) -> None:
    int("x")


async def fails_later(event: object) -> None:
    await asyncio.sleep(0)
    raise Failed


def fails_in_task(event: object) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(fails_later(event))


def fails_surprisingly(event: object) -> Any:
    return fails_later(event)


def stops_iteration(event: object) -> None:
    next(iter(()))


def gives_up(event: object) -> None:
    raise asyncio.CancelledError


def fails_as_predicate(event: object) -> bool:
    raise Failed


def callable_or_not(event: object) -> bool:
    return True


def surprises(event: object) -> Any:
    return asyncio.sleep(0)


SYNC = [fails, fails_in_c, stops_iteration, gives_up]
ASYNC = [*SYNC, fails_later, fails_in_task, fails_surprisingly]
OPTIONS: list[dict[str, Any]] = [
    {"on_error": on_error, "parallel": parallel} for on_error in ("stop", "continue") for parallel in (False, True)
]
with_options = pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))


def failing_broker(options: dict[str, Any], handlers: list[Callable[..., Any]], *, by_predicate: bool) -> EventBroker:
    broker = EventBroker(**options)
    for handler in handlers:
        selector: Any = callable_or_not if by_predicate else Happened
        broker.subscribe(selector, handler)
    if by_predicate and options["on_error"] == "continue":
        broker.subscribe(fails_as_predicate, handlers[0])
    return broker


def failing_publish(publish: Callable[[object], object]) -> ref[Happened]:
    event = Happened()
    is_raised = False
    try:
        publish(event)
    except BaseException:
        is_raised = True
    assert is_raised
    return ref(event)


async def failing_apublish(publish: Callable[[object], Any]) -> ref[Happened]:
    event = Happened()
    is_raised = False
    try:
        await publish(event)
    except BaseException:
        is_raised = True
    assert is_raised
    return ref(event)


def alive(events: list[ref[Happened]]) -> int:
    return sum(event() is not None for event in events)


@needs_threads
@with_options
@pytest.mark.parametrize("by_predicate", [False, True], ids=["class", "predicate"])
@pytest.mark.usefixtures("no_gc", "caplog")
def test_fr4_failed_publishes_free_their_events_without_the_garbage_collector(
    options: dict[str, Any], by_predicate: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "dddkit.broker")
    for handlers in ([SYNC[0]], [SYNC[1]], [SYNC[2]], SYNC, [fails, surprises]):
        broker = failing_broker(options, handlers, by_predicate=by_predicate)
        for publish in (broker.publish, broker) if surprises not in handlers else (broker.publish,):
            events = [failing_publish(publish) for _ in range(ROUNDS // 10)]
            assert alive(events) == 0, handlers


@needs_threads
@with_options
@pytest.mark.parametrize("by_predicate", [False, True], ids=["class", "predicate"])
@pytest.mark.usefixtures("no_gc")
def test_fr4_failed_async_publishes_free_their_events_too(
    options: dict[str, Any], by_predicate: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", "dddkit.broker")

    async def main(publish: Callable[[object], Any]) -> int:
        events = [await failing_apublish(publish) for _ in range(ROUNDS // 10)]
        await asyncio.sleep(0.01)  # tasks that have ended tell others so
        return alive(events)

    for handlers in (*([handler] for handler in ASYNC), ASYNC):
        broker = failing_broker(options, handlers, by_predicate=by_predicate)
        assert asyncio.run(main(broker.apublish)) == 0, handlers
        if any(handler is fails_later for handler in handlers):
            assert asyncio.run(main(broker)) == 0, handlers


@pytest.mark.usefixtures("no_gc")
def test_fr4_an_async_publish_to_a_handler_that_looks_async_and_raises_at_once_frees_its_event() -> None:
    async def takes_nothing() -> None: ...

    broker, broken = EventBroker(parallel=True), list[Any]([partial(takes_nothing)])
    broker.subscribe(Happened, broken[0])

    async def main() -> int:
        events = [await failing_apublish(broker.apublish) for _ in range(ROUNDS)]
        await asyncio.sleep(0.01)
        return alive(events)

    assert asyncio.run(main()) == 0


@pytest.mark.usefixtures("no_gc")
def test_fr4_a_rejected_publish_frees_its_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", "dddkit.broker")
    broker = EventBroker(on_error="continue")
    broker.subscribe(fails_as_predicate, fails)
    broker.subscribe(Happened, fails_later)
    assert alive([failing_publish(broker.publish) for _ in range(ROUNDS)]) == 0


# Handlers


class Handler:
    def __call__(self, event: object) -> None: ...


@in_both_flavours
@pytest.mark.usefixtures("no_gc")
@pytest.mark.parametrize("selector", ["class", "predicate"])
def test_fr5_a_cancelled_subscription_frees_its_handler(flavour: type[Flavour], selector: str) -> None:
    chosen: Any = flavour.Placed if selector == "class" else callable
    broker = flavour.blocks.EventBroker(unhandled="ignore")
    for is_unsubscribed in (False, True):
        handler = Handler()
        dead = ref(handler)
        subscription = broker.subscribe(chosen, handler)
        broker.publish(flavour.Placed())
        if is_unsubscribed:
            broker.unsubscribe(chosen, handler)
        else:
            subscription.cancel()
        del handler
        assert dead() is None
        subscription.cancel()


@pytest.mark.usefixtures("no_gc")
def test_fr5_a_broker_is_freed_with_its_handlers_and_a_cancelled_subscription_keeps_nothing_of_it() -> None:
    broker, handler = EventBroker(), Handler()
    dead = ref(broker), ref(handler)
    cancelled, kept = broker.subscribe(Happened, Handler()), broker.subscribe(Happened, handler)
    broker.publish(Happened())
    cancelled.cancel()
    del broker, handler, kept
    assert [each() for each in dead] == [None, None]


# Event classes


def declared(number: int) -> type:
    return type(f"Happened{number}", (DomainEvent,), {})


def in_module(number: int) -> type:
    name = f"Happened{number}"
    event_class: type = run(f"class {name}: ...")[name]  # the module has gone when this returns
    return event_class


def redefined(number: int) -> type:
    """Return a class as a notebook declares it: each run of the cell replaces the one before."""
    event_class = type("Redefined", (), {"__module__": __name__, "number": number})
    globals()["Redefined"] = event_class
    return event_class


each_kind = pytest.mark.parametrize("declare", [declared, in_module])


def published(broker: EventBroker, event_class: type) -> None:
    broker.publish(event_class())


def published_twice(broker: EventBroker, event_class: type) -> None:
    broker.publish(event_class())
    broker.publish(event_class())


def apublished(broker: EventBroker, event_class: type) -> None:
    asyncio.run(broker.apublish(event_class()))


def subscribed(broker: EventBroker, event_class: type) -> None:
    subscription = broker.subscribe(event_class, print)
    subscription.cancel()


def subscribed_and_published(broker: EventBroker, event_class: type) -> None:
    seen: list[object] = []
    subscription = broker.subscribe(event_class, seen.append)
    broker.publish(event_class())
    broker.publish(type("Child", (event_class,), {})())
    subscription.cancel()
    assert len(seen) == 2


def unsubscribed(broker: Any, event_class: type) -> None:
    broker.handle(event_class)(callable_or_not)
    broker.publish(event_class())
    broker.unsubscribe(event_class, callable_or_not)


@each_kind
@pytest.mark.parametrize(
    "use", [published, published_twice, apublished, subscribed, subscribed_and_published, unsubscribed]
)
@pytest.mark.parametrize("other", ["nothing", "predicate", "base"])
def test_fr5_a_class_made_at_run_time_is_freed(
    declare: Callable[[int], type], use: Callable[[EventBroker, type], None], other: str
) -> None:
    broker = EventBroker(unhandled="ignore")
    if other != "nothing":
        broker.subscribe(callable if other == "predicate" else object, callable_or_not)
    dead: list[ref[type]] = []
    for number in range(20):
        event_class = declare(number)
        use(broker, event_class)
        dead.append(ref(event_class))
        del event_class
    gc.collect()
    assert [each() for each in dead] == [None] * 20


def test_fr5_a_class_made_at_run_time_reaches_its_handlers_each_time() -> None:
    broker, seen = EventBroker(), list[object]()
    event_class = declared(0)
    broker.subscribe(DomainEvent, seen.append)
    events = [event_class() for _ in range(3)]
    broker.publish(events[0])
    broker(events[1])
    subscription = broker.subscribe(event_class, partial(seen.append))
    broker.publish(events[2])
    subscription.cancel()
    broker.publish(events[0])
    assert seen == [events[0], events[1], events[2], events[2], events[0]]


def test_fr5_classes_that_are_defined_again_and_again_are_bounded() -> None:
    broker = EventBroker(unhandled="ignore")
    dead: list[ref[type]] = []
    for number in range(5_000):
        event_class = redefined(number)
        broker.publish(event_class())
        dead.append(ref(event_class))
    gc.collect()
    assert sum(each() is not None for each in dead) < 4_200
    broker.subscribe(int, print)
    gc.collect()
    assert sum(each() is not None for each in dead) <= 1
