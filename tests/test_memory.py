"""Runs, publishes and removed hooks leak no memory; `make bench` repeats them a million times."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any, NamedTuple

import pytest

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler, EventBroker
from dddkit.exceptions import UnhandledEventError
from dddkit.stories import I, Story, StoryState, inject_hooks, variable
from tests.blocks.flavours import needs_threads

ROUNDS = 1_000
HELD = 8 * 1024  # bytes that the interpreter itself may keep for frames and free lists


@pytest.fixture(autouse=True)
def log_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "dddkit")  # pytest would keep the records


class Sale(Story):
    I.reserve
    I.charge

    class State(StoryState):
        items: list[str] = []
        payment: str = variable()

    def reserve(self, state: State) -> None:
        state.items.append("tea")

    def charge(self, state: State) -> None:
        state.payment = "paid"


class AsyncSale(Sale):
    async def charge(self, state: Sale.State) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point
        await asyncio.sleep(0)
        state.payment = "paid"


@dataclass
class Outer(Story):
    I.inner

    inner: Any


class Failing(Sale):
    def charge(self, state: Sale.State) -> None:
        raise ValueError("declined")


async def often(story: Callable[[], Any]) -> None:
    for _ in range(ROUNDS):
        await story()(Sale.State())


def runs() -> None:
    for _ in range(ROUNDS):
        Sale()(Sale.State())


def async_runs() -> None:
    asyncio.run(often(AsyncSale))


def nested_runs() -> None:
    with inject_hooks(Sale), inject_hooks(Outer):
        for _ in range(ROUNDS):
            Outer(Sale())(Sale.State())


def failing_runs() -> None:
    with inject_hooks(Failing, []):
        for _ in range(ROUNDS):
            with pytest.raises(ValueError, match="declined"):
                Failing()(Sale.State())


def failing_runs_with_hooks() -> None:
    with inject_hooks(Failing):
        for _ in range(ROUNDS // 10):
            with pytest.raises(ValueError, match="declined"):
                Failing()(Sale.State())


@dataclass
class Consume(Story):
    I.consume

    story: Callable[[Sale.State], Any]

    def consume(self, state: list[int]) -> None:
        """Run a story often inside one step; note the memory it takes at the beginning and at the end."""
        for index in range(ROUNDS):
            with suppress(ValueError):
                self.story(Sale.State())
            if index in (100, ROUNDS - 1):
                gc.collect()
                state.append(tracemalloc.get_traced_memory()[0])


def hooks_that_come_and_go() -> None:
    for _ in range(ROUNDS // 4):
        with inject_hooks(Sale):
            Sale()(Sale.State())
        Sale()(Sale.State())


def publishes() -> None:
    broker = EventBroker()

    def handle(event: Sale.State) -> None: ...

    broker.subscribe(Sale.State, handle)
    for _ in range(ROUNDS):
        broker(Sale.State())


def subscriptions_that_come_and_go() -> None:
    broker = EventBroker(unhandled="ignore")

    def handle(event: Sale.State) -> None: ...

    for _ in range(ROUNDS):
        subscription = broker.subscribe(Sale.State, handle)
        broker(Sale.State())
        subscription.cancel()
        broker(Sale.State())


class Basket(Aggregate):
    class Added(AggregateEvent): ...


class Added(NamedTuple):
    number: int


class Changes(ChangesHandler[Basket, Added]):
    result_type = Added

    def _clear_state(self) -> None:
        self.number = 0

    @singledispatchmethod
    def handle_changes(self, event: object, aggregate: Basket) -> None:
        self.number += 1


def fold_in_a_block(handler: Changes) -> None:
    basket = Basket()
    basket.add_event(basket.Added())
    handler.__enter__()(basket)


def blocks_left_elsewhere() -> None:
    handler = Changes()
    for number in range(ROUNDS):
        copy_context().run(fold_in_a_block, handler)
        if number % 10 == 9:
            with suppress(RuntimeError):  # with several blocks it is not known which one ends
                handler.__exit__(None, None, None)
        elif number % 10 == 0:
            handler.__exit__(None, None, None)


def failing_folds() -> None:
    handler = Changes()
    for _ in range(ROUNDS):
        with suppress(OSError), handler:
            fold_in_a_block(handler)
            handler.__exit__(None, None, None)
            raise OSError


BROKERS = [
    EventBroker(on_error="continue"),
    EventBroker(on_error="continue", parallel=True),
    EventBroker(parallel=True),
]
"""They live as long as a service; what they keep stays."""


def decline(event: Sale.State) -> None:
    raise ValueError("declined")


def failing_publishes() -> None:
    for broker in BROKERS:
        subscription = broker.subscribe(Sale.State, decline)
        for _ in range(ROUNDS // 10):
            with suppress(Exception):
                broker.publish(Sale.State())
        subscription.cancel()


def failing_async_publishes() -> None:
    async def main() -> None:
        for broker in BROKERS:
            subscription = broker.subscribe(Sale.State, decline)
            for _ in range(ROUNDS // 10):
                with suppress(Exception):
                    await broker.apublish(Sale.State())
            subscription.cancel()

    asyncio.run(main())


def event_classes_that_come_and_go() -> None:
    for broker in BROKERS:
        for number in range(ROUNDS // 10):
            event_class = type(f"Event{number}", (), {})
            subscription = broker.subscribe(event_class, type)
            broker.publish(event_class())
            subscription.cancel()
            with suppress(UnhandledEventError):
                broker.publish(event_class())


measures_memory = pytest.mark.skipif(
    sys.gettrace() is not None, reason="what measures coverage keeps memory of its own"
)


@measures_memory
@pytest.mark.parametrize(
    "work",
    [
        runs,
        async_runs,
        nested_runs,
        failing_runs,
        failing_runs_with_hooks,
        hooks_that_come_and_go,
        publishes,
        subscriptions_that_come_and_go,
        blocks_left_elsewhere,
        failing_folds,
        pytest.param(failing_publishes, marks=needs_threads),
        pytest.param(failing_async_publishes, marks=needs_threads),
        pytest.param(event_classes_that_come_and_go, marks=needs_threads),
    ],
)
def test_nothing_is_left_behind(work: Callable[[], None]) -> None:
    work()  # the first run prepares the classes
    gc.collect()
    tracemalloc.start()
    try:
        work()
        # What other threads of this process allocate meanwhile counts too, but not three times; a leak grows each time.
        assert any(_grown(work) < HELD for _ in range(3))
    finally:
        tracemalloc.stop()


def _grown(work: Callable[[], None]) -> int:
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    work()
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - before


@measures_memory
@pytest.mark.parametrize("story", [Sale, Failing])
def test_fr3_fr4_a_step_that_runs_a_story_again_and_again_does_not_grow(
    story: type[Sale],
) -> None:
    with inject_hooks(story), inject_hooks(Consume):
        Consume(story())([])
        tracemalloc.start()
        try:
            memory: list[int] = []
            Consume(story())(memory)
        finally:
            tracemalloc.stop()
    assert memory[1] - memory[0] < HELD


def story_classes(number: int, used_every: int) -> None:
    for index in range(number):

        class Temporary(Story):
            I.reserve

            def reserve(self, state: object) -> None: ...

        if index % used_every == 0:
            with inject_hooks(Temporary):
                Temporary()(None)


@measures_memory
@pytest.mark.parametrize(("number", "used_every"), [(500, 1), pytest.param(100_000, 100, marks=pytest.mark.slow)])
def test_story_classes_made_at_run_time_are_freed(number: int, used_every: int) -> None:
    story_classes(200, used_every)
    gc.collect()
    before = len(gc.get_objects())
    story_classes(number, used_every)
    gc.collect()
    assert len(gc.get_objects()) - before < 200
