"""Runs, publishes and removed hooks leak no memory; `make bench` repeats them a million times."""

from __future__ import annotations

import asyncio
import gc
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
from dddkit.stories import I, Story, StoryState, inject_hooks, variable

ROUNDS = 1_000
HELD = 8 * 1024  # bytes that the interpreter itself may keep for frames and free lists


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


def hooks_that_come_and_go() -> None:
    for _ in range(ROUNDS):
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


@pytest.mark.skipif(sys.gettrace() is not None, reason="what measures coverage keeps memory of its own")
@pytest.mark.parametrize(
    "work",
    [
        runs,
        async_runs,
        nested_runs,
        failing_runs,
        hooks_that_come_and_go,
        publishes,
        subscriptions_that_come_and_go,
        blocks_left_elsewhere,
        failing_folds,
    ],
)
def test_nothing_is_left_behind(work: Callable[[], None]) -> None:
    work()  # the first run prepares the classes
    gc.collect()
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        work()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < HELD
    finally:
        tracemalloc.stop()
