"""Cancelling a coroutine at each of the places where it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

__all__ = ["cancelled_at"]


class _CancelledAt:
    """Awaits a coroutine, and cancels its task when it waits for this time."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], number: int, times: int) -> None:
        self._coroutine = coroutine
        self._left = number
        self._times = times
        self.reached = False

    def __await__(self) -> Generator[Any, Any, None]:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        step = self._coroutine.__await__()
        thrown: BaseException | None = None
        while True:
            try:
                waits_for = step.send(None) if thrown is None else step.throw(thrown)
            except StopIteration:
                return
            thrown = None
            if self._left == 0:
                self.reached = True
                for later in range(self._times):  # the second one when the first is being handled
                    loop.call_later(0.002 * later, task.cancel)
            self._left -= 1
            try:
                yield waits_for
            except BaseException as error:  # it belongs to the coroutine
                thrown = error


async def cancelled_at(number: int, coroutine: Coroutine[Any, Any, object], *, times: int = 1) -> bool:
    """Run a coroutine in a task that is cancelled when it waits for this time; False where it waits less often."""
    awaited = _CancelledAt(coroutine, number, times)

    async def run() -> None:
        await awaited

    task = asyncio.ensure_future(run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return awaited.reached
