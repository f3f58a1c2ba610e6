"""The subscribers of a broker, resolved per event class.

There is no lock, since nothing would make one right: a finalizer or a signal handler may subscribe, cancel or publish in
the middle of any method here, in the same thread, and a fork may copy the data at any moment. Instead, every change is
one operation of a dict, and a route is in the table before the subscribers are read that it is filled in with: whoever
changes them empties the table afterwards, and so discards what was read before.
"""

from __future__ import annotations

import sys
from itertools import chain, count
from typing import TYPE_CHECKING, Any, Final, final
from weakref import WeakKeyDictionary, ref

from dddkit._awaitables import is_async
from dddkit._callables import display_name, key_of
from dddkit._core.selectors import is_matched_by_mro
from dddkit._core.typing_objects import is_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from dddkit._core.selectors import Handler, Predicate

    Failure: TypeAlias = tuple["Subscriber", BaseException]
    Group: TypeAlias = dict["Subscriber", None]  # a set in the order of insertion

__all__ = ["Route", "Subscriber", "Subscription", "Subscriptions"]

# How many routes to event classes that others keep alive; a reloaded module leaves its old classes behind.
MOST_ROUTES: Final = 4096


@final
class Subscription:
    """One handler's subscription to the events of a class, or to those that a predicate selects.

    It keeps neither the handler nor the broker alive.
    """

    __slots__ = ("_subscriber", "_subscriptions")

    def __init__(self, subscriptions: Subscriptions, subscriber: Subscriber) -> None:
        self._subscriptions: Final = ref(subscriptions)
        self._subscriber: Final = ref(subscriber)

    def cancel(self) -> None:
        """Cancel the subscription; a second call changes nothing. A publish that has begun still calls the handler."""
        subscriptions, subscriber = self._subscriptions(), self._subscriber()
        if subscriptions is not None and subscriber is not None:
            subscriptions.discard(subscriber)


@final
class Subscriber:
    """A handler, and what selects its events."""

    __slots__ = ("__weakref__", "by_class", "handler", "handler_key", "is_async", "order", "predicate", "selector")

    def __init__(self, selector: Handler, handler: Handler, order: int) -> None:
        self.selector: Final = selector  # an event class or a predicate
        self.by_class: Final = is_class(selector) and is_matched_by_mro(selector)
        self.predicate: Final = _isinstance_predicate(selector) if is_class(selector) else selector
        self.handler: Final = handler
        self.handler_key: Final = key_of(handler)
        self.is_async: Final = is_async(handler)
        self.order: Final = order


@final
class Subscriptions:
    """All subscribers of one broker: by event class where the class decides, else by predicate.

    Args:
        direct: the handlers may be called without collecting their errors (see Route).
    """

    __slots__ = ("__weakref__", "_by_class", "_by_predicate", "_direct", "_next_order", "_passing", "routes")

    def __init__(self, *, direct: bool) -> None:
        self._direct: Final = direct
        # A class that nobody else keeps goes as soon as its last subscriber has gone, and its empty group with it.
        self._by_class: Final = WeakKeyDictionary[type, "Group"]()
        self._by_predicate: Final[Group] = {}
        self._next_order: Final[Callable[[], int]] = count().__next__
        self.routes: Final[dict[type, Route]] = {}
        """The routes resolved so far, of event classes that others keep alive; emptied at every change."""
        self._passing = WeakKeyDictionary[type, Route]()  # the routes of other classes

    def add(self, selector: Handler, handler: Handler) -> Subscription:
        """Subscribe the handler; it is valid, and the selector is an event class or a predicate."""
        subscriber = Subscriber(selector, handler, self._next_order())
        subscription = Subscription(self, subscriber)
        group = self._by_class.setdefault(selector, {}) if subscriber.by_class else self._by_predicate
        passing = WeakKeyDictionary[type, Route]()
        # Between these three nothing can interrupt: CPython asks for signals after calls.
        group[subscriber] = None
        self._passing = passing
        self.routes.clear()
        return subscription

    def discard(self, subscriber: Subscriber) -> None:
        """Remove the subscriber; do nothing where it was removed before."""
        self._discard(self._group_of(subscriber.selector, by_class=subscriber.by_class), [subscriber])

    def remove(self, selector: Handler, handler: Handler) -> None:
        """Remove each subscription of the handler to the selector.

        Raises:
            ValueError: there is none.
        """
        group = self._group_of(selector, by_class=is_class(selector) and is_matched_by_mro(selector))
        keys = key_of(selector), key_of(handler)
        found = [other for other in group.copy() if (key_of(other.selector), other.handler_key) == keys]
        if not self._discard(group, found):
            raise ValueError(f"{display_name(handler)} is not subscribed to {display_name(selector)}")

    def resolve(self, event_class: type) -> Route:
        """Return the route of an event class that has none in `routes`, and keep it for the next event."""
        passing = self._passing
        route = passing.get(event_class)
        if route is None:
            if self._is_kept_elsewhere(event_class):
                if len(self.routes) >= MOST_ROUTES:
                    self.routes.clear()
                route = self.routes.setdefault(event_class, Route())
            else:
                route = passing.setdefault(event_class, Route())
        if route.candidates is None:
            self.fill(route, event_class)
        return route

    def fill(self, route: Route, event_class: type) -> None:
        """Find the subscribers that may match events of this class."""
        groups = (self._by_class.get(base) for base in event_class.__mro__)
        # Copies: while a group is iterated, nothing may change it.
        found = [*self._by_predicate.copy(), *chain.from_iterable(group.copy() for group in groups if group)]
        found.sort(key=lambda subscriber: subscriber.order)
        route.fill(found, direct=self._direct)

    def _is_kept_elsewhere(self, event_class: type) -> bool:
        """Return whether a subscriber or its module keeps the class alive; no route may be what does."""
        if self._by_class.get(event_class):
            return True
        found: object = sys.modules.get(event_class.__module__)
        for name in event_class.__qualname__.split("."):
            found = getattr(found, "__dict__", {}).get(name)
        return found is event_class

    def _group_of(self, selector: Handler, *, by_class: bool) -> Group:
        return self._by_class.get(selector, {}) if by_class and is_class(selector) else self._by_predicate

    def _discard(self, group: Group, subscribers: Iterable[Subscriber]) -> bool:
        """Remove the subscribers; return whether any was there."""
        passing = WeakKeyDictionary[type, Route]()
        try:
            return any([group.pop(subscriber, self) is None for subscriber in subscribers])
        finally:  # also where it is interrupted
            self._passing = passing
            self.routes.clear()


