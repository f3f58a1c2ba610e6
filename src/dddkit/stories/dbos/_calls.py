"""Calling what runs on DBOS's loop, from async code and from sync code, and from inside of a run.

What is called begins in an empty context: inside of a workflow or a step, DBOS would record the call as a part of it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

from dddkit.stories.dbos._executors import check_not_forked
from dddkit.stories.dbos._private import registered_workflows, target_loop
from dddkit.stories.dbos._threads import waiting_for_runs
from dddkit.stories.durable._calling import is_on_loop

__all__ = ["awaited", "blocking", "in_empty_context", "loop_of_runs"]

R = TypeVar("R")
Work = Callable[[], Coroutine[Any, Any, R]]


def loop_of_runs(who: str) -> asyncio.AbstractEventLoop:
    """Return the loop that runs run on.

    Raises:
        RuntimeError: DBOS was not launched, or does not know the story; it was launched before this process was forked.
    """
    check_not_forked(who)
    loop = target_loop()
    if loop is None or loop.is_closed():
        raise RuntimeError(f"{who}: DBOS is not running in this process; call DBOS.launch() first")
    if who not in registered_workflows():
        raise RuntimeError(
            f"{who}: DBOS has forgotten this story, by DBOS.destroy(destroy_registry=True); make its Durable(...) again"
        )
    return loop


def blocking(who: str, call: str, work: Work[R], *, to_the_end: bool = True) -> R:
    """Wait in this thread until the work is done; it holds none of DBOS's threads meanwhile.

    Work that was begun is done `to_the_end`, also where the caller is interrupted.

    Raises:
        RuntimeError: a loop is running in this thread, which would wait too.
    """
    if is_on_loop():
        raise RuntimeError(
            f"{who}: {call}() waits in its thread, and an event loop is running here, which would stand still; "
            f"await its twin: a{call}(...)"
        )
    loop = loop_of_runs(who)
    future = Context().run(asyncio.run_coroutine_threadsafe, work(), loop)
    try:
        with waiting_for_runs():
            return future.result()
    except concurrent.futures.CancelledError:
        raise _ended(who) from None
    finally:
        if not to_the_end:
            future.cancel()


async def awaited(who: str, work: Work[R], *, to_the_end: bool = True) -> R:
    """Wait in whatever loop this is. Work that was begun is done `to_the_end`, also where the caller is cancelled."""
    loop = loop_of_runs(who)
    future: asyncio.Future[R]
    if loop is asyncio.get_running_loop():
        future = in_empty_context(work)
    else:
        future = asyncio.wrap_future(Context().run(asyncio.run_coroutine_threadsafe, work(), loop))
    future.add_done_callback(_retrieved)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if future.cancelled() and loop is not asyncio.get_running_loop():  # not by the caller's own cancellation
            raise _ended(who) from None
        if not to_the_end:
            future.cancel()
        raise


def _ended(who: str) -> RuntimeError:
    return RuntimeError(f"{who}: DBOS has ended in this process meanwhile; its runs go on where it is launched again")


def in_empty_context(work: Work[R]) -> asyncio.Task[R]:
    """Run the work as a task of this loop that knows nothing of the run it is called from."""
    return Context().run(asyncio.get_running_loop().create_task, work())


def _retrieved(future: asyncio.Future[Any]) -> None:
    """Whoever was cancelled does not ask for the error: asyncio would log that nobody has."""
    if not future.cancelled():
        future.exception()
