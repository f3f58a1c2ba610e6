"""The events an aggregate has recorded and nobody has published yet: add, read, pull, clear."""

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

OURS: Final = ("_pending_events", "_stored_version")
"""The slots that an aggregate of either flavour has beside its fields."""


class Recording:
    """Keeps the events of an aggregate until its transaction has committed.

    They are no part of the aggregate's value: equality, `repr`, `asdict` and `model_dump` do not show them, a copy
    starts with none, so that nothing is published twice. Pickling moves the object, and takes them along.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _pending_events: list[Recordable]
        _stored_version: int

    def add_event(self, event: Recordable) -> None:
        """Record what has happened to the aggregate; of either flavour, in order."""
        if not isinstance(event, Recordable):  # pyright: ignore[reportUnnecessaryIsInstance]  # not all use a checker
            raise TypeError(_refusal(self, event))
        pending_events(self).append(event)

    def get_events(self) -> list[Recordable]:
        """Read the pending events, oldest first. The list is yours."""
        return list(pending_events(self))

    def clear_events(self) -> None:
        """Forget the pending events.

        Call it once the transaction has committed: until then they are the only record of what changed.
        """
        pending_events(self).clear()

    def pull_events(self) -> list[Recordable]:
        """Take the pending events, oldest first, and leave none: for publishing each exactly once."""
        events = self.get_events()
        self.clear_events()
        return events

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # Below protocol 2 pickle refuses slots. A frozen class would refuse the slots' state, and a frozen slotted
        # dataclass pickles its fields only: so the slots travel beside the state of the class, whatever that is.
        reduced = super().__reduce_ex__(max(int(protocol), 2))
        if isinstance(reduced, str):
            return reduced
        make, arguments, state, items, pairs, setter = (*reduced, *[None] * 6)[:6]
        moved = {name: getattr(self, name) for name in OURS if getattr(self, name, None) is not None}
        return make, arguments, (_without_ours(state), moved, setter), items, pairs, _set_moved_state


def pending_events(aggregate: Recording) -> list[Recordable]:
    """The list itself; made on demand, as an ORM makes the object without `__init__`."""
    try:
        return aggregate._pending_events  # pyright: ignore[reportPrivateUsage]  # the functions of this module own it
    except AttributeError:
        pending: list[Recordable] = []
        object.__setattr__(aggregate, "_pending_events", pending)
        return pending


def copied(aggregate: Recording, memo: dict[int, Any] | None = None) -> Any:
    """A copy of the aggregate without its pending events; a deep one when there is a memo."""
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
    """Those of the events that have not been folded yet, each folded one counting once."""
    counts = Counter(map(id, folded))
    left: list[Recordable] = []
    for event in events:
        if counts[id(event)]:
            counts[id(event)] -= 1
        else:
            left.append(event)
    return left


def discard(pending: list[Recordable], events: list[Recordable]) -> None:
    """Remove these from the pending events, and keep what was recorded since."""
    pending[:] = remaining(pending, events)


def version_of(aggregate: Recording) -> int | None:
    """The version a repository has handed the aggregate out at, or stored it as; None for a new object."""
    return getattr(aggregate, "_stored_version", None)


def set_version(aggregate: Recording, version: int) -> None:
    object.__setattr__(aggregate, "_stored_version", version)


def carry_version(source: Recording, target: Recording) -> None:
    """Let a copy stand for the version its original was read at."""
    version = version_of(source)
    if version is not None:
        set_version(target, version)


def _refusal(aggregate: object, event: object) -> str:
    owner = type(aggregate).__qualname__
    if isinstance(event, type) and issubclass(event, Recordable):
        return f"{owner}.add_event takes an event, not its class; write {event.__qualname__}(...)"
    return f"{owner}.add_event takes an AggregateEvent, and got {event!r}"


def _without_ours(state: Any) -> Any:
    if not _has_slots(state):
        return state
    attributes, slots = state
    return attributes, {name: value for name, value in slots.items() if name not in OURS}


def _has_slots(state: Any) -> bool:
    """Whether it is the state Python itself takes of an object with slots: its `__dict__`, and what the slots hold."""
    return state.__class__ is tuple and len(state) == 2 and isinstance(state[1], dict)


def _set_moved_state(
    aggregate: Recording, moved: tuple[Any, dict[str, Any], Callable[[Any, Any], None] | None]
) -> None:
    state, ours, setter = moved
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
