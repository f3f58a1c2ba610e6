"""The event broker: subscribing handlers to events, publishing events to them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import wraps
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

from dddkit._awaitables import FINISHED, is_unfinished
from dddkit._callables import display_name, kind_of
from dddkit._core.coroutines import await_rest
from dddkit._core.dispatch import Dispatcher, RecordingDispatcher, async_handler_error, is_async_message, log
from dddkit._core.selectors import validate_event_classes, validate_handler, validate_predicate, validate_selector
from dddkit._core.subscriptions import Subscription, Subscriptions
from dddkit.exceptions import UnhandledEventError

if sys.version_info >= (3, 12):
    from inspect import markcoroutinefunction

if TYPE_CHECKING:
    from typing import TypeAlias

    from dddkit._core.selectors import Handler, Predicate
    from dddkit._core.subscriptions import Failure, Route, Subscriber

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


class EventBroker:
    """Publishes each event to the handlers subscribed to it, in the order of subscription.

        broker = EventBroker()

        @broker.handle(ProductCreated)
        def index(event: ProductCreated) -> None: ...

        broker(ProductCreated(name="Tea"))

    `broker(event)` serves sync and async handlers. When all of them are sync, it has run them when it returns, and its
    result may be awaited as well. When any is async, it returns a coroutine, and no handler runs before you
    await it.

    Subscribing, cancelling and publishing are safe from several threads, from finalizers and signal handlers, and in
    forked children. A publish uses the handlers it started with.

    Args:
        unhandled: what to do with an event that has no handler: "raise" an UnhandledEventError, or "ignore" it.
        on_error: "stop" lets the first error propagate, and no later handler runs; "continue" runs every handler,
            then raises one ExceptionGroup of all errors. A predicate that raises counts as an error of its handler.
        parallel: run the handlers of one event concurrently, sync ones in threads. Publishing returns when none is
            running any more. With it "stop" raises the first error in the order of subscription, and logs the others.
            Async publishing needs asyncio then: elsewhere, as in trio, it is a RuntimeError, and no handler has run.

    Raises:
        ValueError: `unhandled` or `on_error` is none of its values.
    """

    def __init__(
        self,
        *,
        unhandled: Literal["raise", "ignore"] = "raise",
        on_error: Literal["stop", "continue"] = "stop",
        parallel: bool = False,
    ) -> None:
        self._ignores_unhandled: Final = _validated("unhandled", unhandled, "raise", "ignore") == "ignore"
        self._stops: Final = _validated("on_error", on_error, "stop", "continue") == "stop"
        self._parallel: Final = parallel
        self._recordings: Final[dict[int, list[Any]]] = {}
        self._dispatcher = Dispatcher(stops=self._stops, parallel=parallel)
        self._subscriptions: Final = Subscriptions(type(self).__qualname__, direct=self._stops and not parallel)
        self._routes: Final = self._subscriptions.routes  # here too: one look-up less for each event

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
        """Subscribe the decorated handler to events of these classes and their subclasses; return it unchanged."""
        return self._handle("handle", *event_classes)

    @overload
    def instance(self, selector: type[A], /) -> Decorator[A, R]: ...
    @overload
    def instance(self, selector: tuple[type[A]], /) -> Decorator[A, R]: ...
    @overload
    def instance(self, selector: tuple[type[A], type[B]], /) -> Decorator[A | B, R]: ...
    @overload
    def instance(self, selector: tuple[type[A], type[B], type[C]], /) -> Decorator[A | B | C, R]: ...
    @overload
    def instance(self, selector: tuple[type[A], type[B], type[C], type[D]], /) -> Decorator[A | B | C | D, R]: ...
    @overload
    def instance(
        self, selector: tuple[type[A], type[B], type[C], type[D], type[E]], /
    ) -> Decorator[A | B | C | D | E, R]: ...
    @overload
    def instance(self, selector: tuple[type, ...], /) -> Decorator[Any, Any]: ...  # see handle
    def instance(self, selector: type | tuple[type, ...], /) -> Decorator[Any, Any]:
        """Subscribe the decorated handler: the older spelling of `handle`, with a tuple for several classes."""
        return self._handle("instance", *(selector if isinstance(selector, tuple) else (selector,)))

    def register(self, predicate: Predicate, /) -> Callable[[H], H]:
        """Subscribe the decorated handler to the events for which the predicate is true."""
        validate_predicate(predicate)

        def decorate(handler: H) -> H:
            self._subscribe(predicate, handler)
            return handler

        return decorate

    @overload
    def subscribe(self, selector: type[E], handler: Callable[[E], Any], /) -> Subscription: ...
    @overload
    def subscribe(self, selector: Predicate, handler: Handler, /) -> Subscription: ...
    def subscribe(self, selector: Handler, handler: Handler, /) -> Subscription:
        """Subscribe the handler to the events of a class and its subclasses, or to those that a predicate selects.

        Whether the handler is async is found out now, so change the steps of a story before you subscribe it.

        Returns:
            The subscription, which can be cancelled.

        Raises:
            TypeError: the handler cannot handle an event, or the selector is neither a class nor a predicate; what is
                for type checkers, such as `Changed[int]`, is neither.
        """
        return self._subscribe(selector, handler)

    @overload
    def unsubscribe(self, selector: type[E], handler: Callable[[E], Any], /) -> None: ...
    @overload
    def unsubscribe(self, selector: Predicate, handler: Handler, /) -> None: ...
    def unsubscribe(self, selector: Handler, handler: Handler, /) -> None:
        """Cancel the subscriptions of the handler to this class, or this predicate; those by decorator too.

        Raises:
            ValueError: there is none.
        """
        self._subscriptions.remove(selector, handler)

    def _handle(self, method: str, *event_classes: type) -> Decorator[Any, Any]:
        validate_event_classes(method, event_classes)

        def decorate(handler: Handler) -> Handler:
            for event_class in event_classes:
                self._subscribe(event_class, handler)
            return handler

        return decorate

    def _subscribe(self, selector: Handler, handler: Handler) -> Subscription:
        validate_handler(handler, selector)
        validate_selector(selector)
        return self._subscriptions.add(selector, handler)

    # Publishing

    def __call__(self, event: object, /) -> Awaitable[None]:
        """Publish the event to its handlers, sync or async.

        When all handlers are sync, they run now; awaiting the result is allowed and not needed. When any is async,
        the result is a coroutine, and no handler runs before it is awaited.

        Raises:
            UnhandledEventError: the event has no handler.
        """
        try:  # `get` costs more than calling a handler does
            route = self._routes[type(event)]
        except KeyError:
            route = self._subscriptions.resolve(type(event))
        if route.sync_handlers is not None:
            for handler in route.sync_handlers:
                if (result := handler(event)) is not None and is_unfinished(result):
                    return _named(route.call, await_rest(result, handler, route.sync_handlers, event))
            return FINISHED
        if (arun := route.arun) is not None:
            return arun(event)
        failures: list[Failure] = []
        selected = self._select(route, event, failures)
        for subscriber in selected:
            if subscriber.is_async:
                return _named(route.call, self._dispatcher.arun(selected, event, failures))
        coroutine = self._dispatcher.run(selected, event, failures, reject_async=False)
        return FINISHED if coroutine is None else _named(route.call, coroutine)

    def publish(self, event: object, /) -> None:
        """Publish the event to sync handlers; they have run when it returns.

        Raises:
            TypeError: a handler is async; no handler has run.
            UnhandledEventError: the event has no handler.
        """
        try:
            route = self._routes[type(event)]
        except KeyError:
            route = self._subscriptions.resolve(type(event))
        if route.sync_handlers is not None:
            for handler in route.sync_handlers:
                if (result := handler(event)) is not None and is_unfinished(result):
                    raise async_handler_error(handler, result)
            return
        failures: list[Failure] = []
        selected = self._select(route, event, failures)
        if names := [display_name(subscriber.handler) for subscriber in selected if subscriber.is_async]:
            log(failures, event)
            raise TypeError(is_async_message(*names))
        self._dispatcher.run(selected, event, failures, reject_async=True)

    async def apublish(self, event: object, /) -> None:
        """Publish the event to sync and async handlers; they have run when it returns.

        Raises:
            UnhandledEventError: the event has no handler.
        """
        try:
            route = self._routes[type(event)]
        except KeyError:
            route = self._subscriptions.resolve(type(event))
        if route.handlers is not None:
            try:
                for handler in route.handlers:
                    if (result := handler(event)) is not None and (
                        type(result) is CoroutineType or is_unfinished(result)
                    ):
                        await result
            finally:
                result = None  # a future holds its error, see Dispatcher
            return
        failures: list[Failure] = []
        await self._dispatcher.arun(self._select(route, event, failures), event, failures)

    if not TYPE_CHECKING and sys.version_info >= (3, 12):
        # Its coroutine names broker and event where nobody awaits it. Before, only `async def` is known as async.
        _apublish = apublish

        @markcoroutinefunction
        @wraps(_apublish)
        def apublish(self, event, /):
            try:
                route = self._routes[type(event)]
            except KeyError:
                route = self._subscriptions.resolve(type(event))
            return arun(event) if (arun := route.arun) is not None else _named(route.call, self._apublish(event))

    async_publish = apublish

    async def _apublish_optional(self, event: object) -> None:
        """Publish an event that may have no handler, also where `unhandled` is "raise"."""
        route = self._routes.get(type(event)) or self._subscriptions.resolve(type(event))
        failures: list[Failure] = []
        await self._dispatcher.arun(self._select(route, event, failures, optional=True), event, failures)

    def _publish_optional(self, event: object) -> None:
        """Do the same where all handlers are sync."""
        route = self._routes.get(type(event)) or self._subscriptions.resolve(type(event))
        failures: list[Failure] = []
        selected = self._select(route, event, failures, optional=True)
        self._dispatcher.run(selected, event, failures, reject_async=True)

    def _reject_async_handlers(self, events: Iterable[object], why: str) -> None:
        """Raise a TypeError if an async handler would get one of the events; `why` says who publishes to sync ones."""
        for event in events:
            route = self._routes.get(type(event)) or self._subscriptions.resolve(type(event))
            if route.candidates is None:
                self._subscriptions.fill(route, type(event))
            if names := [display_name(handler) for handler in route.async_handlers(event)]:
                raise TypeError(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} async, and {why}")

    # For the testing kit, which holds a lock meanwhile. Publishing costs nothing more while nobody records.

    def _record(self, events: list[Any]) -> None:
        """Add each event to the list when it is published, before its handlers run; from now on it may have none."""
        self._recordings[id(events)] = events
        self._dispatcher = RecordingDispatcher(self._recordings, stops=self._stops, parallel=self._parallel)
        self._subscriptions.set_direct(False)

    def _stop_recording(self, events: list[Any]) -> None:
        del self._recordings[id(events)]
        if not self._recordings:
            self._dispatcher = Dispatcher(stops=self._stops, parallel=self._parallel)
            self._subscriptions.set_direct(self._stops and not self._parallel)

    def _select(
        self, route: Route, event: object, failures: list[Failure], *, optional: bool = False
    ) -> Sequence[Subscriber]:
        if route.candidates is None:  # it is in the table before it is filled in
            self._subscriptions.fill(route, type(event))
        selected = route.select(event) if self._stops else route.try_select(event, failures)
        if not (selected or failures or optional or self._ignores_unhandled or self._recordings):
            raise UnhandledEventError(event)
        return selected


def _named(name: str, coroutine: Any) -> Coroutine[Any, Any, None]:
    """Return the coroutine with a name for the warning where nobody awaits it."""
    coroutine.__qualname__ = name
    named: Coroutine[Any, Any, None] = coroutine
    return named


def _validated(name: str, value: object, *allowed: str) -> object:
    if value not in allowed:
        given = repr(value) if isinstance(value, str) else kind_of(value)
        raise ValueError(f"{name} is {' or '.join(map(repr, allowed))}, and not {given}")
    return value
