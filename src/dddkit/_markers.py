"""What packages of the kit recognise of each other without importing each other: marked classes, an open unit."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, Protocol

__all__ = ["OPEN_UNIT", "AggregateMark", "EntityMark", "OpenUnit", "unit_around"]


class EntityMark:
    """Marks what has an identity, and changes while it stays the same: the entities of both flavours."""

    __slots__ = ()


class AggregateMark:
    """Marks what records events: the aggregates of both flavours."""

    __slots__ = ()


class OpenUnit(Protocol):
    """A unit of work that was entered in this context; it may have ended meanwhile."""

    @property
    def unit(self) -> str: ...

    @property
    def outer(self) -> OpenUnit | None: ...

    @property
    def is_undecided(self) -> bool:
        """Whether it may still undo what its block does, with nobody who repeats the block."""
        ...


OPEN_UNIT: Final[ContextVar[OpenUnit | None]] = ContextVar("dddkit_open_unit", default=None)
"""The innermost unit that was entered here. Nobody resets it: a unit knows itself whether it has ended."""


def unit_around() -> OpenUnit | None:
    """Return the innermost unit of work that this code runs in and that has not ended."""
    unit = OPEN_UNIT.get()
    while unit is not None and not unit.is_undecided:
        unit = unit.outer
    return unit
