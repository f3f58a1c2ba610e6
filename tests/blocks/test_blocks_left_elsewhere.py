"""Blocks of a changes handler that another task, thread or context leaves than the one that opened them."""

from __future__ import annotations

import asyncio
import gc
import threading
import types
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import singledispatchmethod
from typing import Any, NamedTuple
from weakref import ref

import pytest

from dddkit.dataclasses import ChangesHandler
from tests.blocks.flavours import Dataclasses, Flavour, in_both_flavours, needs_threads

# Any: the aggregates are of a flavour chosen at run time.

MANY = r"Changes: the block was opened by another task or thread, and \d+ blocks are open .* one handler per request"


class Added(NamedTuple):
    added: list[str]


class Changes(ChangesHandler[Any, Added]):
    result_type = Added

    def _clear_state(self) -> None:
        self.added: list[str] = []

    @singledispatchmethod
    def handle_changes(self, event: Any, aggregate: Any) -> None:
        if event.item == "poison":
            raise ValueError("poison")
        self.added.append(event.item)


class SlottedChanges(Changes):
    __slots__ = ("added",)


def basket_with(flavour: type[Flavour], *items: str) -> Any:
    basket = flavour.Basket(basket_id=1)
    for item in items:
        basket.add(item)
    return basket


def pending(basket: Any) -> list[str]:
    return [event.item for event in basket.get_events()]


def in_copy(call: Callable[..., Any], *arguments: Any) -> Any:
    return copy_context().run(call, *arguments)


def in_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call, *arguments).result()


def in_thread_with_copy(call: Callable[..., Any], *arguments: Any) -> Any:
    return in_thread(copy_context().run, call, *arguments)


def in_task(call: Callable[..., Any], *arguments: Any) -> Any:
    async def main() -> Any:
        return call(*arguments)

    return asyncio.run(main())


def here(call: Callable[..., Any], *arguments: Any) -> Any:
    return call(*arguments)


ELSEWHERE: list[Any] = [
    in_copy,
    in_task,
    *(pytest.param(way, marks=needs_threads, id=way.__name__) for way in (in_thread, in_thread_with_copy)),
]
opened_elsewhere = pytest.mark.parametrize("opened", ELSEWHERE)
left_anywhere = pytest.mark.parametrize("left", [here, *ELSEWHERE])


# One block


@in_both_flavours
@opened_elsewhere
@left_anywhere
def test_fr6_the_only_block_of_a_handler_is_left_from_anywhere(flavour: type[Flavour], opened: Any, left: Any) -> None:
    for ends_well in (True, False):
        handler, basket = Changes(), basket_with(flavour, "tea")
        changes_of = opened(handler.__enter__)
        assert changes_of(basket) == Added(["tea"])
        assert pending(basket) == ["tea"]
        left(handler.__exit__, *((None, None, None) if ends_well else (OSError, OSError(), None)))
        assert pending(basket) == ([] if ends_well else ["tea"])
        basket.add("milk")
        assert changes_of(basket).added[-1:] == ["milk"]  # a handler like any other
        assert pending(basket) == []


@in_both_flavours
@opened_elsewhere
def test_fr6_nested_blocks_are_left_innermost_first(flavour: type[Flavour], opened: Any) -> None:
    handler, basket = Changes(), basket_with(flavour, "tea")

    def open_two() -> None:
        handler.__enter__()(basket)
        basket.add("milk")
        assert handler.__enter__()(basket) == Added(["milk"])

    opened(open_two)
    handler.__exit__(None, None, None)
    assert pending(basket) == ["tea"]
    handler.__exit__(OSError, OSError(), None)
    assert pending(basket) == ["tea"]
    with pytest.raises(RuntimeError, match="Changes: no block is open on this handler"):
        handler.__exit__(None, None, None)


@needs_threads
@in_both_flavours
def test_fr6_a_generator_may_be_entered_and_left_in_different_threads(flavour: type[Flavour]) -> None:
    @contextmanager
    def dependency(handler: Changes) -> Generator[Changes]:
        with handler as changes_of:
            yield changes_of

    for _ in range(3):
        basket, manager = basket_with(flavour, "tea"), dependency(Changes())
        changes_of: Changes = in_thread_with_copy(manager.__enter__)
        assert in_thread_with_copy(changes_of, basket) == Added(["tea"])
        in_thread_with_copy(manager.__exit__, None, None, None)
        assert pending(basket) == []


def test_fr6_a_generator_that_is_dropped_leaves_its_block() -> None:
    def fixture(handler: Changes) -> Iterator[Changes]:
        with handler as changes_of:
            yield changes_of

    handler, basket = Changes(), basket_with(Dataclasses, "tea")
    generator = fixture(handler)
    in_copy(generator.__next__)(basket)
    del generator
    gc.collect()
    assert pending(basket) == ["tea"]
    assert handler(basket) == Added(["tea"])
    assert pending(basket) == []


