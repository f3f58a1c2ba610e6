"""Reactions: what runs before a unit commits, because an aggregate of it has recorded an event."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, Final, NamedTuple

from dddkit._callables import display_name, kind_of
from dddkit._core.events import AnyAggregateEvent, AnyDomainEvent
from dddkit._core.recording import remaining
from dddkit.exceptions import UnitError
from dddkit.sqlalchemy._tracking import Tracking

__all__ = ["Reaction", "calls_of_reactions", "reaction_to"]

_ROUNDS: Final = 100
_SHOWN: Final = 4
_numbers: Final = count()


class Reaction(NamedTuple):
    number: int
    """Its place in the order of registration, over all unit classes."""
    event_class: type
    function: Callable[[Any, Any], Any]


def reaction_to(event_class: object, function: Callable[[Any, Any], Any]) -> Reaction:
    """Return the reaction.

    Raises:
        TypeError: it is no class of events.
    """
    if not isinstance(event_class, type):
        raise TypeError(f"on takes the class of an event, as in on(Order.Cancelled), and got {kind_of(event_class)}")
    if issubclass(event_class, AnyDomainEvent) and not issubclass(event_class, AnyAggregateEvent):
        raise TypeError(
            f"reactions are to what aggregates record, and {event_class.__qualname__} is a DomainEvent, which none "
            f"does; derive it from AggregateEvent"
        )
    return Reaction(next(_numbers), event_class, function)


class _Link(NamedTuple):
    """An event, and what has led to it."""

    event: AnyAggregateEvent
    reaction: str
    cause: _Link | None
    round: int


def calls_of_reactions(
    unit: str, reactions: Sequence[Reaction], tracking: Tracking
) -> Iterator[tuple[Callable[[Any, Any], Any], AnyAggregateEvent]]:
    """Iterate over the reactions to call, each with its event, until no event is left that nobody has reacted to.

    The caller runs one before it asks for the next, which may be one to an event that the first has recorded.

    Raises:
        UnitError: one event leads to another without end.
    """
    if not reactions:
        return
    seen: list[AnyAggregateEvent] = []

    def news(reaction: str, cause: _Link | None) -> Iterator[_Link]:
        events = remaining([event for tracked in tracking for _, event in tracked.events()], seen)
        seen.extend(events)
        place = 0 if cause is None else cause.round + 1
        return (_Link(event, reaction, cause, place) for event in events)

    queue = deque(news("", None))
    while queue:
        link = queue.popleft()
        if link.round >= _ROUNDS:
            raise UnitError(unit, f"the reactions lead to each other without end: {_chain(link)}; break the circle")
        for reaction in reactions:
            if isinstance(link.event, reaction.event_class):
                yield reaction.function, link.event
                queue.extend(news(display_name(reaction.function), link))


def _chain(link: _Link) -> str:
    """Return the last links: the event, the reaction to it, the event that it recorded."""
    parts: list[str] = []
    one: _Link | None = link
    while one is not None and len(parts) < 2 * _SHOWN:
        parts += [type(one.event).__qualname__, one.reaction]
        one = one.cause
    return " -> ".join(("...", *reversed(parts)))
