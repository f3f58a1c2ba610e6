"""Calls to a database that are not left half-way when their task is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

__all__ = ["finished"]

T = TypeVar("T")


async def finished(call: Coroutine[Any, Any, T], may_stop: Callable[[], bool] | None = None) -> T:
    """Await one call to the database to its end, also where the task is cancelled meanwhile; then raise that.

    Where `may_stop` says so when the task is cancelled, the call is cancelled too: it may wait for the lock of somebody
    else without end.

    A driver that is cancelled in the middle of a statement leaves open whether it was executed: after a COMMIT, nobody
    would know what is stored, and aiosqlite's thread goes on with it while its connection is used for something else.

    The call runs in a task of its own: what it sets in context variables is gone when it returns.
    """
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if may_stop is not None and may_stop():
            task.cancel()
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:  # a second one ends nothing sooner
                continue
        if not task.cancelled():
            task.exception()  # asyncio would log that nobody has asked for it
        raise