@in_both_flavours
def test_fr6_an_async_generator_may_be_entered_and_left_in_different_tasks(flavour: type[Flavour]) -> None:
    async def dependency(handler: Changes) -> AsyncGenerator[Changes]:
        with handler as changes_of:
            yield changes_of

    async def main() -> None:
        basket, generator = basket_with(flavour, "tea"), dependency(Changes())
        changes_of = await asyncio.ensure_future(anext(generator))
        assert changes_of(basket) == Added(["tea"])
        assert pending(basket) == ["tea"]
        with suppress(StopAsyncIteration):
            await asyncio.ensure_future(anext(generator))
        assert pending(basket) == []

    asyncio.run(main())


@needs_threads
def test_fr6_a_dependency_of_fastapi_with_a_block_ends_it() -> None:
    fastapi = pytest.importorskip("fastapi")
    baskets: list[Any] = []

    def changes() -> Iterator[Changes]:
        with Changes() as changes_of:
            yield changes_of

    app: Any = fastapi.FastAPI()
    depends: Any = fastapi.Depends(changes)

    def sell(changes_of: Any = depends) -> list[str]:
        basket = basket_with(Dataclasses, "tea")
        baskets.append(basket)
        folded: list[str] = changes_of(basket).added
        assert pending(basket) == ["tea"]
        return folded

    async def sell_async(changes_of: Any = depends) -> list[str]:
        return sell(changes_of)

    app.post("/sell")(sell)
    app.post("/sell-async")(sell_async)

    async def request(path: str) -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        http: dict[str, Any] = {"type": "http", "http_version": "1.1", "scheme": "http", "server": ("localhost", 80)}
        scope: dict[str, Any] = {
            **http,
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [],
            "root_path": "",
        }
        await app(scope, receive, send)
        return int(sent[0]["status"])

    async def main() -> list[int]:
        return await asyncio.gather(*(request(path) for path in ["/sell", "/sell-async"] * 10))

    assert asyncio.run(main()) == [200] * 20
    assert [pending(basket) for basket in baskets] == [[]] * 20


# Several blocks


@in_both_flavours
@opened_elsewhere
@left_anywhere
def test_fr6_with_several_blocks_it_is_not_known_which_ends(flavour: type[Flavour], opened: Any, left: Any) -> None:
    handler, baskets = Changes(), [basket_with(flavour, item) for item in ("tea", "milk")]
    for basket in baskets:
        opened(lambda basket=basket: handler.__enter__()(basket))
    with pytest.raises(RuntimeError, match=MANY):
        left(handler.__exit__, None, None, None)
    assert [pending(basket) for basket in baskets] == [["tea"], ["milk"]]


@opened_elsewhere
@pytest.mark.parametrize("handler_class", [Changes, SlottedChanges])
@in_both_flavours
def test_fr6_they_are_freed_with_their_aggregates(flavour: type[Flavour], opened: Any, handler_class: Any) -> None:
    handler, aggregates = handler_class(), list[ref[Any]]()

    def open_one() -> None:
        basket = basket_with(flavour, "tea")
        aggregates.append(ref(basket))
        handler.__enter__()(basket)
        basket.add("milk")
        handler.__enter__()(basket)

    for _ in range(3):
        opened(open_one)
    with pytest.raises(RuntimeError, match=MANY):
        handler.__exit__(None, None, None)
    basket = basket_with(flavour, "sugar")
    opened(lambda: handler.__enter__()(basket))
    handler.__exit__(None, None, None)  # the only one again
    assert pending(basket) == []
    gc.collect()
    assert [aggregate() for aggregate in aggregates] == [None] * 3
    basket = basket_with(flavour, "sugar")
    with handler as changes_of:
        assert changes_of(basket) == Added(["sugar"])
    assert pending(basket) == []


@needs_threads
def test_fr6_a_thread_that_lives_on_frees_a_block_with_its_next_one() -> None:
    handler, aggregates = Changes(), list[ref[Any]]()

    def open_one() -> None:
        basket = basket_with(Dataclasses, "tea")
        aggregates.append(ref(basket))
        handler.__enter__()(basket)

    def another_block() -> None:
        with Changes():
            pass

    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        for pool in (first, second):
            pool.submit(open_one).result()
        with pytest.raises(RuntimeError, match=MANY):
            handler.__exit__(None, None, None)
        for pool in (first, second):
            pool.submit(another_block).result()
        gc.collect()
        assert [aggregate() for aggregate in aggregates] == [None, None]


@in_both_flavours
@opened_elsewhere
def test_fr6_an_error_in_flight_goes_on(flavour: type[Flavour], opened: Any) -> None:
    handler, basket = Changes(), basket_with(flavour, "tea")
    for _ in range(2):
        opened(lambda: handler.__enter__()(basket))
    handler.__exit__(OSError, OSError(), None)
    assert pending(basket) == ["tea"]


