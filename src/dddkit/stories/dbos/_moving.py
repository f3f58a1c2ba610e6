"""A coroutine that goes between its loop and a thread: the steps of a sync story run in one, and what waits does not.

Each change of threads takes as long as a small step. So the run of a sync story goes into a thread before its first
step, and stays there until something waits, or until its end.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, Final, TypeVar

from dddkit.stories.durable._calling import is_on_loop

__all__ = ["into_thread", "moving", "onto_loop", "without_waiting"]

R = TypeVar("R")


class _Move:
    """What a coroutine yields to go on elsewhere."""

    def __await__(self) -> Generator[_Move]:
        yield self


_INTO_THREAD: Final = _Move()
_ONTO_LOOP: Final = _Move()


async def into_thread() -> None:
    """Go on in a thread, in a coroutine that is `moving`."""
    if is_on_loop():
        await _INTO_THREAD


async def onto_loop() -> None:
    """Go on on the loop; a coroutine that was never in a thread is there."""
    if not is_on_loop():
        await _ONTO_LOOP


async def moving(coroutine: Coroutine[Any, Any, R], threads: Executor) -> R:
    """Await a coroutine that may go into threads; wherever it is, it has the same context variables.

    Where this is cancelled while it is in a thread, it goes on there: it has to find out by itself that it was left,
    and is closed where it would come back to the loop.
    """
    context = copy_context()
    is_in_thread = False
    error: BaseException | None = None
    result: Any = None

    def go_on() -> tuple[bool, Any]:
        return context.run(_resumed, coroutine, error)

    try:
        while True:
            if is_in_thread:
                future = threads.submit(go_on)
                try:
                    has_ended, result = await asyncio.wrap_future(future)
                except asyncio.CancelledError as cancelled:
                    if future.cancelled():  # no thread was free so far
                        is_in_thread, error = False, cancelled
                        continue
                    future.add_done_callback(lambda _: context.run(coroutine.close))  # it cannot come back
                    raise
            else:
                has_ended, result = go_on()
            if has_ended:
                ended: R = result
                return ended
            is_in_thread, error = result is _INTO_THREAD, None
            if not isinstance(result, _Move):
                try:
                    await _passed_on(result)
                except BaseException as own:
                    error = own
    finally:
        error = result = None  # the traceback of an error leads to this frame, which would lead to it: a cycle


def _resumed(coroutine: Coroutine[Any, Any, Any], error: BaseException | None) -> tuple[bool, Any]:
    """Let a coroutine go on; return whether it has ended, and its result, or what it awaits."""
    try:
        return False, coroutine.send(None) if error is None else coroutine.throw(error)
    except StopIteration as ended:
        return True, ended.value
    finally:
        error = None  # as above


@types.coroutine
def _passed_on(awaited: Any) -> Generator[Any]:
    """Let the task of this coroutine wait for what another one awaits."""
    try:
        yield awaited
    finally:
        del awaited  # as above


def without_waiting(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine that waits for nothing; where it does wait, that fails."""
    error: TypeError | None = None
    while True:
        has_ended, result = _resumed(coroutine, error)
        if has_ended:
            ended: R = result
            return ended
        hint = "make the hook an async function"
        error = TypeError(f"a hook returned something to wait for, but the story is sync; {hint}")
