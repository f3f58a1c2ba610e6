"""Running the handlers of an event: serially or in parallel, under one error policy."""

from __future__ import annotations

import builtins
import sys
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from dddkit._awaitables import dispose, is_unfinished
from dddkit._callables import display_name

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Coroutine, Iterable, Mapping, Sequence
    from typing import TypeAlias

    from dddkit._core.selectors import Handler
    from dddkit._core.subscriptions import Failure, Subscriber
    from dddkit._core.threads import Outcome

    Started: TypeAlias = tuple[Subscriber, Awaitable[Any]]

__all__ = [
    "Dispatcher",
    "RecordingDispatcher",
    "async_handler_error",
    "is_async_message",
    "log",
]

LOGGER: Final = "dddkit.broker"


class Dispatcher:
    """Runs the handlers of one event, as `on_error` and `parallel` of its broker say.

    What fails is collected in `failures`, with the errors of predicates there already. An error refers to the frames it
    came through, so a frame that refers to the error is a cycle, and the event would wait for the garbage collector.
    Hence: `failures` is empty when an error leaves, and no variable of these frames holds one, nor the future of one.
    """

    __slots__ = ("_parallel", "_stops")

    def __init__(self, *, stops: bool, parallel: bool) -> None:
        self._stops: Final = stops
        self._parallel: Final = parallel

    def run(
        self, subscribers: Sequence[Subscriber], event: object, failures: list[Failure], *, reject_async: bool
    ) -> Coroutine[Any, Any, None] | None:
        """Run handlers that look sync.

        Where one returns an awaitable, raise TypeError (`reject_async`), or return a coroutine that runs the rest.
        """
        if self._parallel and subscribers:
            return self._run_in_threads(subscribers, event, failures, reject_async=reject_async)
        rest = iter(subscribers)
        for subscriber in rest:
            try:
                result = subscriber.handler(event)
                if result is not None and is_unfinished(result):
                    if not reject_async:
                        return self._arun_serially([result], chain([subscriber], rest), event, failures)
                    raise async_handler_error(subscriber.handler, result)
            except Exception as error:
                if self._stops:
                    raise
                failures.append((subscriber, error))
            except BaseException:
                log(failures, event)
                raise
        if failures:
            raise self._error_of(failures, event)
        return None

    async def arun(self, subscribers: Sequence[Subscriber], event: object, failures: list[Failure]) -> None:
        """Run sync and async handlers."""
        if self._parallel and subscribers:
            await self._arun_in_parallel(subscribers, event, failures)
        else:
            await self._arun_serially([], subscribers, event, failures)

    async def _arun_serially(
        self, started: list[Awaitable[Any]], rest: Iterable[Subscriber], event: object, failures: list[Failure]
    ) -> None:
        for subscriber in rest:
            try:
                result = started.pop() if started else subscriber.handler(event)
                if result is not None and is_unfinished(result):
                    await result
            except Exception as error:
                if self._stops:
                    raise
                failures.append((subscriber, error))
            except BaseException:
                log(failures, event)
                raise
            finally:
                result = None  # a future holds its error
        if failures:
            raise self._error_of(failures, event)

    def _run_in_threads(
        self, subscribers: Sequence[Subscriber], event: object, failures: list[Failure], *, reject_async: bool
    ) -> Coroutine[Any, Any, None] | None:
        from dddkit._core.threads import call_in_threads

        outcomes, interruptions = call_in_threads([subscriber.handler for subscriber in subscribers], event)
        reject = reject_async or bool(interruptions)
        started = _sort_outcomes(subscribers, outcomes, failures, reject_async=reject)
        outcomes.clear()
        if interruptions:
            log(failures, event)
            raise interruptions.pop()
        if started:
            return self._await_in_parallel(started, event, failures)
        if failures:
            raise self._error_of(failures, event)
        return None

    async def _arun_in_parallel(
        self, subscribers: Sequence[Subscriber], event: object, failures: list[Failure]
    ) -> None:
        from dddkit._core.threads import acall_in_thread

        _require_asyncio()
        started: list[Started] = []
        for subscriber in subscribers:
            handler = subscriber.handler
            try:
                awaitable = handler(event) if subscriber.is_async else acall_in_thread(handler, event)
            except Exception as error:
                awaitable = _raise([error])
            started.append((subscriber, awaitable))
        await self._await_in_parallel(started, event, failures)

    async def _await_in_parallel(self, started: list[Started], event: object, failures: list[Failure]) -> None:
        import asyncio

        try:
            _require_asyncio()
        except RuntimeError:
            for _, awaitable in started:
                dispose(awaitable)
            raise
        tasks = [asyncio.ensure_future(awaitable) for _, awaitable in started]
        interruptions: list[BaseException] = []
        try:
            # When this task is cancelled, gather cancels the others and returns after the last of them has ended.
            await asyncio.gather(*tasks, return_exceptions=True)
        except asyncio.CancelledError as error:
            interruptions.append(error)
        _sort_tasks(started, tasks, failures, cancelled=bool(interruptions))
        started.clear()
        tasks.clear()
        if interruptions:
            log(failures, event)
            raise interruptions.pop()
        if failures:
            raise self._error_of(failures, event)

    def _error_of(self, failures: list[Failure], event: object) -> BaseException:
        """Return what to raise: the first error, or a group of all; log the others, and empty the list."""
        failures.sort(key=lambda failure: failure[0].order)
        fatal = [error for _, error in failures if not isinstance(error, Exception)]
        if fatal or self._stops:
            first = fatal[0] if fatal else failures[0][1]
            failures[:] = [failure for failure in failures if failure[1] is not first]
            log(failures, event)
            return first
        errors = [error for _, error in failures if isinstance(error, Exception)]
        failures.clear()
        number = "1 handler" if len(errors) == 1 else f"{len(errors)} handlers"
        return _exception_group(f"{number} of {type(event).__qualname__} failed", errors)