@in_both_flavours
def test_fr6_tasks_that_leave_their_own_blocks_are_not_disturbed(flavour: type[Flavour]) -> None:
    handler = Changes()

    async def work(go_on: asyncio.Event) -> None:
        basket = basket_with(flavour, "tea")
        with handler as changes_of:
            changes_of(basket)
            await go_on.wait()
            basket.add("milk")
            assert handler(basket) == changes_of(basket)._replace(added=["milk"])
            assert pending(basket) == ["tea", "milk"]
        assert pending(basket) == []

    async def main() -> None:
        go_on = asyncio.Event()
        tasks = [asyncio.ensure_future(work(go_on)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match=MANY):
            handler.__exit__(None, None, None)
        gc.collect()
        go_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(main())


@needs_threads
@in_both_flavours
def test_fr6_a_block_that_was_left_leaves_nothing_in_the_thread_that_opened_it(flavour: type[Flavour]) -> None:
    kept: list[ref[Any]] = []

    def open_one(handler: Changes) -> None:
        basket = basket_with(flavour, "tea")
        kept.extend([ref(basket), ref(handler)])
        handler.__enter__()(basket)

    with ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            handler = Changes()
            pool.submit(open_one, handler).result()
            handler.__exit__(None, None, None)
        handler = Changes()
        pool.submit(gc.collect).result()
        assert [one() for one in kept] == [None] * 6


@needs_threads
def test_fr6_many_threads_leave_the_blocks_of_others() -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(50):
                handler, basket = Changes(), basket_with(Dataclasses, "tea")
                changes_of = in_copy(handler.__enter__)
                assert changes_of(basket) == Added(["tea"])
                in_copy(handler.__exit__, None, None, None)
                assert pending(basket) == []
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# Child tasks


@types.coroutine
def pause() -> Generator[None]:
    yield


def test_fb5_a_child_task_of_any_framework_does_not_fold_into_the_block_of_its_parent() -> None:
    """As trio and others do it, the child runs in a copy of the parent's context, in the same thread."""
    handler = Changes()

    async def child() -> None:
        basket = basket_with(Dataclasses, "milk")
        assert handler(basket) == Added(["milk"])
        assert pending(basket) == []
        with handler as changes_of:
            basket.add("sugar")
            await pause()
            assert changes_of(basket) == Added(["sugar"])
            assert pending(basket) == ["sugar"]
        assert pending(basket) == []

    async def parent() -> None:
        basket = basket_with(Dataclasses, "tea")
        with suppress(OSError), handler as changes_of:
            changes_of(basket)
            context, task = copy_context(), child()
            context.run(task.send, None)
            await pause()
            basket.add("cup")
            assert handler(basket) == Added(["cup"])
            with pytest.raises(StopIteration):
                context.run(task.send, None)
            raise OSError
        assert pending(basket) == ["tea", "cup"]

    context, task = copy_context(), parent()
    context.run(task.send, None)
    with pytest.raises(StopIteration):
        context.run(task.send, None)


@in_both_flavours
def test_fb5_a_child_task_of_trio_does_not_fold_into_the_block_of_its_parent(flavour: type[Flavour]) -> None:
    trio = pytest.importorskip("trio")
    handler = Changes()

    async def child() -> None:
        basket = basket_with(flavour, "milk")
        assert handler(basket) == Added(["milk"])
        assert pending(basket) == []

    async def child_with(changes_of: Changes, basket: Any) -> None:
        assert changes_of(basket) == Added(["milk"])
        assert pending(basket) == ["tea", "milk"]

    async def main() -> None:
        basket = basket_with(flavour, "tea")
        with suppress(OSError), handler as changes_of:
            changes_of(basket)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child)
            basket.add("milk")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child_with, changes_of, basket)
            raise OSError
        assert pending(basket) == ["tea", "milk"]

    trio.run(main)


# Failing folds


@pytest.mark.parametrize("in_block", [False, True])
@in_both_flavours
def test_fr4_a_failed_fold_is_no_reference_cycle(flavour: type[Flavour], in_block: bool) -> None:
    class Unhandled(ChangesHandler[Any, Added]):  # type: ignore[dddkit-changes-result]  # on purpose
        result_type = Added

        @singledispatchmethod
        def handle_changes(self, event: Any, aggregate: Any) -> None:
            raise NotImplementedError

    class Incomplete(ChangesHandler[Any, Added]):  # type: ignore[dddkit-changes-result]  # on purpose
        result_type = Added

        @singledispatchmethod
        def handle_changes(self, event: Any, aggregate: Any) -> None: ...

    class Missing(Incomplete):
        @singledispatchmethod
        def handle_changes(self, event: Any, aggregate: Any) -> None:
            raise KeyError(event)

    def fail(handler: Any) -> ref[Any]:
        basket = basket_with(flavour, "tea", "poison")
        if in_block:
            with suppress(Exception), handler as changes_of:
                changes_of(basket)
        else:
            with suppress(Exception):
                handler(basket)
        assert pending(basket) == ["tea", "poison"]
        return ref(basket)

    handlers = [Changes(), Unhandled(), Incomplete(), Missing()]
    for handler in handlers:  # the first call makes the function
        fail(handler)
    gc.collect()
    gc.disable()
    try:
        assert [fail(handler)() for handler in handlers * 3] == [None] * 12
    finally:
        gc.enable()
