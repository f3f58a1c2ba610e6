"""The subscribers of a broker, resolved per event class.

There is no lock. A finalizer or a signal handler may subscribe, cancel or publish in the middle of any method here, in
the same thread, while it waits for a lock of the user's: no lock of ours is right then. Instead:

- CPython looks for signals and switches threads after calls and jumps only. What must not be interrupted contains
  neither; what has been interrupted by an exception goes on to the `finally` that empties the table of routes.
- A route is in the table before the subscribers are read that it is filled in with. Who changes them empties the table
  afterwards, and so discards what was read before.
- Weak references serve the cache alone: the garbage collector clears those of a broker that it is going to free before
  it calls finalizers, which may publish once more.
"""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING, Final, final
from weakref import WeakKeyDictionary

from dddkit._awaitables import is_async
from dddkit._callables import display_name, key_of
from dddkit._core.coroutines import runner
from dddkit._core.selectors import is_matched_by_mro
from dddkit._core.typing_objects import is_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from dddkit._core.coroutines import Run
    from dddkit._core.selectors import Handler, Predicate

    Failure: TypeAlias = tuple["Subscriber", BaseException]
    Group: TypeAlias = dict[int, "Subscriber"]  # by their order

__all__ = ["Route", "Subscriber", "Subscription", "Subscriptions"]

# How many routes to event classes that others keep alive; a reloaded module leaves its old classes behind.
MOST_ROUTES: Final = 4096


@final
class Subscription:
    """One handler's subscription to the events of a class, or to those that a predicate selects.

    It does not keep the handler alive.
    """

    __slots__ = ("_group", "_order", "_subscriptions")

    def __init__(self, subscriptions: Subscriptions, group: Group, order: int) -> None:
        self._subscriptions: Subscriptions | None = subscriptions
        self._group: Group = group
        self._order: Final = order

    def cancel(self) -> None:
        """Cancel the subscription; a second call changes nothing. A publish that has begun still calls the handler."""
        if (subscriptions := self._subscriptions) is not None:
            subscriptions.discard(self._group, self._order)
            self._subscriptions, self._group = None, {}


@final
class Subscriber:
    """A handler, and what selects its events."""

    __slots__ = ("handler", "handler_key", "is_async", "order", "predicate", "selector")

    def __init__(self, selector: Handler, handler: Handler, order: int) -> None:
        self.selector: Final = selector  # an event class or a predicate
        self.predicate: Final = _isinstance_predicate(selector) if is_class(selector) else selector
        self.handler: Final = handler
        self.handler_key: Final = key_of(handler)
        self.is_async: Final = is_async(handler)
        self.order: Final = order


