"""The subscriptions of a broker, resolved per event class."""

from __future__ import annotations

import inspect
from abc import ABC, ABCMeta
from itertools import chain, count
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, final

from dddkit._awaitables import is_async
from dddkit._callables import display_name, key_of, kind_of, without_partials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    Handler: TypeAlias = Callable[[Any], Any]  # of any event, with any result: both are the user's
    Predicate: TypeAlias = Callable[[Any], bool]

__all__ = ["Route", "Subscription", "Subscriptions", "validate_handler"]


@final
class Subscription:
    """One handler's subscription to the events of a class, or to those that a predicate selects.

    `cancel` is for you; the attributes are for the broker.
    """

    __slots__ = ("_subscriptions", "handler", "handler_key", "is_async", "order", "predicate", "selector", "siblings")

    def __init__(
        self,
        subscriptions: Subscriptions,
        siblings: dict[int, Subscription],
        selector: Handler,
        predicate: Predicate,
        handler: Handler,
    ) -> None:
        self._subscriptions: Final = subscriptions
        self.siblings: Final = siblings  # those it is stored with: of the same class, or all by predicate
        self.selector: Final = selector  # an event class or a predicate
        self.predicate: Final = predicate
        self.handler: Final = handler
        self.handler_key: Final = key_of(handler)
        self.is_async: Final = is_async(handler)
        self.order: Final = subscriptions.next_order()

    def cancel(self) -> None:
        """Cancel the subscription; a second call changes nothing. A publish that has begun still calls the handler."""
        self._subscriptions.discard(self)


@final
class Subscriptions:
    """All subscriptions of one broker: by event class where the class decides, else by predicate.

    Safe from several threads.

    Args:
        direct: the handlers may be called without collecting their errors (see Route).
    """

    __slots__ = ("_by_class", "_by_predicate", "_direct", "_lock", "next_order", "routes")

    def __init__(self, *, direct: bool) -> None:
        self._direct: Final = direct
        self._lock: Final = Lock()
        self._by_class: Final[dict[type, dict[int, Subscription]]] = {}
        self._by_predicate: Final[dict[int, Subscription]] = {}
        self.next_order: Final[Callable[[], int]] = count().__next__
        self.routes: Final[dict[type, Route]] = {}
        """The routes resolved so far; emptied when a subscription is added or removed."""

    def add(self, selector: Handler, handler: Handler) -> Subscription:
        """Subscribe the handler; it is valid, and the selector is an event class or a predicate."""
        predicate = _isinstance_predicate(selector) if isinstance(selector, type) else selector
        with self._lock:
            siblings = self._by_predicate
            if isinstance(selector, type) and _is_matched_by_mro(selector):
                siblings = self._by_class.setdefault(selector, {})
            subscription = Subscription(self, siblings, selector, predicate, handler)
            siblings[subscription.order] = subscription
            self.routes.clear()
        return subscription

    def discard(self, subscription: Subscription) -> None:
        """Remove the subscription; do nothing where it was removed before."""
        with self._lock:
            if subscription.siblings.pop(subscription.order, None) is not None:
                self.routes.clear()

    def remove(self, selector: Handler, handler: Handler) -> None:
        """Remove each subscription of the handler to the selector.

        Raises:
            ValueError: there is none.
        """
        with self._lock:
            siblings = self._by_predicate
            if isinstance(selector, type) and _is_matched_by_mro(selector):
                siblings = self._by_class.get(selector, {})
            keys = key_of(selector), key_of(handler)
            found = [other for other in siblings.values() if (key_of(other.selector), other.handler_key) == keys]
            for subscription in found:
                del siblings[subscription.order]
            self.routes.clear()
        if not found:
            raise ValueError(f"{display_name(handler)} is not subscribed to {display_name(selector)}")

    def resolve(self, event_class: type) -> Route:
        """Find the subscriptions that may match events of this class, and keep them for the next event."""
        with self._lock:
            by_class = (self._by_class.get(base) for base in event_class.__mro__)
            candidates = [
                *self._by_predicate.values(),
                *chain.from_iterable(each.values() for each in by_class if each),
            ]
            candidates.sort(key=lambda candidate: candidate.order)
            route = Route(candidates, by_predicate=bool(self._by_predicate), direct=self._direct)
            self.routes[event_class] = route
        return route


@final
class Route:
    """The subscriptions that may match events of one concrete class.

    Attributes:
        handlers: the handlers to call directly: every event of the class goes to them, and no error is collected.
            Else None.
        sync_handlers: the same, where all of them are sync; else None.
    """

    __slots__ = ("_candidates", "_fixed", "_handlers_differ", "handlers", "sync_handlers")

    def __init__(self, candidates: Sequence[Subscription], *, by_predicate: bool, direct: bool) -> None:
        self._candidates: Final = [(candidate.predicate, candidate) for candidate in candidates]
        self._handlers_differ: Final = len({candidate.handler_key for candidate in candidates}) == len(candidates)
        self._fixed: Final = None if by_predicate else _first_of_each_handler(candidates)
        self.handlers: tuple[Handler, ...] | None = None
        self.sync_handlers: tuple[Handler, ...] | None = None
        if self._fixed and direct:
            self.handlers = tuple(subscription.handler for subscription in self._fixed)
            if not any(subscription.is_async for subscription in self._fixed):
                self.sync_handlers = self.handlers

    def select(self, event: object) -> Sequence[Subscription]:
        """Return the subscriptions that match the event, one per handler, in the order of subscription."""
        if self._fixed is not None:
            return self._fixed
        selected = [candidate for matches, candidate in self._candidates if matches(event)]
        return selected if self._handlers_differ else _first_of_each_handler(selected)


def validate_handler(handler: Handler) -> None:
    """Raise TypeError for a handler that cannot be called with an event, or whose body would not run when it is."""
    if not callable(handler):
        raise TypeError(f"a handler is called with the event, and {kind_of(handler)} cannot be called")
    for function in _functions_of(handler):
        is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        if is_generator and not _is_generator_coroutine(function):
            raise TypeError(f"{display_name(handler)} is a generator: called with an event, its body would not run")


def _functions_of(handler: Handler) -> tuple[Handler, Handler]:
    """Return what may contain the handler's code: the function without its partials, the `__call__` of an object."""
    function = without_partials(handler)
    call: Handler = type(function).__call__
    return function, without_partials(call)


def _is_generator_coroutine(function: Handler) -> bool:
    flags: object = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return isinstance(flags, int) and bool(flags & inspect.CO_ITERABLE_COROUTINE)  # by `types.coroutine`


def _is_matched_by_mro(event_class: type) -> bool:
    """Return whether its subclasses are exactly the classes with it in their MRO.

    An abstract class may have registered subclasses; a protocol matches whatever has its methods.
    """
    if not isinstance(event_class, ABCMeta):
        return True
    is_first = all(base is ABC or not isinstance(base, ABCMeta) for base in event_class.__bases__)
    return not (is_first or event_class.__abstractmethods__ or getattr(event_class, "_is_protocol", False))


def _isinstance_predicate(event_class: type) -> Predicate:
    if not _is_matched_by_mro(event_class):
        isinstance(None, event_class)  # raises now where the class is a protocol that `isinstance` rejects
    return lambda event: isinstance(event, event_class)


def _first_of_each_handler(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    first: dict[object, Subscription] = {}
    for subscription in subscriptions:
        first.setdefault(subscription.handler_key, subscription)
    return list(first.values())
