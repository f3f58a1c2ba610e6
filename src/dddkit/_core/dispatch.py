"""Running the handlers of an event: serially or in parallel, under one error policy."""

from __future__ import annotations

import builtins
import sys
from contextvars import copy_context
from itertools import chain
from threading import Thread
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, final

from dddkit._awaitables import Finished, dispose, is_awaitable
from dddkit._callables import display_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Iterable, Sequence
    from concurrent.futures import Future
    from typing import TypeAlias, TypeGuard

    from dddkit._core.subscriptions import Handler, Subscription

    Failure: TypeAlias = tuple[Subscription, BaseException]
    Started: TypeAlias = tuple[Subscription, Awaitable[Any]]

__all__ = ["Dispatcher", "async_handler_error", "await_handlers", "handlers_after", "is_async_message", "is_unfinished"]

LOGGER: Final = "dddkit.broker"


@final
class Dispatcher:
    """Runs the handlers of one event, as `on_error` and `parallel` of its broker say."""

    __slots__ = ("_parallel", "_stops")

    def __init__(self, *, stops: bool, parallel: bool) -> None:
        self._stops: Final = stops
        self._parallel: Final = parallel

    def run(
        self, subscriptions: Sequence[Subscription], event: object, *, reject_async: bool
    ) -> Coroutine[Any, Any, None] | None:
        """Run handlers that look sync.

        Where one returns an awaitable, raise TypeError (`reject_async`), or return a coroutine that runs the rest.
        """
        if self._parallel and subscriptions:
            return self._run_in_threads(subscriptions, event, reject_async=reject_async)
        failures: list[Failure] = []
        rest = iter(subscriptions)
        for subscription in rest:
            try:
                result = subscription.handler(event)
                if result is not None and is_unfinished(result):
                    if not reject_async:
                        return self._arun_serially([(subscription, result)], rest, event, failures)
                    raise async_handler_error(subscription.handler, result)
            except Exception as error:
                if self._stops:
                    raise
                failures.append((subscription, error))
            except BaseException:
                _log(failures, event)
                raise
        self._raise_failures(failures, event)
        return None

    async def arun(self, subscriptions: Sequence[Subscription], event: object) -> None:
        """Run sync and async handlers."""
        if self._parallel:
            await self._arun_in_parallel(subscriptions, event)
        else:
            await self._arun_serially([], subscriptions, event, [])

    async def _arun_serially(
        self, started: list[Started], rest: Iterable[Subscription], event: object, failures: list[Failure]
    ) -> None:
        for subscription, awaitable in chain(started, ((subscription, None) for subscription in rest)):
            try:
                result = subscription.handler(event) if awaitable is None else awaitable
                if result is not None and is_unfinished(result):
                    await result
            except Exception as error:
                if self._stops:
                    raise
                failures.append((subscription, error))
            except BaseException:
                _log(failures, event)
                raise
        self._raise_failures(failures, event)

    def _run_in_threads(
        self, subscriptions: Sequence[Subscription], event: object, *, reject_async: bool
    ) -> Coroutine[Any, Any, None] | None:
        futures, interruption = _call_in_threads([subscription.handler for subscription in subscriptions], event)
        failures: list[Failure] = []
        started: list[Started] = []
        for subscription, future in zip(subscriptions, futures, strict=True):
            error = None if future.cancelled() else future.exception()
            result = None if error or future.cancelled() else future.result()
            if result is not None and is_unfinished(result):
                if reject_async or interruption is not None:
                    error = async_handler_error(subscription.handler, result)
                else:
                    started.append((subscription, result))
            if error is not None:
                failures.append((subscription, error))
        if interruption is not None:
            _log(failures, event)
            raise interruption
        if started:
            return self._await_in_parallel(started, event, failures)
        self._raise_failures(failures, event)
        return None

    async def _arun_in_parallel(self, subscriptions: Sequence[Subscription], event: object) -> None:
        started: list[Started] = []
        for subscription in subscriptions:
            handler = subscription.handler
            try:
                awaitable = handler(event) if subscription.is_async else _acall_in_thread(handler, event)
            except Exception as error:
                awaitable = _raise(error)
            started.append((subscription, awaitable))
        await self._await_in_parallel(started, event, [])

    async def _await_in_parallel(self, started: list[Started], event: object, failures: list[Failure]) -> None:
        import asyncio

        tasks = [asyncio.ensure_future(awaitable) for _, awaitable in started]
        interruption: BaseException | None = None
        try:
            # When this task is cancelled, gather cancels the others and returns after the last of them has ended.
            await asyncio.gather(*tasks, return_exceptions=True)
        except asyncio.CancelledError as error:
            interruption = error
        for (subscription, _), task in zip(started, tasks, strict=True):
            if not task.cancelled():
                failure = task.exception()
            else:  # by the cancellation above; without one, the handler has cancelled itself
                failure = None if interruption is not None else asyncio.CancelledError()
            if failure is not None:
                failures.append((subscription, failure))
        failures.sort(key=lambda failure: failure[0].order)
        if interruption is not None:
            _log(failures, event)
            raise interruption
        self._raise_failures(failures, event)

    def _raise_failures(self, failures: Sequence[Failure], event: object) -> None:
        """Raise what the handlers raised, if anything: the first error, or a group of all."""
        if not failures:
            return
        fatal = [error for _, error in failures if not isinstance(error, Exception)]
        if fatal or self._stops:
            first = fatal[0] if fatal else failures[0][1]
            _log([failure for failure in failures if failure[1] is not first], event)
            raise first
        errors = [error for _, error in failures if isinstance(error, Exception)]
        raise _exception_group(f"{len(errors)} handlers of {type(event).__qualname__} failed", errors)


