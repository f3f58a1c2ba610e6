"""The log of a run whose own log runs stories, and of runs that end in a full stack."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dddkit._awaitables import FINISHED
from dddkit.stories import I, StepExecutionInfo, Story, StoryExecutionContext, inject_hooks
from tests.blocks.flavours import needs_a_deep_stack
from tests.stories.recording import Recorder
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform

LOGGER = logging.getLogger("dddkit.stories.story")


class Handler(logging.Handler):
    """Calls a function for each record, as a handler does that stores records in a database by a story."""

    def __init__(self, then: Callable[[logging.LogRecord], object] = str) -> None:
        super().__init__()
        self.trees: list[str] = []
        self._then = then

    def emit(self, record: logging.LogRecord) -> None:
        self.trees.append(record.getMessage())
        self._then(record)


@pytest.fixture
def handled() -> Iterator[Callable[[Handler], Handler]]:
    handlers: list[Handler] = []

    def add(handler: Handler) -> Handler:
        LOGGER.addHandler(handler)
        handlers.append(handler)
        return handler

    LOGGER.propagate = False
    yield add
    LOGGER.propagate = True
    LOGGER.setLevel(logging.NOTSET)
    for handler in handlers:
        LOGGER.removeHandler(handler)


def storing(error: Exception | None = None) -> tuple[type[Story], list[str]]:
    """Return a story that stores a record, with the default hooks."""
    stored: list[str] = []

    class Store(Story):
        I.store

        def store(self, state: str) -> None:
            stored.append(state)
            if error is not None:
                raise error

    inject_hooks(Store)
    return Store, stored


@both_modes
@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
def test_fr7_a_run_inside_the_log_of_another_is_not_logged(
    mode: Mode, level: int, handled: Callable[[Handler], Handler]
) -> None:
    store, stored = storing()
    handler = handled(Handler(lambda record: store()(record.getMessage())))
    LOGGER.setLevel(level)
    sale = checkout(mode)
    inject_hooks(sale)
    with pytest.raises(Declined):
        perform(sale, Notes(charge=Declined()))
    assert stored == handler.trees
    assert {tree.partition(":")[0] for tree in handler.trees} == {"Checkout"}
    assert len(handler.trees) == (3 if level == logging.DEBUG else 1)


def test_fr7_a_run_inside_the_log_that_fails_is_not_logged_either(handled: Callable[[Handler], Handler]) -> None:
    store, stored = storing(Declined("disk full"))

    def try_to_store(record: logging.LogRecord) -> None:
        with pytest.raises(Declined, match="disk full"):
            store()(record.getMessage())

    handler = handled(Handler(try_to_store))
    sale = checkout("sync")
    inject_hooks(sale)
    with pytest.raises(Declined):
        perform(sale, Notes(charge=Declined()))
    assert len(handler.trees) == len(stored) == 1


def test_fr7_a_task_that_a_log_handler_starts_is_part_of_the_log(handled: Callable[[Handler], Handler]) -> None:
    stored: list[str] = []

    class Store(Story):
        I.store

        async def store(self, state: str) -> None:
            await asyncio.sleep(0)
            stored.append(state)

    inject_hooks(Store)
    tasks: list[asyncio.Future[None]] = []
    handler = handled(Handler(lambda record: tasks.append(asyncio.ensure_future(Store()(record.getMessage())))))
    LOGGER.setLevel(logging.DEBUG)
    sale = checkout("async")
    inject_hooks(sale)

    async def main() -> None:
        await sale()(Notes())
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert len(handler.trees) == len(stored) == 4


def test_fr7_a_template_that_runs_a_story_is_part_of_the_log(handled: Callable[[Handler], Handler]) -> None:
    store, stored = storing()

    class Stock:
        def __format__(self, spec: str) -> str:
            store()("rendered")
            return "7 left"

    class ShowStock:
        def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            step.meta["stock"] = Stock()
            step.template += " {meta[stock]}"

    handler = handled(Handler())
    LOGGER.setLevel(logging.DEBUG)
    sale = checkout("sync")
    inject_hooks(sale, [ShowStock()])
    inject_hooks(sale)
    perform(sale, Notes())
    assert "7 left" in handler.trees[-1]
    assert stored
    assert all(tree.startswith("Checkout") for tree in handler.trees)


def test_fr7_the_next_run_after_one_inside_the_log_is_logged(handled: Callable[[Handler], Handler]) -> None:
    store, _ = storing()
    handler = handled(Handler(lambda record: store()(record.getMessage())))
    LOGGER.setLevel(logging.DEBUG)
    sale = checkout("sync")
    inject_hooks(sale)
    perform(sale, Notes())
    LOGGER.removeHandler(handler)
    other = handled(Handler())
    store()("alone")
    assert [tree.partition(":")[0] for tree in other.trees] == ["Store", "Store"]


@needs_a_deep_stack
@both_modes
@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
@pytest.mark.parametrize("is_formatted", [False, True])
@pytest.mark.parametrize("more", [[], [Recorder("more", [])]])
def test_fr7_a_recursion_error_is_logged_once(
    mode: Mode, level: int, is_formatted: bool, more: list[Any], handled: Callable[[Handler], Handler]
) -> None:
    class Endless(Story):
        I.again

        def again(self, state: object) -> None:
            Endless()(state)

    class AsyncEndless(Story):
        I.again

        async def again(self, state: object) -> None:
            await AsyncEndless()(state)

    handler = Handler()
    if is_formatted:  # takes more of the stack than is left where the story fails
        handler = Handler(handler.format)
    handled(handler)
    LOGGER.setLevel(level)
    story: type[Story] = Endless if mode == "sync" else AsyncEndless
    inject_hooks(story)
    inject_hooks(story, more)
    with pytest.raises(RecursionError):
        perform(story, None)
    failed = [tree for tree in handler.trees if "✗" in tree]
    assert len(failed) == 1
    assert sum(map(len, handler.trees)) < 3_000_000


def test_fr7_no_story_is_part_of_the_log_after_a_handler_has_failed(handled: Callable[[Handler], Handler]) -> None:
    def fail(record: logging.LogRecord) -> None:
        raise OSError("disk full")

    broken = handled(Handler(fail))
    sale = checkout("sync")
    inject_hooks(sale)
    for _ in range(2):
        called: Any = None
        with pytest.raises(Declined):
            called = sale()(Notes(charge=Declined()))
        assert called is not FINISHED
    assert len(broken.trees) == 2
