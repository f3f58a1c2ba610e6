"""Aggregates, entities and value objects as dataclasses."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import EnumMeta
from typing import TYPE_CHECKING, Any

from dddkit._core.copying import copied
from dddkit._core.events import AnyAggregateEvent
from dddkit._core.identity import Identified
from dddkit._core.recording import Recording
from dddkit._typing import Self
from dddkit.dataclasses._aggregate_event import AggregateEvent
from dddkit.dataclasses._declared import Declared, Frozen, attributes_of

__all__ = ["Aggregate", "AggregateEvent", "Entity", "ValueObject"]


class Entity(Identified, Declared):
    """Has an identity: it stays the same while its attributes change.

    Declare yours with `@dataclass(kw_only=True)`. Two entities are equal when their type and identity are equal. The
    identity is the field marked `Identity[...]`, else `id`, else `<class name>_id`.
    """

    __slots__ = ()


class Aggregate(Recording, Entity):
    """The entity that keeps its parts consistent, and records what happens to them as events."""

    __slots__ = ("_pending_events", "_stored_versions")

    if TYPE_CHECKING:  # the core does not know the class of the flavour's events, and checkers name this class

        def add_event(self, event: AnyAggregateEvent) -> None:
            """Record what has happened to the aggregate: an AggregateEvent, of either flavour."""
            ...

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


@dataclass(frozen=True, init=False, repr=False, eq=False)
class ValueObject(Frozen):
    """A value without an identity: equal when its fields are equal; replaced, never changed.

    Declare yours with `@dataclass(frozen=True)`; `slots=True` works too. One that derives from int, str, a named tuple
    or another value as well is compared, hashed and shown as that value. As the mixin of an Enum it gives the members
    their fields, by position: so without `kw_only=True`.
    """

    __slots__ = ()

    __decorator__ = "@dataclass(frozen=True)"  # not annotated: from Python 3.12 on, members of an Enum would show it

    if not TYPE_CHECKING and sys.version_info < (3, 11):  # an Enum with a `__new__` looks for it in this very class
        __reduce_ex__ = Declared.__reduce_ex__

    # A class with fields gets these from its decorator. They serve the classes without, whose objects the decorator
    # would find all equal.

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        if _has_value_of_another_base(type(self)):
            return super().__eq__(other)
        return attributes_of(self) == attributes_of(other)

    __ne__ = object.__ne__  # the opposite; an int brings one of its own

    def __hash__(self) -> int:
        if _has_value_of_another_base(type(self)):
            return super().__hash__()
        return hash((type(self), frozenset(attributes_of(self).items())))

    def __repr__(self) -> str:
        if not isinstance(self, ValueObject):  # pyright: ignore[reportUnnecessaryIsInstance]  # an Enum shows the value of a member by the `__repr__` of its mixin
            return repr(self)
        if _has_value_of_another_base(type(self)):
            return super().__repr__()
        shown = ", ".join(f"{name}={value!r}" for name, value in attributes_of(self).items())
        return f"{type(self).__qualname__}({shown})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic read and write an int as an int; it would take the class for a dataclass, and lose the value."""
        from decimal import Decimal

        kinds: tuple[type, ...] = (int, str, float, bytes, Decimal)
        kind = next((kind for kind in kinds if issubclass(cls, kind)), None)
        if kind is None or "__dataclass_fields__" in cls.__dict__ or isinstance(cls, EnumMeta):
            return handler(source)
        value = handler.generate_schema(kind)
        return {  # a schema is a dictionary, so that pydantic need not be imported
            "type": "function-after",
            "function": {"type": "no-info", "function": cls},
            "schema": value,
            "serialization": {"type": "function-plain", "function": kind, "return_schema": value},
        }


def _has_value_of_another_base(cls: type[ValueObject]) -> bool:
    """Return whether a base beside ours says what is equal: an int, a str, a named tuple, an Enum, an exception."""
    compares = super(ValueObject, cls).__eq__ is not object.__eq__
    return compares or isinstance(cls, EnumMeta) or issubclass(cls, BaseException)
