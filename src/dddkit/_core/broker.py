"""The event broker: brings an event to the handlers that asked for its class, or for what it says."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from itertools import chain, count
from threading import Lock
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, final, overload

from dddkit._awaitables import FINISHED, dispose
from dddkit._callables import display_name, key_of
from dddkit._core.handlers import check_handler, is_unfinished
from dddkit._core.plans import Entry, Plan, instance_of, is_plain_class, order_of
from dddkit._core.threads import in_thread, in_threads
from dddkit.exceptions import UnhandledEventError

if TYPE_CHECKING:
    from typing import TypeAlias

    from dddkit._core.handlers import Handler
    from dddkit._core.plans import Predicate

__all__ = ["EventBroker", "Subscription"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
H = TypeVar("H", bound=Callable[[Any], Any])
R = TypeVar("R")

if TYPE_CHECKING:
    Decorator: TypeAlias = Callable[[Callable[[E], R]], Callable[[E], R]]
    Failure: TypeAlias = tuple["Entry", BaseException]

LOGGER: Final = "dddkit.broker"


@final
class Subscription:
    """One handler's wish for the events of a class, or for those a predicate chooses."""

    __slots__ = ("_cancel",)

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel: Final = cancel

    def cancel(self) -> None:
        """Undo it. Doing so again changes nothing; a publish that has begun still calls the handler."""
        self._cancel()