@final
class Subscriptions:
    """All subscribers of one broker: by event class where the class decides, else by predicate.

    Args:
        broker: the name of the broker's class.
        direct: the handlers may be called without collecting their errors (see Route).
    """

    __slots__ = ("_broker", "_by_class", "_by_predicate", "_direct", "_next_order", "_passing", "routes")

    def __init__(self, broker: str, *, direct: bool) -> None:
        self._broker: Final = broker
        self._direct = direct
        self._by_class: Final[dict[object, Group]] = {}  # no group in it is empty, so it keeps no class alive in vain
        self._by_predicate: Final[Group] = {}
        self._next_order: Final[Callable[[], int]] = count().__next__
        self.routes: Final[dict[type, Route]] = {}
        """The routes resolved so far, of event classes that others keep alive; emptied at every change."""
        self._passing = WeakKeyDictionary[type, Route]()  # the routes of other classes

    def add(self, selector: Handler, handler: Handler) -> Subscription:
        """Subscribe the handler; it is valid, and the selector is an event class or a predicate."""
        order = self._next_order()
        subscriber = Subscriber(selector, handler, order)
        group = self._by_predicate
        passing = WeakKeyDictionary[type, Route]()
        try:
            if is_class(selector) and is_matched_by_mro(selector):
                group = self._add_by_class(subscriber)
            else:
                group[order] = subscriber
        finally:
            passing, self._passing = self._passing, passing
            self.routes.clear()
        return Subscription(self, group, order)

    def _add_by_class(self, subscriber: Subscriber) -> Group:
        while True:
            group = self._by_class.setdefault(subscriber.selector, {subscriber.order: subscriber})
            group[subscriber.order] = subscriber
            # Where the last of the group was removed just before this one came, the group is not in use any more.
            if self._by_class.get(subscriber.selector) is group:
                return group

    def discard(self, group: Group, order: int) -> bool:
        """Remove the subscriber with this number from its group; return whether it was there."""
        subscriber: Subscriber | None = None
        passing = WeakKeyDictionary[type, Route]()
        try:
            if order in group:
                subscriber = group[order]
                selector = subscriber.selector
                del group[order]
                # A predicate, which may not be hashable, is in no table by class.
                emptied = not group and group is not self._by_predicate
                if emptied and selector in self._by_class and self._by_class[selector] is group:
                    del self._by_class[selector]
        finally:
            passing, self._passing = self._passing, passing
            self.routes.clear()
        return subscriber is not None

    def remove(self, selector: Handler, handler: Handler) -> None:
        """Remove each subscription of the handler to the selector.

        Raises:
            ValueError: there is none.
        """
        groups = [self._by_class.get(selector, {}) if is_class(selector) else {}, self._by_predicate]
        keys = key_of(selector), key_of(handler)
        removed = [
            subscriber
            for group in groups
            for subscriber in group.copy().values()
            if (key_of(subscriber.selector), subscriber.handler_key) == keys and self.discard(group, subscriber.order)
        ]
        if not removed:
            raise ValueError(
                f"{display_name(handler)} is not subscribed to {display_name(selector)}; "
                f"unsubscribe takes the same two objects as subscribe"
            )

    def set_direct(self, direct: bool, /) -> None:
        """Change whether the handlers may be called without the dispatcher, from the next publish on."""
        passing = WeakKeyDictionary[type, Route]()
        self._direct = direct
        passing, self._passing = self._passing, passing
        self.routes.clear()

    def resolve(self, event_class: type) -> Route:
        """Return the route of an event class that has none in `routes`, and keep it for the next event."""
        passing = self._passing
        route = passing.get(event_class)
        if route is None:
            route = Route(f"{self._broker}.apublish({event_class.__qualname__})")
            if self._is_kept_elsewhere(event_class):
                if len(self.routes) >= MOST_ROUTES:
                    self.routes.clear()
                route = self.routes.setdefault(event_class, route)
            else:
                route = passing.setdefault(event_class, route)
        if route.candidates is None:
            self.fill(route, event_class)
        return route

    def fill(self, route: Route, event_class: type) -> None:
        """Find the subscribers that may match events of this class."""
        groups = [self._by_predicate.copy()]  # copies: while a group is iterated, nothing may change it
        groups += [group.copy() for base in event_class.__mro__ if (group := self._by_class.get(base))]
        found = [subscriber for group in groups for subscriber in group.values()]
        found.sort(key=lambda subscriber: subscriber.order)
        route.fill(found, by_predicate=bool(groups[0]), direct=self._direct)

    def _is_kept_elsewhere(self, event_class: type) -> bool:
        """Return whether a subscriber or its module keeps the class alive; no route may be what does."""
        if event_class in self._by_class:
            return True
        found: object = sys.modules.get(event_class.__module__)
        for name in event_class.__qualname__.split("."):
            found = getattr(found, "__dict__", {}).get(name)
        return found is event_class


@final
class Route:
    """The subscribers that may match events of one concrete class; empty at first.

    Attributes:
        call: the async publish of such an event, for the warning where nobody awaits it.
        candidates: the subscribers with their predicates; None until it is filled in.
        handlers: the handlers to call directly: every event of the class goes to them, and no error is collected.
            Else None.
        sync_handlers: the same, where all of them are sync; else None.
        arun: what runs the handlers to call directly, in a coroutine; else None.
    """

    __slots__ = ("_fixed", "_handlers_differ", "arun", "call", "candidates", "handlers", "sync_handlers")

    def __init__(self, call: str) -> None:
        self.call: Final = call
        self.candidates: Sequence[tuple[Predicate, Subscriber]] | None = None
        self._fixed: Sequence[Subscriber] | None = None
        self._handlers_differ = False
        self.handlers: tuple[Handler, ...] | None = None
        self.sync_handlers: tuple[Handler, ...] | None = None
        self.arun: Run | None = None

    def fill(self, found: Sequence[Subscriber], *, by_predicate: bool, direct: bool) -> None:
        """Fill it in; others may use it meanwhile, so each attribute is None or right."""
        self._handlers_differ = len({subscriber.handler_key for subscriber in found}) == len(found)
        if not by_predicate:
            self._fixed = _first_of_each_handler(found)
        self.candidates = [(subscriber.predicate, subscriber) for subscriber in found]
        if self._fixed and direct:
            handlers = tuple(subscriber.handler for subscriber in self._fixed)
            if not any(subscriber.is_async for subscriber in self._fixed):
                self.sync_handlers = handlers
            self.arun = runner(handlers, self.call)
            self.handlers = handlers

    def async_handlers(self, event: object) -> list[Handler]:
        """Return the async handlers that this event is for. A predicate that raises selects nothing."""
        return [
            candidate.handler
            for matches, candidate in self.candidates or ()
            if candidate.is_async and _holds(matches, event)
        ]

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


def _holds(matches: Predicate, event: object) -> bool:
    try:
        return bool(matches(event))
    except Exception:
        return False


def _isinstance_predicate(event_class: type) -> Predicate:
    return lambda event: isinstance(event, event_class)


def _first_of_each_handler(subscribers: Iterable[Subscriber]) -> list[Subscriber]:
    first: dict[object, Subscriber] = {}
    for subscriber in subscribers:
        first.setdefault(subscriber.handler_key, subscriber)
    return list(first.values())
