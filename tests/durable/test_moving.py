"""A coroutine that goes between its loop and threads."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import ContextVar
from weakref import ref

import pytest

from dddkit.stories.dbos._moving import into_thread, moving, onto_loop, without_waiting

SEEN: ContextVar[str] = ContextVar("seen", default="nothing")


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2, "step") as made:
        yield made


def is_in_thread() -> bool:
    return threading.current_thread() is not threading.main_thread()


def test_it_goes_where_it_wants_and_gives_its_result(threads: Executor) -> None:
    async def travel() -> list[bool]:
        where = [is_in_thread()]
        for way in (into_thread, into_thread, onto_loop, onto_loop, into_thread):
            await way()
            where.append(is_in_thread())
        return where

    assert asyncio.run(moving(travel(), threads)) == [False, True, True, False, False, True]


def test_context_variables_are_the_same_everywhere_and_not_those_of_the_caller(threads: Executor) -> None:
    async def travel() -> list[str]:
        found = [SEEN.get()]
        token = SEEN.set("set on the loop")
        await into_thread()
        found.append(SEEN.get())
        SEEN.set("set in a thread")
        await onto_loop()
        await asyncio.sleep(0)
        found.append(SEEN.get())
        await into_thread()
        SEEN.reset(token)
        return [*found, SEEN.get()]

    async def main() -> None:
        SEEN.set("of the caller")
        found = await moving(travel(), threads)
        assert found == ["of the caller", "set on the loop", "set in a thread", "of the caller"]

    asyncio.run(main())


def test_on_the_loop_it_waits_in_the_task_of_its_caller(threads: Executor) -> None:
    async def travel() -> object:
        await into_thread()
        await onto_loop()
        await asyncio.wait_for(asyncio.sleep(0), 10)
        return asyncio.current_task()

    async def main() -> None:
        assert await moving(travel(), threads) is asyncio.current_task()

    asyncio.run(main())


@pytest.mark.parametrize("way", [into_thread, onto_loop], ids=["thread", "loop"])
def test_what_it_raises_is_raised_wherever_it_is(threads: Executor, way: Callable[[], Awaitable[None]]) -> None:
    async def travel() -> None:
        await into_thread()
        await way()
        raise SystemExit(3)

    async def main() -> None:
        with pytest.raises(SystemExit, match="3"):
            await moving(travel(), threads)

    asyncio.run(main())


class WaitedForError(Exception):
    pass


def test_the_error_of_what_it_waits_for_is_raised_in_it_and_is_gone_without_the_garbage_collector(
    threads: Executor,
) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise WaitedForError

    async def travel() -> None:
        await into_thread()
        await onto_loop()
        await asyncio.ensure_future(fails())

    async def main() -> ref[WaitedForError]:
        try:
            await moving(travel(), threads)
        except WaitedForError as error:
            return ref(error)
        raise AssertionError("it was not raised")

    gc.disable()
    try:
        assert asyncio.run(main())() is None
    finally:
        gc.enable()


def test_a_cancellation_reaches_it_where_it_waits(threads: Executor) -> None:
    cleaned_up: list[bool] = []

    async def travel() -> None:
        await into_thread()
        await onto_loop()
        try:
            await asyncio.sleep(60)
        finally:
            await into_thread()
            cleaned_up.append(is_in_thread())

    async def main() -> None:
        task = asyncio.create_task(moving(travel(), threads))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert cleaned_up == [True]


def test_whoever_is_cancelled_while_it_is_in_a_thread_does_not_wait_for_it(threads: Executor) -> None:
    entered, may_go_on, has_gone_on = threading.Event(), threading.Event(), threading.Event()

    async def travel() -> None:
        await into_thread()
        entered.set()
        may_go_on.wait(10)
        has_gone_on.set()

    async def main() -> None:
        task = asyncio.create_task(moving(travel(), threads))
        while not entered.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert not has_gone_on.is_set()
    may_go_on.set()
    assert has_gone_on.wait(10)


def test_it_is_closed_where_it_would_come_back_to_a_loop_that_does_not_wait_for_it(threads: Executor) -> None:
    entered, may_go_on, cleaned_up = threading.Event(), threading.Event(), threading.Event()
    found: list[str] = []

    async def travel() -> None:
        token = SEEN.set("of the coroutine")
        await into_thread()
        entered.set()
        may_go_on.wait(10)
        try:
            await onto_loop()
        finally:
            found.append(SEEN.get())
            SEEN.reset(token)
            cleaned_up.set()

    async def main() -> None:
        task = asyncio.create_task(moving(travel(), threads))
        while not entered.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_go_on.set()
        assert cleaned_up.wait(10)

    asyncio.run(main())
    assert found == ["of the coroutine"]


def test_a_cancellation_reaches_it_where_it_waits_for_a_thread() -> None:
    cleaned_up: list[str] = []

    async def travel() -> None:
        SEEN.set("of the coroutine")
        try:
            await into_thread()
        finally:
            cleaned_up.append(SEEN.get())

    async def main() -> None:
        may_go_on = threading.Event()
        with ThreadPoolExecutor(1) as only:
            busy = only.submit(may_go_on.wait, 10)
            task = asyncio.create_task(moving(travel(), only))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            may_go_on.set()
            assert busy.result()

    asyncio.run(main())
    assert cleaned_up == ["of the coroutine"]


def test_waiting_fails_where_nothing_waits() -> None:
    async def waits() -> str:
        try:
            await asyncio.sleep(0)
        except TypeError as error:
            return str(error)
        return "it has waited"

    assert "the story is sync" in without_waiting(waits())


def test_without_waiting_results_and_errors_are_given() -> None:
    async def gives() -> int:
        return 3

    async def raises() -> int:
        raise WaitedForError

    assert without_waiting(gives()) == 3
    with pytest.raises(WaitedForError):
        without_waiting(raises())
