"""Which handlers a broker awaits, what it says where nobody awaits it, and where it can await them at all."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from dddkit._awaitables import FINISHED
from dddkit.dataclasses import DomainEvent, EventBroker
from dddkit.exceptions import UnhandledEventError
from dddkit.stories import I, Story
from tests.blocks.flavours import Flavour, in_both_flavours, needs_threads


class Happened(DomainEvent):
    pass


HAPPENED = Happened()

OPTIONS: list[dict[str, Any]] = [{}, {"on_error": "continue"}]
PARALLEL: list[dict[str, Any]] = [{"parallel": True}, {"parallel": True, "on_error": "continue"}]
with_options = pytest.mark.parametrize(
    "options", [*OPTIONS, *(pytest.param(each, marks=needs_threads) for each in PARALLEL)], ids=str
)
in_parallel = pytest.mark.parametrize(
    "options", [pytest.param(each, marks=needs_threads) for each in PARALLEL], ids=str
)


# Stories


def story_handlers(seen: list[str]) -> dict[str, Callable[[], Callable[[Any], Any]]]:
    """Return ways to give an async story as a handler, each of a class that has never run."""

    def make() -> Story:
        class Notify(Story):
            I.look_up
            I.send

            def look_up(self, state: object) -> None:
                seen.append("look up")

            async def send(self, state: object) -> None:
                await asyncio.sleep(0)
                seen.append("send")

        return Notify()

    async def send(state: object) -> None:
        seen.append("send")

    def make_injected(step: Any) -> Story:
        @dataclass
        class Injected(Story):
            I.look_up
            I.send

            send: Callable[[object], Any]

            def look_up(self, state: object) -> None:
                seen.append("look up")

        return Injected(send=step)

    def make_child() -> Story:
        class Notify(Story):
            I.look_up
            I.send

            def look_up(self, state: object) -> None: ...

            def send(self, state: object) -> None: ...

        class Child(Notify):
            async def send(self, state: object) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point
                seen.append("send")

        Notify()(HAPPENED)
        return Child()

    return {
        "story": make,
        "partial": lambda: partial(make()),
        "partial of partial": lambda: partial(partial(make())),
        "bound call": lambda: make().__call__,
        "partial of bound call": lambda: partial(make().__call__),
        "injected step": lambda: make_injected(send),
        "injected step, bound call": lambda: make_injected(send).__call__,
        "nested story": lambda: make_injected(make()),
        "nested story, partial": lambda: partial(make_injected(make_injected(send))),
        "child of a story that has run": make_child,
    }


each_story = pytest.mark.parametrize("kind", story_handlers([]))


@with_options
@each_story
def test_fb1_an_async_story_is_an_async_handler_before_anything_runs(options: dict[str, Any], kind: str) -> None:
    seen: list[str] = []
    broker = EventBroker(**options)
    broker.subscribe(Happened, lambda event: seen.append("first"))
    broker.subscribe(Happened, story_handlers(seen)[kind]())
    with pytest.raises(TypeError, match="is async; use `await broker"):
        broker.publish(HAPPENED)
    coroutine = broker(HAPPENED)
    assert inspect.iscoroutine(coroutine)
    coroutine.close()
    assert seen == []
    asyncio.run(broker.apublish(HAPPENED))
    assert sorted({*seen}) in (["first", "look up", "send"], ["first", "send"])
    seen.clear()
    with pytest.raises(TypeError, match="is async"):
        broker.publish(HAPPENED)
    assert seen == []


@with_options
def test_fb1_a_sync_story_is_a_sync_handler(options: dict[str, Any]) -> None:
    seen: list[str] = []

    @dataclass
    class Count(Story):
        I.count

        count: Callable[[object], None]

    story = Count(count=lambda state: seen.append("count"))
    for handler in (story, partial(story), story.__call__):
        broker = EventBroker(**options)
        broker.subscribe(Happened, handler)
        broker.publish(HAPPENED)
        assert broker(HAPPENED) is FINISHED
    assert seen == ["count"] * 6


# A coroutine that nobody awaits


async def later(event: object) -> None: ...


class Bus(EventBroker):
    """A broker by another name."""


@pytest.mark.parametrize("broker_class", [EventBroker, Bus])
@with_options
@in_both_flavours
def test_fb4_the_warning_of_a_publish_that_nobody_awaits_names_broker_and_event(
    flavour: type[Flavour], options: dict[str, Any], broker_class: type[EventBroker]
) -> None:
    by_class, by_predicate = broker_class(**options), broker_class(**options)
    by_class.subscribe(flavour.Placed, later)
    by_predicate.subscribe(callable, print)
    by_predicate.subscribe(lambda event: True, later)
    name, event = broker_class.__qualname__, flavour.Placed()
    for broker in (by_class, by_class, by_predicate):
        with pytest.warns(RuntimeWarning) as caught:
            broker(event)
        (warning,) = caught
        expected = f"coroutine '{name}.apublish({flavour.Placed.__qualname__})' was never awaited"
        assert str(warning.message).startswith(expected)
        assert warning.filename == __file__


class Answer:
    """An awaitable that is no coroutine."""

    def __await__(self) -> Generator[None, Any, None]:
        yield


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_fb4_the_warning_names_them_where_only_the_call_shows_that_a_handler_is_async(options: dict[str, Any]) -> None:
    broker = EventBroker(**options)
    broker.subscribe(Happened, lambda event: Answer())
    with pytest.warns(RuntimeWarning, match=r"'EventBroker\.apublish\(Happened\)' was never awaited"):
        broker(HAPPENED)


@with_options
def test_fb4_the_warning_of_apublish_names_them_too(options: dict[str, Any]) -> None:
    """Below 3.12 only a real `async def` is known as a coroutine function, and its coroutine has one name for all."""
    for broker in (EventBroker(**options), Bus(**options)):
        broker.subscribe(Happened, later)
        name = f"{type(broker).__name__}.apublish(Happened)" if sys.version_info >= (3, 12) else "EventBroker.apublish"
        for publish in (broker.apublish, broker.async_publish, broker.apublish):
            with pytest.warns(RuntimeWarning) as caught:
                publish(HAPPENED)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]  # the point
            (warning,) = caught
            assert str(warning.message).startswith(f"coroutine '{name}' was never awaited")
            assert warning.filename == __file__


def test_fb4_an_event_without_handler_is_an_error_where_it_is_awaited() -> None:
    coroutine = EventBroker().apublish(HAPPENED)
    with pytest.raises(UnhandledEventError):
        asyncio.run(coroutine)


def test_fb4_apublish_is_a_coroutine_function() -> None:
    broker = EventBroker()
    for publish in (broker.apublish, broker.async_publish, EventBroker.apublish):
        assert inspect.iscoroutinefunction(publish)
        assert asyncio.iscoroutinefunction(publish) if sys.version_info < (3, 14) else True


# Outside asyncio


def drive(awaitable: Awaitable[None]) -> None:
    """Run a coroutine as trio does: with a loop that is none of asyncio's."""
    coroutine: Any = awaitable
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        pass