class RecordingDispatcher(Dispatcher):
    """Adds each event to the recordings that are under way, then runs its handlers."""

    __slots__ = ("_recordings",)

    def __init__(self, recordings: Mapping[int, list[Any]], *, stops: bool, parallel: bool) -> None:
        super().__init__(stops=stops, parallel=parallel)
        self._recordings: Final = recordings

    def run(
        self, subscribers: Sequence[Subscriber], event: object, failures: list[Failure], *, reject_async: bool
    ) -> Coroutine[Any, Any, None] | None:
        self._record(event)
        return super().run(subscribers, event, failures, reject_async=reject_async)

    async def arun(self, subscribers: Sequence[Subscriber], event: object, failures: list[Failure]) -> None:
        self._record(event)
        await super().arun(subscribers, event, failures)

    def _record(self, event: object) -> None:
        for events in list(self._recordings.values()):
            events.append(event)


def _sort_outcomes(
    subscribers: Iterable[Subscriber], outcomes: Iterable[Outcome], failures: list[Failure], *, reject_async: bool
) -> list[Started]:
    """Add what has failed to the failures; return what has to be awaited."""
    started: list[Started] = []
    for subscriber, (result, error) in zip(subscribers, outcomes, strict=True):
        if error is not None:
            failures.append((subscriber, error))
        elif result is not None and is_unfinished(result):
            if reject_async:
                failures.append((subscriber, async_handler_error(subscriber.handler, result)))
            else:
                started.append((subscriber, result))
    return started


def _sort_tasks(
    started: Iterable[Started], tasks: Iterable[asyncio.Future[Any]], failures: list[Failure], *, cancelled: bool
) -> None:
    """Add what has failed to the failures."""
    import asyncio

    for (subscriber, _), task in zip(started, tasks, strict=True):
        failure: BaseException | None = None
        if not task.cancelled():
            failure = task.exception()
        elif not cancelled:  # as the publish is not, the handler has cancelled itself
            failure = asyncio.CancelledError()
        if failure is not None:
            failures.append((subscriber, failure))


def _require_asyncio() -> None:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "a broker with parallel=True runs async handlers as tasks of asyncio, and no event loop of asyncio is "
            "running here; elsewhere (in trio, say) publish with a broker without parallel=True"
        ) from None


def async_handler_error(handler: Handler, result: Any) -> TypeError:
    """Return the error of a sync publish whose handler returned an awaitable; the awaitable is closed."""
    dispose(result)
    return TypeError(is_async_message(display_name(handler)))


def is_async_message(*names: str) -> str:
    verb = "is" if len(names) == 1 else "are"
    return f"{', '.join(names)} {verb} async; use `await broker.apublish(event)` for async handlers"


async def _raise(errors: list[Exception]) -> None:
    raise errors.pop()


def _exception_group(message: str, errors: list[Exception]) -> Exception:
    if sys.version_info >= (3, 11):
        return builtins.ExceptionGroup(message, errors)
    import exceptiongroup

    return exceptiongroup.ExceptionGroup(message, errors)


def log(failures: list[Failure], event: object) -> None:
    """Log the errors that cannot be raised because another one is, and empty the list."""
    for subscriber, error in failures:
        import logging

        exc_info = type(error), error, error.__traceback__  # logging would ask the error alone for its truth
        logging.getLogger(LOGGER).error(
            "%s failed on %s", display_name(subscriber.handler), type(event).__qualname__, exc_info=exc_info
        )
    failures.clear()
