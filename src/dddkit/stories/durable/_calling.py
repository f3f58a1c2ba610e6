"""Calling a step or a compensation: on the loop or in a thread, within its time, as often as its retries allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from random import random
from time import time
from typing import Any, Final

from dddkit._awaitables import is_awaitable
from dddkit._context import reset_variable, set_variable
from dddkit.stories._engine.current_run import CURRENT_RUN, CurrentRun
from dddkit.stories._engine.step_keys import CURRENT_KEY
from dddkit.stories._engine.validation import check_step_result
from dddkit.stories.durable._journal import Journal
from dddkit.stories.durable._log import LOGGER
from dddkit.stories.durable.retry import Retry

__all__ = ["Caller", "is_on_loop", "under_way"]


def is_on_loop() -> bool:
    """Whether a loop is running in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def under_way(key: str, run: CurrentRun | None) -> Generator[None]:
    """Let a step know its key, and stories that it calls the run and the step that they are inside of."""
    outer = set_variable(CURRENT_RUN, run)
    outer_key = set_variable(CURRENT_KEY, key)
    try:
        yield
    finally:
        with suppress(ValueError):  # of a coroutine that is closed from another context, which never had our values
            reset_variable(CURRENT_KEY, outer_key)
            reset_variable(CURRENT_RUN, outer)


class Caller:
    """Calls the steps of one run.

    Args:
        name: what the log calls the run.
        journal: tells whether the run is cancelled, so that there is no further attempt; waits for the next one.
        in_threads: whether each call happens in a thread, with the context of the caller; in its own where it has no
            loop.
        is_async: whether a step may give an awaitable.
        has_async_hooks: whether something is awaited before a step or after it.
        executor: where threads come from; None: the loop's own.
    """

    __slots__ = ("_executor", "_has_async_hooks", "_in_threads", "_is_async", "_journal", "_name")

    def __init__(
        self,
        name: str,
        journal: Journal,
        *,
        in_threads: bool,
        is_async: bool,
        has_async_hooks: bool,
        executor: Executor | None,
    ) -> None:
        self._name: Final = name
        self._journal: Final = journal
        self._has_async_hooks: Final = has_async_hooks
        self._in_threads: Final = in_threads
        self._is_async: Final = is_async
        self._executor: Final = executor

    def awaits_nothing(self, retry: Retry | None) -> bool:
        """Return whether nothing is awaited for a step: not around it, not by it, and not between attempts."""
        return self._in_threads and not self._is_async and not self._has_async_hooks and retry is None

    async def call(
        self, story: object, name: str, label: str, state: Any, retry: Retry | None, reset: Callable[[], object]
    ) -> BaseException | None:
        """Call a method of a story with the state; return what it raises in the end.

        What is no `Exception` is returned at once. It is returned and not raised, so that the frames in its traceback
        begin with the one that has called the step: they lead to nothing of the run.

        Args:
            story: the story.
            name: the step, or the compensation.
            label: what the log calls it.
            state: what it is called with.
            retry: how often; None: once.
            reset: makes the state again what it was before the step.
        """
        attempt = 1
        while True:
            error = await self._attempt(story, name, label, state, None if retry is None else retry.timeout)
            try:
                if error is None or retry is None or not _is_one_of(error, retry.on) or attempt >= retry.attempts:
                    return error
                seconds = retry.wait_after(attempt, random())
                LOGGER.info(
                    "%s: attempt %d of %d of %s failed with %s; the next one follows in %.1f s",
                    *(self._name, attempt, retry.attempts, label, type(error).__qualname__, seconds),
                )
                if not await self._wait(seconds):
                    return error
            finally:
                error = None  # its traceback leads to the frame of the step, from there to this one: a cycle
            attempt += 1
            reset()

    async def _attempt(
        self, story: object, name: str, label: str, state: Any, timeout: float | None
    ) -> BaseException | None:
        if self._in_threads and is_on_loop():
            context = copy_context()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, lambda: context.run(_caught, story, name, state))
        if not self._is_async:
            return _caught(story, name, state)
        return await _caught_async(story, name, state, None if timeout is None else (timeout, label))

    async def _wait(self, seconds: float) -> bool:
        """Wait for the next attempt; return False where the run is cancelled."""
        if not self._journal.cancelled():
            await self._journal.pause(time() + seconds)
        return not self._journal.cancelled()


def _is_one_of(error: BaseException, classes: tuple[type[Exception], ...]) -> bool:
    return issubclass(type(error), classes)


def _caught(story: Any, name: str, state: Any) -> BaseException | None:
    try:
        result = getattr(story, name)(state)
        if result is not None:
            check_step_result(story, name, result)
    except BaseException as error:
        return error
    return None


async def _caught_async(story: Any, name: str, state: Any, limit: tuple[float, str] | None) -> BaseException | None:
    try:
        result = getattr(story, name)(state)
        if result is not None and is_awaitable(result):
            if limit is None:
                await result
            else:
                await _limited(result, *limit)
    except BaseException as error:
        return error
    return None


async def _limited(awaitable: Awaitable[object], seconds: float, label: str) -> None:
    """Await something; cancel it when its time is over, and wait until it has ended."""
    task = asyncio.ensure_future(_kept(awaitable))
    try:
        await asyncio.wait({task}, timeout=seconds)
        is_late = not task.done()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            _ = task.cancelled() or task.exception()  # asked for, so that asyncio does not log it
    if is_late and task.cancelled():
        raise TimeoutError(f"{label} took longer than {seconds:g} s")
    if (ending := task.result()) is not None:
        raise ending


async def _kept(awaitable: Awaitable[object]) -> SystemExit | KeyboardInterrupt | None:
    """Await something; return what would end the loop where a task raises it."""
    try:
        await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        return error
    return None
