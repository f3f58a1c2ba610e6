"""Calling handlers in threads of their own: how each call ended, and waiting until all have."""

from __future__ import annotations

from contextvars import Context, copy_context
from threading import Thread
from typing import TYPE_CHECKING, Any

from dddkit._awaitables import dispose, is_unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future
    from typing import TypeAlias

    from dddkit._core.selectors import Handler

    # What a call returned, and what it raised. It is the result of the future: set as the exception of one, asyncio
    # refuses StopIteration (and the publish would wait for ever), and takes CancelledError for its own.
    Outcome: TypeAlias = tuple[Any, BaseException | None]

__all__ = ["acall_in_thread", "call_in_threads"]


def call_in_threads(handlers: Iterable[Handler], event: object) -> tuple[list[Outcome], list[BaseException]]:
    """Call each handler in a thread of its own; return when all have ended, with what interrupted the waiting."""
    from concurrent.futures import wait

    calls = [_prepare_thread(handler, event) for handler in handlers]
    interruptions: list[BaseException] = []
    try:
        for thread, _ in calls:
            thread.start()
    except BaseException as error:
        interruptions = [error]
    while True:
        try:
            # After Ctrl-C, calls that have not started are cancelled; those that have started are waited for.
            wait([future for _, future in calls if not interruptions or not future.cancel()])
            break
        except BaseException as error:
            interruptions = [error]
    return [(None, None) if future.cancelled() else future.result() for _, future in calls], interruptions


async def acall_in_thread(handler: Handler, event: object) -> None:
    """Call the handler in a thread and await its result; a thread cannot be cancelled, so always wait for its end."""
    import asyncio

    thread, future = _prepare_thread(handler, event)
    thread.start()
    running = asyncio.wrap_future(future)
    interruptions: list[BaseException] = []
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            interruptions = [error]
    outcome = running.result()
    result, raised = outcome
    del running, future, outcome  # no frame of an error may hold it, see Dispatcher
    if raised is not None:
        try:
            raise raised
        finally:
            del raised, interruptions
    awaitable = result if result is not None and is_unfinished(result) else None
    del result
    if interruptions:
        if awaitable is not None:
            dispose(awaitable)
        raise interruptions.pop()
    if awaitable is not None:
        try:
            await awaitable
        finally:
            del awaitable


def _prepare_thread(handler: Handler, event: object) -> tuple[Thread, Future[Outcome]]:
    """Return a thread that calls the handler in a copy of this context, and the future of how that ended."""
    from concurrent.futures import Future

    future: Future[Outcome] = Future()
    arguments = (handler, event, copy_context(), future)
    return Thread(target=_call, args=arguments, name="dddkit.broker"), future


def _call(handler: Handler, event: object, context: Context, future: Future[Outcome]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            outcome: Outcome = context.run(handler, event), None
        except BaseException as error:
            outcome = None, error
        future.set_result(outcome)
        del outcome, future