@final
class Route:
    """The subscribers that may match events of one concrete class; empty at first.

    Attributes:
        candidates: the subscribers with their predicates; None until it is filled in.
        handlers: the handlers to call directly: every event of the class goes to them, and no error is collected.
            Else None.
        sync_handlers: the same, where all of them are sync; else None.
    """

    __slots__ = ("__weakref__", "_fixed", "_handlers_differ", "candidates", "handlers", "sync_handlers")

    def __init__(self) -> None:
        self.candidates: Sequence[tuple[Predicate, Subscriber]] | None = None
        self._fixed: Sequence[Subscriber] | None = None
        self._handlers_differ = False
        self.handlers: tuple[Handler, ...] | None = None
        self.sync_handlers: tuple[Handler, ...] | None = None

    def fill(self, found: Sequence[Subscriber], *, direct: bool) -> None:
        """Fill it in; others may use it meanwhile, so each attribute is None or right."""
        self._handlers_differ = len({subscriber.handler_key for subscriber in found}) == len(found)
        if all(subscriber.by_class for subscriber in found):
            self._fixed = _first_of_each_handler(found)
        self.candidates = [(subscriber.predicate, subscriber) for subscriber in found]
        if self._fixed and direct:
            handlers = tuple(subscriber.handler for subscriber in self._fixed)
            if not any(subscriber.is_async for subscriber in self._fixed):
                self.sync_handlers = handlers
            self.handlers = handlers

    def select(self, event: object) -> Sequence[Subscriber]:
        """Return the subscribers that match the event, one per handler, in the order of subscription."""
        if self._fixed is not None:
            return self._fixed
        selected = [candidate for matches, candidate in self.candidates or () if matches(event)]
        return selected if self._handlers_differ else _first_of_each_handler(selected)

    def try_select(self, event: object, failures: list[Failure]) -> Sequence[Subscriber]:
        """Do the same; where a predicate raises, add the error of its subscriber to the failures."""
        if self._fixed is not None:
            return self._fixed
        selected: list[Subscriber] = []
        for matches, candidate in self.candidates or ():
            try:
                if matches(event):
                    selected.append(candidate)
            except Exception as error:
                failures.append((candidate, error))
        return selected if self._handlers_differ else _first_of_each_handler(selected)


def _isinstance_predicate(event_class: type) -> Predicate:
    return lambda event: isinstance(event, event_class)


def _first_of_each_handler(subscribers: Iterable[Subscriber]) -> list[Subscriber]:
    first: dict[object, Subscriber] = {}
    for subscriber in subscribers:
        first.setdefault(subscriber.handler_key, subscriber)
    return list(first.values())
