"""Handlers in threads of their own: begun together, and never left running."""

from __future__ import annotations

from contextvars import copy_context
from threading import Thread
from typing import TYPE_CHECKING, Any

from dddkit._awaitables import dispose
from dddkit._core.handlers import is_unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from dddkit._core.handlers import Handler

__all__ = ["in_thread", "in_threads"]


def in_threads(handlers: Iterable[Handler], event: object) -> tuple[list[Future[Any]], BaseException | None]:
    """Run each handler in a thread of its own; come back when all are done, with what interrupted the waiting."""
    from concurrent.futures import wait

    calls = [_thread_for(handler, event) for handler in handlers]
    interruption: BaseException | None = None
    try:
        for thread, _ in calls:
            thread.start()
    except BaseException as error:
        interruption = error
    while True:
        try:
            # Ctrl-C: what has not begun never will, what has is waited for.
            begun = [future for _, future in calls if interruption is None or not future.cancel()]
            wait(begun)
            break
        except BaseException as error:
            interruption = error
    return [future for _, future in calls], interruption


async def in_thread(handler: Handler, event: object) -> None:
    """Run the handler in a thread; that cannot be cancelled, so cancelled or not, wait for it."""
    import asyncio

    thread, future = _thread_for(handler, event)
    thread.start()
    running = asyncio.wrap_future(future)
    interruption: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            interruption = error
    result = running.result()
    if interruption is not None:
        if result is not None and is_unfinished(result):
            dispose(result)
        raise interruption
    if result is not None and is_unfinished(result):
        await result


def _thread_for(handler: Handler, event: object) -> tuple[Thread, Future[Any]]:
    """A thread that calls the handler in a copy of this context, and what will know how that went."""
    from concurrent.futures import Future

    future: Future[Any] = Future()
    context = copy_context()

    def call() -> None:
        if future.set_running_or_notify_cancel():
            try:
                result = context.run(handler, event)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

    return Thread(target=call, name="dddkit.broker"), future
