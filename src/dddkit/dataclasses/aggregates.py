"""Aggregates, entities and value objects as dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dddkit._core.identity import Identified
from dddkit._core.recording import Recording, copied
from dddkit._typing import Self
from dddkit.dataclasses._declared import Declared, Frozen

__all__ = ["Aggregate", "Entity", "ValueObject"]


class Entity(Identified, Declared):
    """Somebody or something that stays the same while its attributes change.

    Declare yours with `@dataclass(kw_only=True)`. Two of them are equal when type and identity are: the field marked
    `Identity[...]`, else `id`, else `<class name>_id`.
    """

    __slots__ = ()


class Aggregate(Recording, Entity):
    """The entity that guards the consistency of what belongs to it, and records what happens as events."""

    __slots__ = ("_pending_events", "_stored_version")

    def __copy__(self) -> Self:
        twin: Self = copied(self)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin: Self = copied(self, memo)
        return twin


@dataclass(frozen=True)
class ValueObject(Frozen):
    """A value without an identity: equal when its fields are, and never changed, only replaced.

    Declare yours with `@dataclass(frozen=True)`; `slots=True` works too.
    """

    __slots__ = ()