def publishes(broker: EventBroker) -> dict[str, Callable[[], Awaitable[None]]]:
    return {"apublish": lambda: broker.apublish(HAPPENED), "call": lambda: broker(HAPPENED)}


@in_parallel
@pytest.mark.parametrize("way", ["apublish", "call"])
def test_fb5_async_parallel_publishing_outside_asyncio_is_an_error_before_any_handler_runs(
    options: dict[str, Any], way: str
) -> None:
    broker, seen = EventBroker(**options), list[str]()

    async def handler(event: object) -> None:
        seen.append("async")

    broker.subscribe(Happened, lambda event: seen.append("sync"))
    broker.subscribe(Happened, handler)
    with pytest.raises(RuntimeError, match=r"parallel=True .* asyncio, .* publish with a broker without parallel=True"):
        drive(publishes(broker)[way]())
    assert seen == []


@in_parallel
def test_fb5_so_is_a_coroutine_of_a_handler_that_looks_sync(options: dict[str, Any]) -> None:
    broker, coroutines = EventBroker(**options), list[Coroutine[Any, Any, None]]()

    def handler(event: object) -> object:
        coroutines.append(later(event))
        return coroutines[-1]

    broker.subscribe(Happened, handler)
    with pytest.raises(RuntimeError, match="asyncio"):
        drive(broker(HAPPENED))
    assert [inspect.getcoroutinestate(each) for each in coroutines] == [inspect.CORO_CLOSED]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("way", ["apublish", "call"])
