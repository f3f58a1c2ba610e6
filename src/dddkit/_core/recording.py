"""The pending events of an aggregate: recorded, and not published yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, SupportsIndex

from dddkit._callables import kind_of
from dddkit._core.copying import default_reduction, set_pickled_state, with_our_slots
from dddkit._core.events import AnyAggregateEvent
from dddkit._core.versions import Versions
from dddkit._markers import AggregateMark

__all__ = ["Recording", "discard", "pending_events", "remaining"]

_set_pickled_state: Final = set_pickled_state  # where pickles of earlier releases look for it


class Recording(AggregateMark):
    """Keeps the events of an aggregate until its transaction has committed.

    Pending events are no part of the aggregate's value: equality, `repr`, `asdict` and `model_dump` ignore them. A copy
    starts with none, so that no event is published twice. A pickled aggregate keeps them.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _pending_events: list[AnyAggregateEvent]
        _stored_versions: Versions

    def add_event(self, event: AnyAggregateEvent) -> None:
        """Record what has happened to the aggregate.

        Events of both flavours are accepted, since dataclass aggregates that record pydantic events are common.
        `get_events` and `pull_events` promise those of the aggregate's own flavour: where you mix the flavours, look
        at the class of an event before you use what only one of them has.

        Raises:
            TypeError: it is no AggregateEvent.
        """
        if not isinstance(event, AnyAggregateEvent):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(_rejection_message(self, event))
        pending_events(self).append(event)

    def get_events(self) -> list[Any]:  # of events of the flavour; its Aggregate declares which
        """Return the pending events, oldest first. The list is a copy."""
        return list(pending_events(self))

    def clear_events(self) -> None:
        """Clear the pending events.

        Call it once the transaction has committed: until then they are the only record of what changed.
        """
        pending = getattr(self, "_pending_events", None)
        if pending is not None:
            pending.clear()

    def pull_events(self) -> list[Any]:
        """Return the pending events, oldest first, and clear them: to publish each of them once."""
        events = self.get_events()
        self.clear_events()
        return events

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # Below protocol 2 pickle rejects slots.
        return with_our_slots(self, default_reduction(self) or super().__reduce_ex__(max(int(protocol), 2)))


def pending_events(aggregate: Recording) -> list[AnyAggregateEvent]:
    """Return the list itself; created here, since an ORM creates objects without calling `__init__`."""
    try:
        return aggregate._pending_events  # pyright: ignore[reportPrivateUsage]  # this module owns the slot
    except AttributeError:
        if not isinstance(aggregate, Recording):  # pyright: ignore[reportUnnecessaryIsInstance]  # a miss of `get`, say
            hint = "; `get` returns None where it finds nothing" if aggregate is None else ""
            raise TypeError(f"a changes handler takes an aggregate, and got {kind_of(aggregate)}{hint}") from None
        pending: list[AnyAggregateEvent] = []
        object.__setattr__(aggregate, "_pending_events", pending)
        return pending


def remaining(events: Sequence[AnyAggregateEvent], folded: Sequence[AnyAggregateEvent]) -> list[AnyAggregateEvent]:
    """Return the events that are not folded yet. An event that was recorded twice has to be folded twice."""
    counts = Counter(map(id, folded))
    left: list[AnyAggregateEvent] = []
    for event in events:
        if counts[id(event)]:
            counts[id(event)] -= 1
        else:
            left.append(event)
    return left


def discard(pending: list[AnyAggregateEvent], events: list[AnyAggregateEvent]) -> None:
    """Remove these from the pending events, and keep what was recorded since they were read."""
    pending[:] = remaining(pending, events)


def _rejection_message(aggregate: object, event: object) -> str:
    owner, given = type(aggregate).__qualname__, kind_of(event)
    if isinstance(event, type) and issubclass(event, AnyAggregateEvent):
        return f"{owner}.add_event takes an event, not its class; write {event.__qualname__}(...)"
    if isinstance(event, type):
        hint = f"derive {event.__qualname__} from AggregateEvent, and write {event.__qualname__}(...)"
    elif type(event).__module__ == "builtins":
        hint = "write the event that has happened, as in ItemAdded(...)"
    else:
        hint = f"derive {type(event).__qualname__} from AggregateEvent, which an aggregate records"
    return f"{owner}.add_event takes an AggregateEvent, and got {given}; {hint}"
