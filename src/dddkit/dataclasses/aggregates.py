"""Aggregates, entities and value objects as dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dddkit._core.identity import Identified
from dddkit._core.recording import Recording, copied
from dddkit._typing import Self
from dddkit.dataclasses._aggregate_event import AggregateEvent
from dddkit.dataclasses._declared import Declared, Frozen

__all__ = ["Aggregate", "AggregateEvent", "Entity", "ValueObject"]


class Entity(Identified, Declared):
    """Has an identity: it stays the same while its attributes change.

    Declare yours with `@dataclass(kw_only=True)`. Two entities are equal when their type and identity are equal. The
    identity is the field marked `Identity[...]`, else `id`, else `<class name>_id`.
    """

    __slots__ = ()


class Aggregate(Recording, Entity):
    """The entity that keeps its parts consistent, and records what happens to them as events."""

    __slots__ = ("_pending_events", "_stored_version")

    if TYPE_CHECKING:  # the core does not know the class of the flavour's events

        def get_events(self) -> list[AggregateEvent]:
            """Return the pending events, oldest first. The list is a copy."""
            ...

        def pull_events(self) -> list[AggregateEvent]:
            """Return the pending events, oldest first, and clear them: to publish each of them once."""
            ...

    def __copy__(self) -> Self:
        duplicate: Self = copied(self)
        return duplicate

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        duplicate: Self = copied(self, memo)
        return duplicate


@dataclass(frozen=True)
class ValueObject(Frozen):
    """A value without an identity: equal when its fields are equal; replaced, never changed.

    Declare yours with `@dataclass(frozen=True)`; `slots=True` works too.
    """

    __slots__ = ()