def is_unfinished(result: object) -> TypeGuard[Awaitable[Any]]:
    """Return whether the result of a handler has to be awaited."""
    return type(result) is not Finished and is_awaitable(result)


async def await_handlers(started: Awaitable[Any] | None, handlers: Iterable[Handler], event: object) -> None:
    """Await what an earlier handler returned, if anything, then run the handlers; the first error propagates."""
    if started is not None:
        await started
    for handler in handlers:
        if (result := handler(event)) is not None and (type(result) is CoroutineType or is_unfinished(result)):
            await result


def handlers_after(handler: Handler, handlers: Iterable[Handler]) -> Iterable[Handler]:
    """Return the handlers that follow this one; each is there once."""
    rest = iter(handlers)
    for other in rest:
        if other is handler:
            break
    return rest


def async_handler_error(handler: Handler, result: Any) -> TypeError:
    """Return the error of a sync publish whose handler returned an awaitable; the awaitable is closed."""
    dispose(result)
    return TypeError(is_async_message(display_name(handler)))


def is_async_message(*names: str) -> str:
    verb = "is" if len(names) == 1 else "are"
    return f"{', '.join(names)} {verb} async; use `await broker.apublish(event)` for async handlers."


def _call_in_threads(handlers: Iterable[Handler], event: object) -> tuple[list[Future[Any]], BaseException | None]:
    """Call each handler in a thread of its own; return when all have ended, with what interrupted the waiting."""
    from concurrent.futures import wait

    calls = [_prepare_thread(handler, event) for handler in handlers]
    interruption: BaseException | None = None
    try:
        for thread, _ in calls:
            thread.start()
    except BaseException as error:
        interruption = error
    while True:
        try:
            # After Ctrl-C, calls that have not started are cancelled; those that have started are waited for.
            started = [future for _, future in calls if interruption is None or not future.cancel()]
            wait(started)
            break
        except BaseException as error:
            interruption = error
    return [future for _, future in calls], interruption


async def _acall_in_thread(handler: Handler, event: object) -> None:
    """Call the handler in a thread and await its result; a thread cannot be cancelled, so always wait for its end."""
    import asyncio

    thread, future = _prepare_thread(handler, event)
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


def _prepare_thread(handler: Handler, event: object) -> tuple[Thread, Future[Any]]:
    """Return a thread that calls the handler in a copy of this context, and the future of its result."""
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


async def _raise(error: Exception) -> None:
    raise error


def _exception_group(message: str, errors: list[Exception]) -> Exception:
    if sys.version_info >= (3, 11):
        return builtins.ExceptionGroup(message, errors)
    import exceptiongroup

    return exceptiongroup.ExceptionGroup(message, errors)


def _log(failures: Iterable[Failure], event: object) -> None:
    """Log the errors that cannot be raised because another one is."""
    for subscription, error in failures:
        import logging

        logging.getLogger(LOGGER).error(
            "%s failed on %s", display_name(subscription.handler), type(event).__qualname__, exc_info=error
        )