class EventBroker:
    """Brings each event to whoever wants to know, in the order in which they said so.

        broker = EventBroker()

        @broker.handle(ProductCreated)
        def index(event: ProductCreated) -> None: ...

        broker(ProductCreated(name="Tea"))

    `broker(event)` serves both colours: with sync handlers only it has run them when it returns, and what it returns
    may be awaited all the same; with an async one among them nothing runs before it is awaited.

    Subscribing, cancelling and publishing are safe from several threads. A publish uses the handlers it started with.

    Args:
        unhandled: what happens to an event that nobody handles: "raise" an UnhandledEventError, or "ignore" it.
        on_error: "stop" lets the first error propagate, and no later handler runs; "continue" runs every handler,
            then raises one ExceptionGroup of all errors.
        parallel: run the handlers of one event concurrently, sync ones in threads. Publishing returns when none is
            running any more. There "stop" raises the first error in the order of registration, and logs the others.
    """

    def __init__(
        self,
        *,
        unhandled: Literal["raise", "ignore"] = "raise",
        on_error: Literal["stop", "continue"] = "stop",
        parallel: bool = False,
    ) -> None:
        self._ignores: Final = _choice("unhandled", unhandled, "raise", "ignore") == "ignore"
        self._stops: Final = _choice("on_error", on_error, "stop", "continue") == "stop"
        self._parallel: Final = parallel
        self._lock: Final = Lock()
        self._order: Final = count()
        self._by_class: Final[dict[type, dict[int, Entry]]] = {}
        self._conditional: Final[dict[int, Entry]] = {}
        self._plans: dict[type, Plan] = {}

    # Subscribing

    @overload
    def handle(self, a: type[A], /) -> Decorator[A, R]: ...
    @overload
    def handle(self, a: type[A], b: type[B], /) -> Decorator[A | B, R]: ...
    @overload
    def handle(self, a: type[A], b: type[B], c: type[C], /) -> Decorator[A | B | C, R]: ...
    @overload
    def handle(self, a: type[A], b: type[B], c: type[C], d: type[D], /) -> Decorator[A | B | C | D, R]: ...
    @overload
    def handle(
        self, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /
    ) -> Decorator[A | B | C | D | E, R]: ...
    @overload
    def handle(  # more than five: no checker can name their union, so the handler's parameter goes unchecked
        self, a: type, b: type, c: type, d: type, e: type, f: type, /, *more: type
    ) -> Decorator[Any, Any]: ...
    def handle(self, *event_classes: type) -> Decorator[Any, Any]:
        """Decorate a handler of events of these classes and their subclasses; it stays the function it was."""
        return self._handle("handle", *event_classes)

    @overload
    def instance(self, wanted: type[A], /) -> Decorator[A, R]: ...
    @overload
    def instance(self, wanted: tuple[type[A]], /) -> Decorator[A, R]: ...
    @overload
    def instance(self, wanted: tuple[type[A], type[B]], /) -> Decorator[A | B, R]: ...
    @overload
    def instance(self, wanted: tuple[type[A], type[B], type[C]], /) -> Decorator[A | B | C, R]: ...
    @overload
    def instance(self, wanted: tuple[type[A], type[B], type[C], type[D]], /) -> Decorator[A | B | C | D, R]: ...
    @overload
    def instance(
        self, wanted: tuple[type[A], type[B], type[C], type[D], type[E]], /
    ) -> Decorator[A | B | C | D | E, R]: ...
    @overload
    def instance(self, wanted: tuple[type, ...], /) -> Decorator[Any, Any]: ...  # see handle
    def instance(self, wanted: type | tuple[type, ...], /) -> Decorator[Any, Any]:
        """Decorate a handler as `handle` does: its older spelling, with a tuple for several classes."""
        return self._handle("instance", *(wanted if isinstance(wanted, tuple) else (wanted,)))

    def register(self, predicate: Predicate, /) -> Callable[[H], H]:
        """Decorate a handler of the events for which the predicate is true."""
        if isinstance(predicate, type) or not callable(predicate):
            raise TypeError(f"register takes a predicate, and got {predicate!r}; for classes there is handle(...)")

        def decorate(handler: H) -> H:
            self._subscribe(predicate, handler)
            return handler

        return decorate

    @overload
    def subscribe(self, wanted: type[E], handler: Callable[[E], Any], /) -> Subscription: ...
    @overload
    def subscribe(self, wanted: Predicate, handler: Handler, /) -> Subscription: ...
    def subscribe(self, wanted: Handler, handler: Handler, /) -> Subscription:
        """Let the handler have the events of a class and its subclasses, or those a predicate chooses."""
        return self._subscribe(wanted, handler)

    @overload
    def unsubscribe(self, wanted: type[E], handler: Callable[[E], Any], /) -> None: ...
    @overload
    def unsubscribe(self, wanted: Predicate, handler: Handler, /) -> None: ...
    def unsubscribe(self, wanted: Handler, handler: Handler, /) -> None:
        """Undo the subscriptions of the handler to this class, or this predicate; by decorator too.

        Raises:
            ValueError: there is none.
        """
        with self._lock:
            bucket = self._conditional
            if isinstance(wanted, type) and is_plain_class(wanted):
                bucket = self._by_class.get(wanted, {})
            ids = key_of(wanted), key_of(handler)
            found = [entry for entry in bucket.values() if (entry.wanted_id, entry.handler_id) == ids]
            for entry in found:
                del bucket[entry.order]
            self._plans = {}
        if not found:
            raise ValueError(f"{display_name(handler)} is not subscribed to {display_name(wanted)}")

    def _handle(self, method: str, *event_classes: object) -> Decorator[Any, Any]:
        wanted = [event_class for event_class in event_classes if isinstance(event_class, type)]
        if not wanted or len(wanted) < len(event_classes):
            given = ", ".join(map(repr, event_classes)) or "nothing"
            raise TypeError(f"{method} takes event classes, and got {given}; write @broker.{method}(ProductCreated)")

        def decorate(handler: Handler) -> Handler:
            for event_class in wanted:
                self._subscribe(event_class, handler)
            return handler

        return decorate

    def _subscribe(self, wanted: Handler, handler: Handler) -> Subscription:
        check_handler(handler)
        if not callable(wanted):
            raise TypeError(f"subscribe takes an event class or a predicate, and got {wanted!r}")
        predicate = instance_of(wanted) if isinstance(wanted, type) else wanted
        with self._lock:
            bucket = self._conditional
            if isinstance(wanted, type) and is_plain_class(wanted):
                bucket = self._by_class.setdefault(wanted, {})
            entry = Entry(wanted, handler, predicate, next(self._order), bucket)
            self._plans = {}
        return Subscription(partial(self._cancel, entry))

    def _cancel(self, entry: Entry) -> None:
        with self._lock:
            if entry.bucket.pop(entry.order, None) is not None:
                self._plans = {}

    # Publishing

    def __call__(self, event: object, /) -> Awaitable[None]:
        """Publish the event in the colour of its handlers.

        Only sync ones: they run now, and what comes back is finished, awaited or not. Any async one: a coroutine,
        and nothing runs before it is awaited.

        Raises:
            UnhandledEventError: nobody handles the event.
        """
        try:  # `get` would take longer than calling a handler does
            plan = self._plans[type(event)]
        except KeyError:
            plan = self._make_plan(type(event))
        if plan.sync is not None:
            for handler in plan.sync:
                if (result := handler(event)) is not None and is_unfinished(result):
                    return _await_all(result, _after(handler, plan.sync), event)
            return FINISHED
        if plan.handlers is not None:
            return _await_all(None, plan.handlers, event)
        chosen = self._choose(plan, event)
        for entry in chosen:
            if entry.is_async:
                return self._arun(chosen, event)
        return self._run(chosen, event, refuse=False) or FINISHED

    def publish(self, event: object, /) -> None:
        """Publish the event to sync handlers; all that was to run has run when it returns.

        Raises:
            TypeError: a handler is async; no handler has run.
            UnhandledEventError: nobody handles the event.
        """
        try:
            plan = self._plans[type(event)]
        except KeyError:
            plan = self._make_plan(type(event))
        if plan.sync is not None:
            for handler in plan.sync:
                if (result := handler(event)) is not None and is_unfinished(result):
                    raise _refused(handler, result)
            return
        chosen = self._choose(plan, event)
        if names := [display_name(entry.handler) for entry in chosen if entry.is_async]:
            raise TypeError(_is_async_message(*names))
        self._run(chosen, event, refuse=True)

    async def apublish(self, event: object, /) -> None:
        """Publish the event to handlers of either colour; all that was to run has run when it returns.

        Raises:
            UnhandledEventError: nobody handles the event.
        """
        try:
            plan = self._plans[type(event)]
        except KeyError:
            plan = self._make_plan(type(event))
        if plan.handlers is not None:
            for handler in plan.handlers:
                if (result := handler(event)) is not None and (type(result) is CoroutineType or is_unfinished(result)):
                    await result
            return
        await self._arun(self._choose(plan, event), event)

    async_publish = apublish

    async def _offer(self, event: object) -> None:
        """Publish an event that nobody needs to handle, whatever this broker thinks of unhandled ones."""
        plan = self._plans.get(type(event)) or self._make_plan(type(event))
        await self._arun(plan.choose(event), event)

    def _make_plan(self, event_class: type) -> Plan:
        with self._lock:
            buckets = (self._by_class.get(base) for base in event_class.__mro__)
            candidates = [*self._conditional.values(), *chain.from_iterable(b.values() for b in buckets if b)]
            candidates.sort(key=order_of)
            plan = Plan(candidates, conditional=bool(self._conditional), simple=self._stops and not self._parallel)
            self._plans[event_class] = plan
        return plan

    def _choose(self, plan: Plan, event: object) -> Sequence[Entry]:
        chosen = plan.choose(event)
        if not chosen and not self._ignores:
            raise UnhandledEventError(event)
        return chosen

    def _run(self, chosen: Sequence[Entry], event: object, *, refuse: bool) -> Coroutine[Any, Any, None] | None:
        """Run handlers that look sync; where one is not, refuse it or hand back the rest of the work."""
        if self._parallel and chosen:
            return self._run_in_threads(chosen, event, refuse=refuse)
        failures: list[Failure] = []
        rest = iter(chosen)
        for entry in rest:
            try:
                result = entry.handler(event)
                if result is not None and is_unfinished(result):
                    if not refuse:
                        return self._finish([(entry, result)], rest, event, failures)
                    raise _refused(entry.handler, result)
            except Exception as error:
                if self._stops:
                    raise
                failures.append((entry, error))
            except BaseException:
                _log(failures, event)
                raise
        self._settle(failures, event)
        return None

    async def _arun(self, chosen: Sequence[Entry], event: object) -> None:
        if self._parallel:
            await self._arun_in_parallel(chosen, event)
        else:
            await self._finish([], chosen, event, [])

    async def _finish(
        self,
        begun: list[tuple[Entry, Awaitable[Any]]],
        rest: Iterable[Entry],
        event: object,
        failures: list[Failure],
    ) -> None:
        for entry, awaitable in chain(begun, ((entry, None) for entry in rest)):
            try:
                result = entry.handler(event) if awaitable is None else awaitable
                if result is not None and is_unfinished(result):
                    await result
            except Exception as error:
                if self._stops:
                    raise
                failures.append((entry, error))
            except BaseException:
                _log(failures, event)
                raise
        self._settle(failures, event)

    def _run_in_threads(
        self, chosen: Sequence[Entry], event: object, *, refuse: bool
    ) -> Coroutine[Any, Any, None] | None:
        futures, interruption = in_threads([entry.handler for entry in chosen], event)
        failures: list[Failure] = []
        begun: list[tuple[Entry, Awaitable[Any]]] = []
        for entry, future in zip(chosen, futures, strict=True):
            error = None if future.cancelled() else future.exception()
            result = None if error or future.cancelled() else future.result()
            if result is not None and is_unfinished(result):
                if refuse or interruption is not None:
                    error = _refused(entry.handler, result)
                else:
                    begun.append((entry, result))
            if error is not None:
                failures.append((entry, error))
        if interruption is not None:
            _log(failures, event)
            raise interruption
        if begun:
            return self._finish_in_parallel(begun, event, failures)
        self._settle(failures, event)
        return None

    async def _arun_in_parallel(self, chosen: Sequence[Entry], event: object) -> None:
        begun: list[tuple[Entry, Awaitable[Any]]] = []
        for entry in chosen:
            try:
                call = entry.handler(event) if entry.is_async else in_thread(entry.handler, event)
            except Exception as error:
                call = _failing(error)
            begun.append((entry, call))
        await self._finish_in_parallel(begun, event, [])

    async def _finish_in_parallel(
        self, begun: list[tuple[Entry, Awaitable[Any]]], event: object, failures: list[Failure]
    ) -> None:
        import asyncio

        tasks = [asyncio.ensure_future(awaitable) for _, awaitable in begun]
        interruption: BaseException | None = None
        try:
            # Cancelled, it cancels the tasks, and is done no sooner than the last of them.
            await asyncio.gather(*tasks, return_exceptions=True)
        except asyncio.CancelledError as error:
            interruption = error
        for (entry, _), task in zip(begun, tasks, strict=True):
            if not task.cancelled():
                failure = task.exception()
            else:  # by us, together with the others; or the handler cancelled itself
                failure = None if interruption is not None else asyncio.CancelledError()
            if failure is not None:
                failures.append((entry, failure))
        failures.sort(key=lambda failure: order_of(failure[0]))
        if interruption is not None:
            _log(failures, event)
            raise interruption
        self._settle(failures, event)

    def _settle(self, failures: Sequence[Failure], event: object) -> None:
        """Raise what the handlers have raised, as `on_error` says."""
        if not failures:
            return
        fatal = [error for _, error in failures if not isinstance(error, Exception)]
        if fatal or self._stops:
            first = fatal[0] if fatal else failures[0][1]
            _log([failure for failure in failures if failure[1] is not first], event)
            raise first
        errors = [error for _, error in failures if isinstance(error, Exception)]
        raise _group(f"{len(errors)} handlers of {type(event).__qualname__} failed", errors)


