"""Events and the changes handler, compared with the same work written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import singledispatchmethod
from importlib import import_module
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from benchmarks.contest import OURS, PREDECESSOR, Contest, Entry
from benchmarks.harness import Contender

__all__ = ["CONTESTS", "TITLE", "changes_handler", "empty_basket"]

TITLE: Final = "Events and changes"

EVENTS: Final = 10


# An event


def _calls_alone() -> Contender:
    return Contender("uuid4(); now(utc)", {"uuid4": uuid4, "now": datetime.now, "utc": timezone.utc})


def _domain_event() -> Contender:
    base: Any = import_module("dddkit.dataclasses").DomainEvent

    @dataclass(frozen=True, kw_only=True)
    class Shipped(base):  # type: ignore[misc]  # from dddkit or its predecessor
        order_id: int

    return Contender("Shipped(order_id=7)", {"Shipped": Shipped})


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _bare_dataclass() -> Contender:
    @dataclass(frozen=True, kw_only=True)
    class Shipped:
        order_id: int
        id: UUID = field(default_factory=uuid4)
        version: int = 1
        occurred_on: datetime = field(default_factory=_now)

    return Contender("Shipped(order_id=7)", {"Shipped": Shipped})


def _attrs() -> Contender:
    attrs: Any = import_module("attrs")

    @attrs.frozen(kw_only=True)
    class Shipped:
        order_id: int
        id: UUID = attrs.field(factory=uuid4)
        version: int = 1
        occurred_on: datetime = attrs.field(factory=_now)

    return Contender("Shipped(order_id=7)", {"Shipped": Shipped})


# Folding the events of an aggregate


class Changes(NamedTuple):
    """The changes that a repository stores."""

    added: list[int]
    removed: list[int]


def _classes() -> Any:
    module: Any = import_module("dddkit.dataclasses")

    @dataclass(frozen=True, kw_only=True)
    class Added(module.AggregateEvent):  # type: ignore[misc]  # from dddkit or its predecessor
        item: int

    @dataclass(frozen=True, kw_only=True)
    class Removed(module.AggregateEvent):  # type: ignore[misc]
        item: int

    @dataclass(kw_only=True)
    class Basket(module.Aggregate):  # type: ignore[misc]
        basket_id: int

    return module, Added, Removed, Basket


def empty_basket() -> tuple[Any, Any, Any]:
    """Return an aggregate and the classes of its two events."""
    _, added, removed, basket_class = _classes()
    return basket_class(basket_id=1), added, removed


def changes_handler(module: Any, added: type, removed: type) -> Any:
    """Return a handler of these events, declared as in the documentation of dddkit 0.5.0."""

    class BasketChanges(module.ChangesHandler):  # type: ignore[misc]  # from dddkit or its predecessor
        result_type = Changes

        def _clear_state(self) -> None:
            self.added: list[int] = []
            self.removed: list[int] = []

        @singledispatchmethod
        def handle_changes(self, event: object, aggregate: object) -> None:
            raise NotImplementedError

        @handle_changes.register(added)
        def _(self, event: Any, aggregate: object) -> None:
            self.added.append(event.item)

        @handle_changes.register(removed)
        def _(self, event: Any, aggregate: object) -> None:
            self.removed.append(event.item)

    return BasketChanges()


class _Recorded:
    """An aggregate written by hand."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events


@dataclass(frozen=True)
class _Added:
    item: int


@dataclass(frozen=True)
class _Removed:
    item: int


_EVENTS: Final = [(_Added, _Removed)[index % 2](index) for index in range(EVENTS)]


def _by_dictionary() -> Contender:
    """Fold by hand: look up the method by event class; return what the methods collect."""

    class BasketChanges:
        def __init__(self) -> None:
            self.handlers: dict[type, Any] = {_Added: BasketChanges.on_added, _Removed: BasketChanges.on_removed}

        def on_added(self, event: _Added, aggregate: _Recorded) -> None:
            self.added.append(event.item)

        def on_removed(self, event: _Removed, aggregate: _Recorded) -> None:
            self.removed.append(event.item)

        def __call__(self, aggregate: _Recorded) -> Changes:
            self.added: list[int] = []
            self.removed: list[int] = []
            handlers = self.handlers
            for event in aggregate.events:
                handlers[type(event)](self, event, aggregate)
            result = Changes(self.added, self.removed)
            aggregate.events.clear()
            return result

    return _folding(BasketChanges(), _Recorded([]), _EVENTS)


def _by_match() -> Contender:
    class BasketChanges:
        def __call__(self, aggregate: _Recorded) -> Changes:
            added: list[int] = []
            removed: list[int] = []
            for event in aggregate.events:
                match event:
                    case _Added(item=item):
                        added.append(item)
                    case _Removed(item=item):
                        removed.append(item)
                    case _:
                        raise NotImplementedError
            aggregate.events.clear()
            return Changes(added, removed)

    return _folding(BasketChanges(), _Recorded([]), _EVENTS)


def _folding(handler: Any, aggregate: _Recorded, events: list[Any]) -> Contender:
    names = {"handler": handler, "aggregate": aggregate, "extend": aggregate.events.extend, "events": events}
    return Contender("extend(events); handler(aggregate)", names)


def _by_handler() -> Contender:
    module, added, removed, basket_class = _classes()
    basket = basket_class(basket_id=1)
    events = [(added, removed)[index % 2](item=index) for index in range(EVENTS)]
    names = {"handler": changes_handler(module, added, removed), "basket": basket, "events": events}
    basket.add_event(events[0])
    # Extend the list itself, so that recording is not measured. The predecessor has no such slot; its `get_events`
    # returns the list.
    live = getattr(basket, "_pending_events", None)
    pending = live if live is not None else basket.get_events()
    pending.clear()
    basket.add_event(events[0])
    if pending != events[:1]:
        raise RuntimeError("no list of pending events to measure with")
    pending.clear()
    return Contender("extend(events); handler(basket)", {**names, "extend": pending.extend})


def _both(entry: Callable[[], Contender]) -> dict[str, Entry]:
    return {OURS: entry, PREDECESSOR: entry}


CONTESTS: Final[list[Contest]] = [
    Contest(
        key="domain-event",
        what="a dataclass DomainEvent, vs calling uuid4 and now(utc) alone",
        must=1.45,
        stretch=1.1,
        limit=_calls_alone,
        entries={**_both(_domain_event), "attrs": _attrs, "a plain dataclass": _bare_dataclass},
    ),
    Contest(
        key="changes-10",
        what="changes handler, 10 events, vs dict dispatch",
        must=1.3,
        stretch=1.0,
        limit=_by_dictionary,
        entries={**_both(_by_handler), "match statement": _by_match},
    ),
]
