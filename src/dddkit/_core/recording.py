"""The pending events of an aggregate: recorded, and not published yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, SupportsIndex

from dddkit._core.events import Recordable

__all__ = [
    "Recording",
    "carry_version",
    "copied",
    "discard",
    "pending_events",
    "remaining",
    "set_version",
    "version_of",
]

OUR_SLOTS: Final = ("_pending_events", "_stored_version")
"""The slots of an aggregate, in both flavours, that are none of its fields."""


class Recording:
    """Keeps the events of an aggregate until its transaction has committed.

    Pending events are no part of the aggregate's value: equality, `repr`, `asdict` and `model_dump` ignore them. A copy
    starts with none, so that no event is published twice. A pickled aggregate keeps them.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _pending_events: list[Recordable]
        _stored_version: int

    def add_event(self, event: Recordable) -> None:
        """Record what has happened to the aggregate.

        Events of both flavours are accepted, since dataclass aggregates that record pydantic events are common.
        `get_events` and `pull_events` promise those of the aggregate's own flavour: where you mix the flavours, look
        at the class of an event before you use what only one of them has.

        Raises:
            TypeError: it is no AggregateEvent.
        """
        if not isinstance(event, Recordable):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(_rejection_message(self, event))
        pending_events(self).append(event)

    def get_events(self) -> list[Any]:  # of events of the flavour; its Aggregate declares which
        """Return the pending events, oldest first. The list is a copy."""
        return list(pending_events(self))

    def clear_events(self) -> None:
        """Clear the pending events.

        Call it once the transaction has committed: until then they are the only record of what changed.
        """
        pending_events(self).clear()

    def pull_events(self) -> list[Any]:
        """Return the pending events, oldest first, and clear them: to publish each of them once."""
        events = self.get_events()
        self.clear_events()
        return events

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # Below protocol 2 pickle rejects slots. A frozen class rejects a state with slots, and a frozen slotted
        # dataclass pickles its fields only. So our slots are pickled beside the state of the class.
        reduced = super().__reduce_ex__(max(int(protocol), 2))
        if isinstance(reduced, str):
            return reduced
        make, arguments, state, items, pairs, setter = (*reduced, *[None] * 6)[:6]
        ours = {name: getattr(self, name) for name in OUR_SLOTS if getattr(self, name, None) is not None}
        return make, arguments, (_without_our_slots(state), ours, setter), items, pairs, _set_pickled_state


def pending_events(aggregate: Recording) -> list[Recordable]:
    """Return the list itself; created here, since an ORM creates objects without calling `__init__`."""
    try:
        return aggregate._pending_events  # pyright: ignore[reportPrivateUsage]  # this module owns the slot
    except AttributeError:
        pending: list[Recordable] = []
        object.__setattr__(aggregate, "_pending_events", pending)
        return pending


def copied(aggregate: Recording, memo: dict[int, Any] | None = None) -> Any:
    """Return a copy of the aggregate without its pending events; with a memo, a deep copy."""
    reduced = Recording.__reduce_ex__(aggregate, 4)
    if isinstance(reduced, str):
        return aggregate
    make, arguments, (state, _, setter) = reduced[:3]
    if memo is not None:
        arguments = deepcopy(arguments, memo)
    twin = make(*arguments)
    if memo is not None:
        memo[id(aggregate)] = twin
        state = deepcopy(state, memo)
    _set_state(twin, state, setter)
    carry_version(aggregate, twin)
    return twin


def remaining(events: Sequence[Recordable], folded: Sequence[Recordable]) -> list[Recordable]:
    """Return the events that are not folded yet. An event that was recorded twice has to be folded twice."""
    counts = Counter(map(id, folded))
    left: list[Recordable] = []
    for event in events:
        if counts[id(event)]:
            counts[id(event)] -= 1
        else:
            left.append(event)
    return left


def discard(pending: list[Recordable], events: list[Recordable]) -> None:
    """Remove these from the pending events, and keep what was recorded since they were read."""
    pending[:] = remaining(pending, events)


def version_of(aggregate: Recording) -> int | None:
    """Return the version that a repository read or stored the aggregate as; None for a new object."""
    return getattr(aggregate, "_stored_version", None)


def set_version(aggregate: Recording, version: int) -> None:
    object.__setattr__(aggregate, "_stored_version", version)


def carry_version(source: Recording, target: Recording) -> None:
    """Give a copy the version of its original."""
    version = version_of(source)
    if version is not None:
        set_version(target, version)


def _rejection_message(aggregate: object, event: object) -> str:
    owner = type(aggregate).__qualname__
    if isinstance(event, type) and issubclass(event, Recordable):
        return f"{owner}.add_event takes an event, not its class; write {event.__qualname__}(...)"
    return f"{owner}.add_event takes an AggregateEvent, and got {event!r}"


def _without_our_slots(state: Any) -> Any:
    if not _has_slots(state):
        return state
    attributes, slots = state
    return attributes, {name: value for name, value in slots.items() if name not in OUR_SLOTS}


def _has_slots(state: Any) -> bool:
    """Return whether this is the state that Python itself makes for an object with slots: (`__dict__`, slots)."""
    return state.__class__ is tuple and len(state) == 2 and isinstance(state[1], dict)


def _set_pickled_state(
    aggregate: Recording, pickled: tuple[Any, dict[str, Any], Callable[[Any, Any], None] | None]
) -> None:
    state, ours, setter = pickled
    _set_state(aggregate, state, setter)
    for name, value in ours.items():
        object.__setattr__(aggregate, name, value)


def _set_state(aggregate: Any, state: Any, setter: Callable[[Any, Any], None] | None) -> None:
    if setter is not None:
        setter(aggregate, state)
    elif state is None:
        return
    elif hasattr(aggregate, "__setstate__"):
        aggregate.__setstate__(state)
    else:
        attributes, slots = state if _has_slots(state) else (state, None)
        values: dict[str, Any] = {**(attributes or {}), **(slots or {})}
        for name, value in values.items():
            object.__setattr__(aggregate, name, value)
