"""The event broker publishes each event to the handlers subscribed to it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
import time
import types
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, Protocol, runtime_checkable
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dddkit.dataclasses
import dddkit.pydantic
from dddkit._awaitables import FINISHED
from dddkit.dataclasses import DomainEvent, EventBroker
from dddkit.exceptions import DDDKitError, UnhandledEventError
from tests.blocks.flavours import Flavour, in_both_flavours, needs_threads

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup


class Happened(DomainEvent):
    pass


class HappenedAgain(Happened):
    pass


class Other(DomainEvent):
    pass


HAPPENED = Happened()


def anything(event: object) -> bool:
    return True


def is_happened(event: object) -> bool:
    return isinstance(event, Happened)


by_class_or_predicate = pytest.mark.parametrize("selector", [Happened, anything], ids=["class", "predicate"])

# How an event can be published; each returns when all handlers have run.
Publish = Callable[[EventBroker, object], None]
SYNC: list[Publish] = [EventBroker.publish, lambda broker, event: end(broker(event))]
ASYNC: list[Publish] = [
    lambda broker, event: asyncio.run(broker.apublish(event)),
    lambda broker, event: asyncio.run(broker.async_publish(event)),
    lambda broker, event: asyncio.run(call_and_await(broker, event)),
]
with_sync = pytest.mark.parametrize("publish", SYNC, ids=["publish", "call"])
with_async = pytest.mark.parametrize("publish", ASYNC, ids=["apublish", "async_publish", "awaited call"])
with_both = pytest.mark.parametrize(
    "publish", [*SYNC, *ASYNC], ids=["publish", "call", "apublish", "async_publish", "awaited call"]
)
in_parallel: Any = pytest.param({"parallel": True}, marks=needs_threads)
in_both_orders = pytest.mark.parametrize(
    "parallel", [False, pytest.param(True, marks=needs_threads)], ids=["sequential", "parallel"]
)


def end(finished: Awaitable[None]) -> None:
    assert finished is FINISHED


async def call_and_await(broker: EventBroker, event: object) -> None:
    await broker(event)


# Which handlers receive an event


@with_both
@in_both_flavours
def test_an_event_reaches_the_handlers_of_its_class(flavour: type[Flavour], publish: Publish) -> None:
    broker = flavour.blocks.EventBroker()
    seen: list[object] = []
    broker.subscribe(flavour.Placed, seen.append)
    broker.subscribe(flavour.Basket.Created, list[object]().append)
    event = flavour.Placed(order=1)
    publish(broker, event)
    assert seen == [event]


def test_there_is_one_broker_for_both_flavours() -> None:
    assert dddkit.dataclasses.EventBroker is dddkit.pydantic.EventBroker


@with_both
def test_any_object_can_be_published(publish: Publish) -> None:
    broker, seen = EventBroker(), list[object]()
    broker.subscribe(str, seen.append)
    publish(broker, "happened")
    assert seen == ["happened"]


@with_both
def test_a_class_matches_its_subclasses(publish: Publish) -> None:
    broker, seen = EventBroker(), list[str]()
    broker.subscribe(Happened, lambda event: seen.append("happened"))
    broker.subscribe(HappenedAgain, lambda event: seen.append("again"))
    broker.subscribe(object, lambda event: seen.append("anything"))
    publish(broker, HappenedAgain())
    publish(broker, Happened())
    publish(broker, Other())
    assert seen == ["happened", "again", "anything", "happened", "anything", "anything"]


@with_both
def test_a_class_matches_registered_subclasses_and_those_that_fit_a_protocol(publish: Publish) -> None:
    class Base(ABC):
        @abstractmethod
        def name(self) -> str: ...

    @runtime_checkable
    class Named(Protocol):
        def name(self) -> str: ...

    class Event:
        def name(self) -> str:
            return "event"

    broker, seen = EventBroker(unhandled="ignore"), list[str]()
    broker.subscribe(Base, lambda event: seen.append("base"))  # type: ignore[type-abstract]  # as a key
    broker.subscribe(Named, lambda event: seen.append("named"))  # type: ignore[type-abstract]  # as a key
    publish(broker, Event())
    assert seen == ["named"]
    Base.register(Event)
    publish(broker, Event())
    assert seen == ["named", "base", "named"]


def test_a_protocol_that_cannot_be_asked_is_refused_when_subscribing() -> None:
    class Named(Protocol):
        def name(self) -> str: ...

    with pytest.raises(TypeError, match="runtime_checkable"):
        EventBroker().subscribe(Named, print)  # type: ignore[type-abstract]  # as a key


@with_both
def test_a_predicate_selects_events_by_their_fields(publish: Publish) -> None:
    broker, seen = EventBroker(unhandled="ignore"), list[object]()
    broker.subscribe(lambda event: event > 2, seen.append)
    for event in (1, 2, 3, 4):
        publish(broker, event)
    assert seen == [3, 4]


@with_both
def test_the_older_decorators_work(publish: Publish) -> None:
    broker, seen = EventBroker(), list[str]()

    @broker.register(is_happened)
    def by_predicate(event: Happened) -> None:
        seen.append("predicate")

    @broker.instance(Happened)
    def by_class(event: Happened) -> None:
        seen.append("class")

    @broker.instance((Happened, Other))
    def by_classes(event: Happened | Other) -> None:
        seen.append("classes")

    publish(broker, Happened())
    assert seen == ["predicate", "class", "classes"]
    publish(broker, Other())
    assert seen[3:] == ["classes"]


def test_decorating_returns_the_function_unchanged() -> None:
    broker = EventBroker()

    def handler(event: object) -> int:
        return 1

    for decorate in (broker.handle(Happened, Other), broker.instance(Happened), broker.register(lambda event: True)):
        assert decorate(handler) is handler


@with_both
def test_a_handler_runs_once_per_event(publish: Publish) -> None:
    broker, seen = EventBroker(), list[str]()

    class Handlers:
        def method(self, event: object) -> None:
            seen.append("method")

    handlers = Handlers()

    @broker.handle(Happened, HappenedAgain)
    @broker.handle(Happened)
    @broker.register(anything)
    def handler(event: Happened) -> None:
        seen.append("function")

    broker.subscribe(Happened, handlers.method)
    broker.subscribe(HappenedAgain, handlers.method)
    broker.subscribe(HappenedAgain, Handlers().method)
    publish(broker, HappenedAgain())
    assert seen == ["function", "method", "method"]


# The order of handlers


@with_async
def test_e4_e5_handlers_run_in_registration_order_sync_and_async_alike(publish: Publish) -> None:
    broker, seen = EventBroker(), list[int]()

    def sync(number: int, event: object) -> None:
        seen.append(number)

    async def later(number: int, event: object) -> None:
        await asyncio.sleep(0)
        seen.append(number)

    for number in range(20):
        selector: Any = (Happened, HappenedAgain, object, anything)[number % 4]
        broker.subscribe(selector, partial((sync, later)[number % 3 == 1], number))
    publish(broker, HappenedAgain())
    assert seen == list(range(20))


KEYS: list[Any] = [Happened, HappenedAgain, Other, object, is_happened]


@given(
    st.lists(st.tuples(st.sampled_from(range(len(KEYS))), st.integers(0, 4))),
    st.sampled_from([Happened, HappenedAgain]),
)
def test_the_order_is_that_of_the_first_matching_registration(
    registrations: list[tuple[int, int]], event_class: type[Happened]
) -> None:
    broker, seen = EventBroker(unhandled="ignore"), list[int]()

    def note(number: int, event: object) -> None:
        seen.append(number)

    handlers = [partial(note, number) for number in range(5)]
    for key, handler in registrations:
        broker.subscribe(KEYS[key], handlers[handler])
    broker.publish(event_class())
    matching = [
        handler
        for key, handler in registrations
        if (issubclass(event_class, KEYS[key]) if isinstance(KEYS[key], type) else True)
    ]
    assert seen == list(dict.fromkeys(matching))


# Sync and async


@by_class_or_predicate
@pytest.mark.parametrize("options", [{}, {"on_error": "continue"}, in_parallel], ids=str)
def test_e1_publishing_synchronously_to_an_async_handler_is_refused_before_any_runs(
    selector: Any, options: dict[str, Any]
) -> None:
    broker, seen = EventBroker(**options), list[object]()
    broker.subscribe(selector, seen.append)

    async def send_receipt(event: object) -> None:
        seen.append(event)

    broker.subscribe(selector, send_receipt)
    name = send_receipt.__qualname__
    with pytest.raises(TypeError) as refusal:
        broker.publish(HAPPENED)
    assert str(refusal.value) == f"{name} is async; use `await broker.apublish(event)` for async handlers"
    broker.subscribe(selector, AsyncMock(name="mock"))
    with pytest.raises(TypeError, match="send_receipt, AsyncMock are async"):
        broker.publish(HAPPENED)
    assert seen == []


@in_both_orders
def test_e1_calling_the_broker_with_an_async_handler_gives_a_coroutine_and_runs_nothing_yet(parallel: bool) -> None:
    broker, seen = EventBroker(parallel=parallel), list[str]()

    async def later(event: object) -> None:
        seen.append("async")

    broker.subscribe(Happened, lambda event: seen.append("sync"))
    broker.subscribe(Happened, later)
    coroutine = broker(HAPPENED)
    assert asyncio.iscoroutine(coroutine)
    assert seen == []
    asyncio.run(coroutine)
    assert seen == ["sync", "async"]


@in_both_orders
def test_e2_sync_handlers_run_inside_a_loop_as_well(parallel: bool) -> None:
    broker, seen = EventBroker(parallel=parallel), list[object]()
    broker.subscribe(Happened, seen.append)

    async def main() -> None:
        broker.publish(HAPPENED)
        assert len(seen) == 1
        finished = broker(HAPPENED)
        assert len(seen) == 2
        assert finished is FINISHED
        await finished
        assert len(seen) == 2

    asyncio.run(main())


class AsyncCallable:
    def __init__(self, seen: list[object]) -> None:
        self.seen = seen

    async def __call__(self, event: object) -> None:
        await asyncio.sleep(0)
        self.seen.append(event)

    async def method(self, event: object) -> None:
        await self(event)

    @classmethod
    async def of_class(cls, seen: list[object], event: object) -> None:
        await cls(seen)(event)

    @staticmethod
    async def static(seen: list[object], event: object) -> None:
        await AsyncCallable(seen)(event)


@types.coroutine
def by_generator(seen: list[object], event: object) -> Iterator[None]:
    yield
    seen.append(event)


@in_both_orders
@with_async
def test_e8_every_kind_of_async_callable_is_awaited(publish: Publish, parallel: bool) -> None:
    def handlers(seen: list[object]) -> list[Any]:
        return [
            AsyncCallable(seen),
            AsyncCallable(seen).method,
            partial(AsyncCallable(seen)),
            partial(partial(AsyncCallable.of_class, seen)),
            partial(AsyncCallable.static, seen),
            AsyncMock(side_effect=seen.append),
            AsyncCallable(seen).__call__,
            partial(by_generator, seen),
        ]

    for number in range(len(handlers([]))):
        seen: list[object] = []
        broker = EventBroker(parallel=parallel)
        broker.subscribe(Happened, handlers(seen)[number])
        publish(broker, HAPPENED)
        assert seen == [HAPPENED]
        with pytest.raises(TypeError, match="async"):
            broker.publish(HAPPENED)
        assert seen == [HAPPENED]


@with_both
def test_mocks_are_handlers(publish: Publish) -> None:
    broker = EventBroker()
    mocks = [Mock(), MagicMock()]
    for mock in mocks:
        broker.subscribe(Happened, mock)
    publish(broker, HAPPENED)
    for mock in mocks:
        mock.assert_called_once_with(HAPPENED)


class Unhashable:
    def __init__(self) -> None:
        self.seen: list[object] = []

    def __eq__(self, other: object) -> bool:
        return True

    def __call__(self, event: object) -> None:
        self.seen.append(event)

    def method(self, event: object) -> None:
        self.seen.append(event)


@in_both_orders
@with_both
def test_e10_unhashable_handlers_work_and_are_told_apart(publish: Publish, parallel: bool) -> None:
    broker = EventBroker(parallel=parallel)
    one, other, third = Unhashable(), Unhashable(), Unhashable()
    for handler in (one, other, third.method):
        broker.subscribe(Happened, handler)
    publish(broker, HAPPENED)
    broker.unsubscribe(Happened, one)
    broker.unsubscribe(Happened, third.method)
    publish(broker, HAPPENED)
    assert [len(handler.seen) for handler in (one, other, third)] == [1, 2, 1]


@dataclass
class Above:
    """A predicate that cannot be hashed, as a dataclass with `eq` cannot."""

    limit: int

    def __call__(self, event: object) -> bool:
        return isinstance(event, int) and event > self.limit


def test_e10_unhashable_predicates_can_be_cancelled_and_unsubscribed() -> None:
    broker, seen = EventBroker(unhandled="ignore"), list[object]()
    predicate = Above(3)
    subscription = broker.subscribe(predicate, seen.append)
    broker.publish(4)
    subscription.cancel()
    broker.publish(5)
    broker.register(predicate)(seen.append)
    broker.publish(6)
    broker.unsubscribe(predicate, seen.append)
    broker.publish(7)
    assert seen == [4, 6]


# Awaitables that are known only after the call


def surprises(seen: list[str]) -> tuple[Callable[[object], object], Callable[[object], None]]:
    async def work() -> None:
        seen.append("awaited")

    def looks_sync(event: object) -> object:
        seen.append("called")
        return work()

    return looks_sync, lambda event: seen.append("rest")


@by_class_or_predicate
def test_publish_closes_a_surprising_coroutine_and_refuses_it(selector: Any) -> None:
    broker, seen = EventBroker(), list[str]()
    looks_sync, rest = surprises(seen)
    broker.subscribe(selector, looks_sync)
    broker.subscribe(selector, rest)
    with pytest.raises(TypeError, match=r"looks_sync is async; use `await broker\.apublish"):
        broker.publish(HAPPENED)
    assert seen == ["called"]


@needs_threads
def test_publish_in_parallel_closes_it_when_all_have_run() -> None:
    broker, seen = EventBroker(parallel=True), list[str]()
    looks_sync, rest = surprises(seen)
    broker.subscribe(Happened, looks_sync)
    broker.subscribe(Happened, rest)
    with pytest.raises(TypeError, match="looks_sync is async"):
        broker.publish(HAPPENED)
    assert sorted(seen) == ["called", "rest"]


@by_class_or_predicate
@pytest.mark.parametrize("options", [{}, {"on_error": "continue"}, in_parallel], ids=str)
def test_the_called_broker_returns_a_coroutine_that_awaits_it_and_runs_the_rest(
    selector: Any, options: dict[str, Any]
) -> None:
    broker, seen = EventBroker(**options), list[str]()
    looks_sync, rest = surprises(seen)
    broker.subscribe(selector, looks_sync)
    broker.subscribe(selector, rest)
    broker.subscribe(selector, partial(looks_sync))
    coroutine = broker(HAPPENED)
    assert asyncio.iscoroutine(coroutine)
    asyncio.run(coroutine)
    if "parallel" in options:
        assert sorted(seen) == ["awaited", "awaited", "called", "called", "rest"]
    else:
        assert seen == ["called", "awaited", "rest", "called", "awaited"]


@by_class_or_predicate
@in_both_orders
def test_apublish_awaits_what_only_the_call_can_show(selector: Any, parallel: bool) -> None:
    broker, seen = EventBroker(parallel=parallel), list[str]()
    looks_sync, rest = surprises(seen)
    broker.subscribe(selector, looks_sync)
    broker.subscribe(selector, rest)
    asyncio.run(broker.apublish(HAPPENED))
    assert sorted(seen) == ["awaited", "called", "rest"]


@needs_threads
def test_a_wrapped_coroutine_function_with_an_error_fails_as_itself() -> None:
    async def failing(event: object) -> None:
        raise LookupError

    @wraps(failing)
    def wrapper(event: object) -> object:
        return failing(event)

    for options in (dict[str, Any](), dict[str, Any](parallel=True)):
        broker = EventBroker(**options)
        broker.subscribe(Happened, wrapper)
        with pytest.raises(LookupError):
            asyncio.run(call_and_await(broker, HAPPENED))


def test_a_future_that_is_not_going_to_be_awaited_is_cancelled() -> None:
    broker = EventBroker()
    futures: list[asyncio.Future[None]] = []

    async def main() -> None:
        def future(event: object) -> object:
            futures.append(asyncio.Future())
            return futures[0]

        broker.subscribe(Happened, future)
        with pytest.raises(TypeError, match="is async"):
            broker.publish(HAPPENED)
        assert futures[0].cancelled()

    asyncio.run(main())


class OddAwaitable:
    def __await__(self) -> Iterator[None]:
        yield


def test_an_awaitable_that_cannot_be_closed_is_refused_too() -> None:
    broker = EventBroker()
    broker.subscribe(Happened, lambda event: OddAwaitable())
    with pytest.raises(TypeError, match=r"<lambda> \(\S*test_broker, line \d+\) is async"):
        broker.publish(HAPPENED)


@with_both
@in_both_orders
def test_a_handler_that_hands_on_to_another_broker_is_finished(publish: Publish, parallel: bool) -> None:
    inner, seen = EventBroker(), list[object]()
    inner.subscribe(Happened, seen.append)
    outer = EventBroker(parallel=parallel)
    outer.subscribe(Happened, inner)
    publish(outer, HAPPENED)
    assert seen == [HAPPENED]


@with_both
@in_both_orders
def test_what_a_handler_returns_is_ignored(publish: Publish, parallel: bool) -> None:
    broker = EventBroker(parallel=parallel)
    broker.subscribe(Happened, lambda event: "result")
    publish(broker, HAPPENED)


# Events without a handler


@with_both
@in_both_orders
def test_e3_an_event_without_a_handler_is_a_named_error(publish: Publish, parallel: bool) -> None:
    broker = EventBroker(parallel=parallel)
    broker.subscribe(Other, print)
    with pytest.raises(UnhandledEventError) as refusal:
        publish(broker, HAPPENED)
    assert refusal.value.event is HAPPENED
    assert refusal.value.aggregate is None
    assert isinstance(refusal.value, NotImplementedError)
    assert isinstance(refusal.value, DDDKitError)
    assert "nobody handles Happened" in str(refusal.value)
    broker.subscribe(lambda event: False, print)
    with pytest.raises(UnhandledEventError):
        publish(broker, HAPPENED)


@with_both
@in_both_orders
def test_e3_it_can_be_ignored_on_request(publish: Publish, parallel: bool) -> None:
    publish(EventBroker(unhandled="ignore", parallel=parallel), HAPPENED)


def test_publishing_a_class_says_so() -> None:
    with pytest.raises(
        UnhandledEventError, match=r"an event is an instance, and Happened is a class; publish Happened\(...\)"
    ):
        EventBroker().publish(Happened)


# Unsubscribing


@with_both
def test_a_subscription_can_be_cancelled(publish: Publish) -> None:
    broker, seen = EventBroker(unhandled="ignore"), list[object]()
    subscriptions = [
        broker.subscribe(Happened, seen.append),
        broker.subscribe(lambda event: True, lambda event: seen.append(2)),
    ]
    publish(broker, HAPPENED)
    assert seen == [HAPPENED, 2]
    for subscription in subscriptions:
        subscription.cancel()
        subscription.cancel()
    publish(broker, HAPPENED)
    assert seen == [HAPPENED, 2]


def test_each_subscription_is_cancelled_alone() -> None:
    broker, seen = EventBroker(), list[object]()
    first = broker.subscribe(Happened, seen.append)
    broker.subscribe(Happened, seen.append)
    first.cancel()
    broker.publish(HAPPENED)
    assert seen == [HAPPENED]


@with_both
def test_e9_decorated_handlers_can_be_unsubscribed(publish: Publish) -> None:
    broker, seen = EventBroker(unhandled="ignore"), list[str]()

    def predicate(event: object) -> bool:
        return True

    @broker.handle(Happened, Other)
    @broker.register(predicate)
    def handler(event: object) -> None:
        seen.append("handled")

    broker.unsubscribe(Happened, handler)
    publish(broker, HAPPENED)
    assert len(seen) == 1
    broker.unsubscribe(predicate, handler)
    publish(broker, HAPPENED)
    assert len(seen) == 1
    publish(broker, Other())
    assert len(seen) == 2
    broker.unsubscribe(Other, handler)
    publish(broker, Other())
    assert len(seen) == 2


def test_methods_and_builtins_are_unsubscribed_by_object_and_name() -> None:
    broker = EventBroker(unhandled="ignore")
    one, other = list[object](), list[object]()
    for handler in (one.append, other.append, one.__contains__):
        broker.subscribe(Happened, handler)
    broker.unsubscribe(Happened, one.append)
    broker.unsubscribe(Happened, one.__contains__)
    broker.publish(HAPPENED)
    assert (one, other) == ([], [HAPPENED])


def test_an_abstract_class_is_unsubscribed_too() -> None:
    class Base(ABC):
        @abstractmethod
        def name(self) -> str: ...

    broker, seen = EventBroker(unhandled="ignore"), list[object]()
    broker.subscribe(Base, seen.append)  # type: ignore[type-abstract]  # as a key
    broker.unsubscribe(Base, seen.append)  # type: ignore[type-abstract]  # as a key
    Base.register(Happened)
    broker.publish(HAPPENED)
    assert seen == []


@pytest.mark.parametrize("selector", [Happened, bool, ABC, anything])
def test_unsubscribing_what_is_not_subscribed_is_an_error(selector: Any) -> None:
    broker = EventBroker()
    broker.subscribe(Other, print)
    with pytest.raises(ValueError, match="print is not subscribed to "):
        broker.unsubscribe(selector, print)


@with_both
def test_a_publish_uses_the_handlers_it_started_with(publish: Publish) -> None:
    broker, seen = EventBroker(), list[str]()

    def changes_its_mind(event: object) -> None:
        seen.append("first")
        subscription.cancel()
        broker.subscribe(Happened, lambda event: seen.append("new"))

    broker.subscribe(Happened, changes_its_mind)
    subscription = broker.subscribe(Happened, lambda event: seen.append("second"))
    publish(broker, HAPPENED)
    assert seen == ["first", "second"]
    publish(broker, HAPPENED)
    assert seen == ["first", "second", "first", "new"]


def test_a_coroutine_made_by_the_broker_uses_the_handlers_of_that_moment() -> None:
    broker, seen = EventBroker(), list[str]()

    async def handler(event: object) -> None:
        seen.append("handled")

    subscription = broker.subscribe(Happened, handler)
    coroutine = broker(HAPPENED)
    subscription.cancel()

    async def main() -> None:
        await coroutine

    asyncio.run(main())
    assert seen == ["handled"]


# Rejected when subscribing


@pytest.mark.parametrize("wrong", ["Happened", 1, Happened(), print], ids=["name", "number", "event", "function"])
def test_handle_and_instance_take_classes(wrong: Any) -> None:
    broker: Any = EventBroker()
    for method in (broker.handle, broker.instance):
        with pytest.raises(TypeError, match=r"takes event classes, and got .*; write (@broker|the class|its class)"):
            method(wrong)
    for several in ([Happened, str], (Happened, str)):
        with pytest.raises(TypeError, match=rf"; write @broker\.handle\({Happened.__qualname__}, str\)$"):
            broker.handle(several)
    with pytest.raises(TypeError, match="handle takes event classes, and got nothing"):
        broker.handle()
    with pytest.raises(TypeError, match="instance takes event classes, and got nothing"):
        broker.instance(())


def test_register_takes_a_predicate() -> None:
    for wrong in (Happened, "predicate"):
        with pytest.raises(
            TypeError, match=r"register takes a predicate, and got .*; write (@broker\.handle|a function)"
        ):
            EventBroker().register(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # rejected


def test_subscribe_takes_a_class_or_predicate_and_a_handler() -> None:
    subscribe: Any = EventBroker().subscribe
    with pytest.raises(TypeError, match="subscribe takes an event class or a predicate, and got 'Happened'"):
        subscribe("Happened", print)
    with pytest.raises(TypeError, match="a handler is called with the event, and 'print' cannot be called"):
        subscribe(Happened, "print")


def test_generators_are_refused_since_their_body_would_not_run() -> None:
    def generator(event: object) -> Iterator[None]:
        yield

    async def async_generator(event: object) -> Any:
        yield

    class Generator:
        def __call__(self, event: object) -> Iterator[None]:
            yield

    for handler in (generator, partial(generator), async_generator, Generator()):
        with pytest.raises(TypeError, match="enerator is a generator: called with an event, its body would not run"):
            EventBroker().subscribe(Happened, handler)


@pytest.mark.parametrize("options", [{"unhandled": "explode"}, {"on_error": None}], ids=str)
def test_unknown_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"(unhandled|on_error) is '\w+' or '\w+', and not"):
        EventBroker(**options)


# Errors


def failing(name: str, seen: list[str], error: BaseException | None = None) -> Callable[[object], None]:
    def handler(event: object) -> None:
        seen.append(name)
        if error is not None:
            raise error

    handler.__qualname__ = name
    return handler


def failing_later(
    name: str, seen: list[str], error: BaseException | None = None
) -> Callable[[object], Awaitable[None]]:
    async def handler(event: object) -> None:
        await asyncio.sleep(0)
        failing(name, seen, error)(event)

    handler.__qualname__ = name
    return handler


@with_both
@by_class_or_predicate
def test_the_first_error_stops_the_publish(selector: Any, publish: Publish) -> None:
    broker, seen, error = EventBroker(), list[str](), LookupError()
    for name, raised in (("a", None), ("b", error), ("c", None)):
        broker.subscribe(selector, failing(name, seen, raised))
    with pytest.raises(LookupError) as raised_error:
        publish(broker, HAPPENED)
    assert raised_error.value is error
    assert seen == ["a", "b"]


@with_both
@in_both_orders
def test_e6_continuing_runs_every_handler_and_raises_every_error(publish: Publish, parallel: bool) -> None:
    broker, seen = EventBroker(on_error="continue", parallel=parallel), list[str]()
    errors = [LookupError("b"), ValueError("c")]
    for name, error in (("a", None), ("b", errors[0]), ("c", errors[1]), ("d", None)):
        broker.subscribe(Happened, failing(name, seen, error))
    with pytest.raises(ExceptionGroup, match="2 handlers of Happened failed") as group:
        publish(broker, HAPPENED)
    assert list(group.value.exceptions) == errors
    assert sorted(seen) == ["a", "b", "c", "d"]
    if not parallel:
        assert seen == ["a", "b", "c", "d"]


@with_async
@in_both_orders
def test_e6_async_handlers_continue_too(publish: Publish, parallel: bool) -> None:
    broker, seen = EventBroker(on_error="continue", parallel=parallel), list[str]()
    errors = [LookupError("b"), ValueError("c")]
    broker.subscribe(Happened, failing_later("a", seen))
    broker.subscribe(Happened, failing_later("b", seen, errors[0]))
    broker.subscribe(Happened, failing("c", seen, errors[1]))
    broker.subscribe(Happened, failing_later("d", seen))
    with pytest.raises(ExceptionGroup) as group:
        publish(broker, HAPPENED)
    assert list(group.value.exceptions) == errors
    assert sorted(seen) == ["a", "b", "c", "d"]


def test_e6_a_surprising_coroutine_counts_as_an_error_of_its_handler() -> None:
    broker, seen = EventBroker(on_error="continue"), list[str]()
    looks_sync, rest = surprises(seen)
    broker.subscribe(Happened, looks_sync)
    broker.subscribe(Happened, rest)
    with pytest.raises(ExceptionGroup) as group:
        broker.publish(HAPPENED)
    assert [type(error) for error in group.value.exceptions] == [TypeError]
    assert seen == ["called", "rest"]


@with_both
def test_without_an_error_continuing_raises_nothing(publish: Publish) -> None:
    broker, seen = EventBroker(on_error="continue"), list[str]()
    broker.subscribe(Happened, failing("a", seen))
    publish(broker, HAPPENED)
    assert seen == ["a"]


@with_both
def test_an_interruption_stops_the_publish_and_logs_the_errors_so_far(
    publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    broker, seen, error = EventBroker(on_error="continue"), list[str](), LookupError("a")
    broker.subscribe(Happened, failing("a", seen, error))
    broker.subscribe(Happened, failing("b", seen, KeyboardInterrupt()))
    broker.subscribe(Happened, failing("c", seen))
    with pytest.raises(KeyboardInterrupt):
        publish(broker, HAPPENED)
    assert seen == ["a", "b"]
    assert logged(caplog) == [("a failed on Happened", error)]


def raising(error: BaseException) -> Callable[[object], bool]:
    def predicate(event: object) -> bool:
        raise error

    return predicate


@with_both
@in_both_orders
def test_fr11_a_predicate_that_raises_counts_as_an_error_of_its_handler(publish: Publish, parallel: bool) -> None:
    broker, seen = EventBroker(on_error="continue", parallel=parallel), list[str]()
    errors = [LookupError("a"), ValueError("b"), KeyError("c")]
    broker.subscribe(Happened, failing("a", seen, errors[0]))
    broker.subscribe(raising(errors[1]), failing("b", seen))
    broker.subscribe(anything, failing("c", seen, errors[2]))
    broker.subscribe(Happened, failing("d", seen))
    for _ in range(2):
        with pytest.raises(ExceptionGroup, match="3 handlers of Happened failed") as group:
            publish(broker, HAPPENED)
        assert list(group.value.exceptions) == errors
    assert sorted(seen) == ["a", "a", "c", "c", "d", "d"]


@with_async
@in_both_orders
def test_fr11_async_handlers_run_too(publish: Publish, parallel: bool) -> None:
    broker, seen = EventBroker(on_error="continue", parallel=parallel), list[str]()
    errors = [ValueError("a"), LookupError("b")]
    broker.subscribe(raising(errors[0]), failing_later("a", seen))
    broker.subscribe(anything, failing_later("b", seen, errors[1]))
    broker.subscribe(Happened, failing_later("c", seen))
    with pytest.raises(ExceptionGroup) as group:
        publish(broker, HAPPENED)
    assert list(group.value.exceptions) == errors
    assert seen == ["b", "c"]


@with_both
@in_both_orders
def test_fr11_a_handler_whose_other_predicate_raises_runs(publish: Publish, parallel: bool) -> None:
    broker, seen, error = EventBroker(on_error="continue", parallel=parallel), list[str](), ValueError()
    handler = failing("a", seen)
    broker.subscribe(raising(error), handler)
    broker.subscribe(Happened, handler)
    with pytest.raises(ExceptionGroup) as group:
        publish(broker, HAPPENED)
    assert list(group.value.exceptions) == [error]
    assert seen == ["a"]


@with_both
@in_both_orders
@pytest.mark.parametrize("unhandled", ["raise", "ignore"])
def test_fr11_an_event_whose_only_predicate_raises_is_an_error_and_not_unhandled(
    publish: Publish, parallel: bool, unhandled: Any
) -> None:
    class NoTruth:
        def __bool__(self) -> bool:
            raise error

    error = ValueError()

    def no_truth(event: object) -> Any:
        return NoTruth()

    for predicate in (raising(error), no_truth):
        broker = EventBroker(on_error="continue", parallel=parallel, unhandled=unhandled)
        broker.subscribe(predicate, failing("a", []))
        with pytest.raises(ExceptionGroup) as group:
            publish(broker, HAPPENED)
        assert list(group.value.exceptions) == [error]


def test_fr11_it_is_logged_where_the_publish_is_rejected(caplog: pytest.LogCaptureFixture) -> None:
    broker, error = EventBroker(on_error="continue"), ValueError()
    broker.subscribe(raising(error), failing("a", []))
    broker.subscribe(Happened, failing_later("b", []))
    with pytest.raises(TypeError, match="b is async"):
        broker.publish(HAPPENED)
    assert logged(caplog) == [("a failed on Happened", error)]


@with_both
@in_both_orders
def test_fr11_where_errors_stop_it_is_raised_before_any_handler_runs(publish: Publish, parallel: bool) -> None:
    broker, seen, error = EventBroker(parallel=parallel), list[str](), ValueError()
    broker.subscribe(Happened, failing("a", seen))
    broker.subscribe(raising(error), failing("b", seen))
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # the very error
        publish(broker, HAPPENED)
    assert raised.value is error
    assert seen == []


@with_both
@in_both_orders
def test_fr11_an_interrupted_predicate_stops_the_publish(publish: Publish, parallel: bool) -> None:
    broker, seen = EventBroker(on_error="continue", parallel=parallel), list[str]()
    broker.subscribe(Happened, failing("a", seen))
    broker.subscribe(raising(KeyboardInterrupt()), failing("b", seen))
    with pytest.raises(KeyboardInterrupt):
        publish(broker, HAPPENED)
    assert seen == []


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, BaseException | None]]:
    records = [record for record in caplog.records if record.name == "dddkit.broker"]
    assert all(record.levelno == logging.ERROR for record in records)
    return [(record.getMessage(), record.exc_info[1] if record.exc_info else None) for record in records]


# Parallel


@needs_threads
@with_both
def test_sync_handlers_run_at_the_same_time_in_threads(publish: Publish) -> None:
    broker, meeting = EventBroker(parallel=True), threading.Barrier(12, timeout=10)
    threads: list[int] = []

    def handler(number: int, event: object) -> None:
        meeting.wait()
        threads.append(threading.get_ident())

    for number in range(12):
        broker.subscribe(Happened, partial(handler, number))
    publish(broker, HAPPENED)
    assert len(threads) == len(set(threads)) == 12


@needs_threads
@with_async
def test_sync_and_async_handlers_run_at_the_same_time(publish: Publish) -> None:
    broker, from_thread = EventBroker(parallel=True), threading.Event()
    seen: list[str] = []

    def sync(event: object) -> None:
        assert from_thread.wait(10)
        seen.append("sync")

    async def first(event: object) -> None:
        while "sync" not in seen:
            await asyncio.sleep(0.001)
        seen.append("async")

    async def second(event: object) -> None:
        from_thread.set()

    for handler in (sync, first, second):
        broker.subscribe(Happened, handler)
    publish(broker, HAPPENED)
    assert seen == ["sync", "async"]


@needs_threads
@with_both
def test_threads_see_the_context_of_the_publisher(publish: Publish) -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")
    broker, seen = EventBroker(parallel=True), list[str]()

    def handler(event: object) -> None:
        seen.append(user.get())

    broker.subscribe(Happened, handler)
    token = user.set("somebody")
    publish(broker, HAPPENED)
    user.reset(token)
    assert seen == ["somebody"]


@needs_threads
@with_both
def test_e7_nothing_is_running_when_a_failed_parallel_publish_returns(
    publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    broker, finished = EventBroker(parallel=True), list[str]()
    first, second = LookupError("first"), ValueError("second")

    def slow(event: object) -> None:
        time.sleep(0.05)
        finished.append("slow")
        raise first

    def quick(event: object) -> None:
        raise second

    broker.subscribe(Happened, slow)
    broker.subscribe(Happened, quick)
    with pytest.raises(LookupError) as raised:
        publish(broker, HAPPENED)
    assert raised.value is first
    assert finished == ["slow"]
    assert logged(caplog) == [(f"{quick.__qualname__} failed on Happened", second)]


@with_async
def test_e7_async_handlers_finish_too(publish: Publish, caplog: pytest.LogCaptureFixture) -> None:
    broker, finished = EventBroker(parallel=True), list[str]()
    first, second = LookupError("first"), ValueError("second")

    async def slow(event: object) -> None:
        await asyncio.sleep(0.05)
        finished.append("slow")
        raise first

    broker.subscribe(Happened, slow)
    broker.subscribe(Happened, failing_later("quick", finished, second))
    with pytest.raises(LookupError) as raised:
        publish(broker, HAPPENED)
    assert raised.value is first
    assert finished == ["quick", "slow"]
    assert logged(caplog) == [("quick failed on Happened", second)]


@with_async
def test_e7_an_async_callable_that_fails_before_its_coroutine_exists_fails_like_the_others(publish: Publish) -> None:
    broker, finished = EventBroker(parallel=True), list[str]()

    async def takes_nothing() -> None: ...

    broken: Any = partial(takes_nothing)  # a plain function is rejected when it is subscribed
    broker.subscribe(Happened, broken)
    broker.subscribe(Happened, failing_later("other", finished))
    with pytest.raises(TypeError, match="takes 0 positional arguments"):
        publish(broker, HAPPENED)
    assert finished == ["other"]


@needs_threads
@with_both
def test_e7_an_interruption_in_a_parallel_handler_comes_before_errors(
    publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    broker, seen, error = EventBroker(parallel=True, on_error="continue"), list[str](), LookupError()
    broker.subscribe(Happened, failing("a", seen, error))
    broker.subscribe(Happened, failing("b", seen, SystemExit(3)))
    with pytest.raises(SystemExit):
        publish(broker, HAPPENED)
    assert sorted(seen) == ["a", "b"]


def test_e7_a_handler_that_cancels_itself_is_no_success() -> None:
    broker = EventBroker(parallel=True, on_error="continue")

    async def gives_up(event: object) -> None:
        raise asyncio.CancelledError

    broker.subscribe(Happened, gives_up)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(broker.apublish(HAPPENED))


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Make Ctrl-C raise KeyboardInterrupt, even if the shell that started the tests ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@needs_threads
@pytest.mark.usefixtures("ctrl_c")
def test_e7_ctrl_c_waits_for_the_threads(caplog: pytest.LogCaptureFixture) -> None:
    import _thread

    broker, finished, error = EventBroker(parallel=True), list[str](), LookupError()

    def slow(event: object) -> None:
        time.sleep(0.02)
        _thread.interrupt_main()
        time.sleep(0.05)
        finished.append("slow")
        raise error

    broker.subscribe(Happened, slow)
    with pytest.raises(KeyboardInterrupt):
        broker.publish(HAPPENED)
    assert finished == ["slow"]
    assert logged(caplog) == [(f"{slow.__qualname__} failed on Happened", error)]


@needs_threads
@pytest.mark.usefixtures("ctrl_c")
def test_e7_ctrl_c_closes_a_surprising_coroutine() -> None:
    import _thread

    broker, seen = EventBroker(parallel=True), list[str]()
    looks_sync, _ = surprises(seen)

    def slow(event: object) -> object:
        time.sleep(0.02)
        _thread.interrupt_main()
        time.sleep(0.05)
        return looks_sync(event)

    broker.subscribe(Happened, slow)
    with pytest.raises(KeyboardInterrupt):
        broker(HAPPENED)
    assert seen == ["called"]


@needs_threads
def test_e7_a_handler_that_has_not_started_when_interrupted_never_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, seen, late = EventBroker(parallel=True), list[str](), list[threading.Thread]()
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        late.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    broker.subscribe(Happened, failing("a", seen))
    with pytest.raises(KeyboardInterrupt):
        broker.publish(HAPPENED)
    start(late[0])
    late[0].join()
    assert seen == []


@needs_threads
def test_e7_when_a_thread_cannot_be_started_those_started_before_have_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, seen = EventBroker(parallel=True), list[str]()
    started = 0
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        nonlocal started
        started += 1
        if started > 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    for name in "abc":
        broker.subscribe(Happened, failing(name, seen))
    with pytest.raises(RuntimeError, match="can't start new thread"):
        broker.publish(HAPPENED)
    assert sorted(seen) == ["a", "b"]
    with pytest.raises(RuntimeError, match="can't start new thread"):
        asyncio.run(broker.apublish(HAPPENED))


@needs_threads
@pytest.mark.parametrize("times", [1, 2])
def test_e7_cancelling_a_parallel_publish_leaves_nothing_running(times: int, caplog: pytest.LogCaptureFixture) -> None:
    broker, seen = EventBroker(parallel=True), list[str]()
    error, running = LookupError(), threading.Event()

    def in_thread(event: object) -> None:
        running.set()
        time.sleep(0.1)
        seen.append("thread")

    def failing_in_thread(event: object) -> None:
        time.sleep(0.1)
        raise error

    async def surprise() -> None:
        raise AssertionError("cancelled before it began")

    def surprising(event: object) -> object:
        time.sleep(0.1)
        return surprise()

    async def waits(event: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cancelled")

    for handler in (in_thread, failing_in_thread, waits, surprising):
        broker.subscribe(Happened, handler)

    async def main() -> None:
        task = asyncio.ensure_future(broker.apublish(HAPPENED))
        while not running.is_set():
            await asyncio.sleep(0.001)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(seen) == ["cancelled", "thread"]

    asyncio.run(main())
    assert logged(caplog) == [(f"{failing_in_thread.__qualname__} failed on Happened", error)]


# Cost and threads


def test_e12_the_cost_of_a_publish_does_not_grow_with_the_number_of_subscriptions() -> None:
    def steps(subscriptions: int) -> int:
        """Return how many lines of Python a publish runs; unlike time, this does not depend on the load."""
        broker, count = EventBroker(), 0
        for number in range(subscriptions):
            broker.subscribe(type(f"Event{number}", (DomainEvent,), {}), lambda event: None)
        broker.subscribe(Happened, lambda event: None)
        broker.publish(HAPPENED)

        def trace(*_: Any) -> Any:
            nonlocal count
            count += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            broker.publish(HAPPENED)
        finally:
            sys.settrace(before)
        return count

    assert steps(1) == steps(100) == steps(2000)


@needs_threads
def test_subscribing_and_publishing_are_safe_from_several_threads() -> None:
    broker, stop = EventBroker(), threading.Event()
    kept: list[object] = []
    keys: list[Any] = [Happened, anything]
    errors: list[BaseException] = []
    broker.subscribe(Happened, kept.append)

    def churn() -> None:
        while not stop.is_set():
            for selector in keys:
                broker.subscribe(selector, lambda event: None).cancel()

    def publish() -> None:
        try:
            for _ in range(300):
                broker.publish(HAPPENED)
        except BaseException as error:
            errors.append(error)

    churners = [threading.Thread(target=churn) for _ in range(2)]
    publishers = [threading.Thread(target=publish) for _ in range(3)]
    for thread in (*churners, *publishers):
        thread.start()
    for thread in publishers:
        thread.join()
    stop.set()
    for thread in churners:
        thread.join()
    assert errors == []
    assert len(kept) == 900


class Undecided(Exception):
    def __bool__(self) -> bool:
        raise ZeroDivisionError("bool")


class Stopped: ...


def test_fr20_an_interrupt_propagates_whatever_the_error_before_it_does() -> None:
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):  # pytest's handler would format the error
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keep()
    logger = logging.getLogger("dddkit.broker")

    def fail(event: Stopped) -> None:
        raise Undecided

    def interrupt(event: Stopped) -> None:
        raise KeyboardInterrupt

    broker = EventBroker(on_error="continue")
    broker.subscribe(Stopped, fail)
    broker.subscribe(Stopped, interrupt)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with pytest.raises(KeyboardInterrupt):
            broker.publish(Stopped())
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
    assert [record.exc_info[0] for record in records if record.exc_info] == [Undecided]