def test_fb5_without_parallel_any_loop_will_do(options: dict[str, Any], way: str) -> None:
    broker, seen = EventBroker(**options), list[str]()

    async def handler(event: object) -> None:
        await Answer()
        seen.append("async")

    broker.subscribe(Happened, lambda event: seen.append("sync"))
    broker.subscribe(Happened, handler)
    drive(publishes(broker)[way]())
    assert seen == ["sync", "async"]


@in_parallel
def test_fb5_sync_handlers_and_no_handlers_need_no_loop(options: dict[str, Any]) -> None:
    broker, seen = EventBroker(unhandled="ignore", **options), list[object]()
    drive(broker.apublish(HAPPENED))
    broker.subscribe(Happened, seen.append)
    broker.publish(HAPPENED)
    broker(HAPPENED)
    assert seen == [HAPPENED] * 2


# What a handler in a thread raises


def stop_iteration(event: object) -> None:
    next(iter(()))


def stop_async_iteration(event: object) -> None:
    raise StopAsyncIteration


def generator_exit(event: object) -> None:
    raise GeneratorExit


class Slotted(Exception):
    __slots__ = ()


def slotted(event: object) -> None:
    raise Slotted


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError

    def __bool__(self) -> bool:
        raise ValueError

    def __eq__(self, other: object) -> bool:
        raise ValueError

    def __hash__(self) -> int:
        raise ValueError


def unprintable(event: object) -> None:
    raise Unprintable


def ended(call: Callable[[], Any]) -> BaseException:
    """Return what the call raises; fail where it hangs."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it hangs"
    return errors[0]


def alone(error: Any) -> BaseException:
    """Return the only error of a group, or the error itself."""
    errors: list[BaseException] = [*getattr(error, "exceptions", [error])]
    assert len(errors) == 1
    return errors[0]


@needs_threads
@pytest.mark.parametrize("parallel", [False, True], ids=["sequential", "parallel"])
def test_fr1_a_sync_handler_that_raises_stop_iteration_ends_the_publish(parallel: bool) -> None:
    broker, seen = EventBroker(parallel=parallel), list[object]()
    broker.subscribe(Happened, stop_iteration)
    broker.subscribe(Happened, later)
    if parallel:
        broker.subscribe(Happened, seen.append)
    for publish in (lambda: asyncio.run(broker.apublish(HAPPENED)), lambda: asyncio.run(call_and_await(broker))):
        error = ended(publish)
        assert type(error) is RuntimeError
        assert str(error) == "coroutine raised StopIteration"
        assert type(error.__cause__) is StopIteration
    assert seen == [HAPPENED] * 2 * parallel


async def call_and_await(broker: EventBroker) -> None:
    await broker(HAPPENED)


@needs_threads
@with_options
def test_fr1_without_a_coroutine_it_stays_stop_iteration(options: dict[str, Any]) -> None:
    broker = EventBroker(**options)
    broker.subscribe(Happened, stop_iteration)
    error = alone(ended(lambda: broker.publish(HAPPENED)))
    assert type(error) is StopIteration


@in_parallel
@pytest.mark.parametrize("handler", [stop_async_iteration, generator_exit, slotted, unprintable])
def test_fr1_whatever_a_handler_in_a_thread_raises_ends_the_publish(
    options: dict[str, Any], handler: Callable[[object], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "dddkit.broker")
    broker = EventBroker(**options)
    broker.subscribe(Happened, handler)
    broker.subscribe(Happened, later)
    error = alone(ended(lambda: asyncio.run(broker.apublish(HAPPENED))))
    assert type(error).__name__.lower() == handler.__name__.replace("_", "")


@in_parallel
def test_fr1_a_handler_that_looks_sync_and_whose_coroutine_fails_is_an_error(options: dict[str, Any]) -> None:
    async def fails(event: object) -> None:
        stop_iteration(event)

    broker = EventBroker(**options)
    broker.subscribe(Happened, later)
    broker.subscribe(Happened, lambda event: fails(event))
    error = alone(ended(lambda: asyncio.run(broker.apublish(HAPPENED))))
    assert type(error) is RuntimeError
