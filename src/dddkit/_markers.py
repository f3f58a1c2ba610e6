"""What packages of the kit recognise of each other without importing each other: bases that mark a class."""

from __future__ import annotations

__all__ = ["AggregateMark", "EntityMark"]


class EntityMark:
    """Marks what has an identity, and changes while it stays the same: the entities of both flavours."""

    __slots__ = ()


class AggregateMark:
    """Marks what records events: the aggregates of both flavours."""

    __slots__ = ()