async def _await_all(begun: Awaitable[Any] | None, handlers: Iterable[Handler], event: object) -> None:
    if begun is not None:
        await begun
    for handler in handlers:
        if (result := handler(event)) is not None and (type(result) is CoroutineType or is_unfinished(result)):
            await result


def _after(handler: Handler, handlers: Iterable[Handler]) -> Iterable[Handler]:
    """Those that come after this one; each is there once."""
    rest = iter(handlers)
    for other in rest:
        if other is handler:
            break
    return rest


def _group(message: str, errors: list[Exception]) -> Exception:
    if sys.version_info >= (3, 11):
        return builtins.ExceptionGroup(message, errors)
    import exceptiongroup

    return exceptiongroup.ExceptionGroup(message, errors)


async def _failing(error: Exception) -> None:
    raise error


def _log(failures: Iterable[Failure], event: object) -> None:
    """Say what cannot be raised, because something else is."""
    for entry, error in failures:
        import logging

        logging.getLogger(LOGGER).error(
            "%s failed on %s", display_name(entry.handler), type(event).__qualname__, exc_info=error
        )


def _choice(name: str, value: str, *allowed: str) -> str:
    if value not in allowed:
        raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, and got {value!r}")
    return value


def _refused(handler: Handler, result: Any) -> TypeError:
    dispose(result)
    return TypeError(_is_async_message(display_name(handler)))


def _is_async_message(*names: str) -> str:
    verb = "is" if len(names) == 1 else "are"
    return f"{', '.join(names)} {verb} async; use `await broker.apublish(event)` for async handlers."
