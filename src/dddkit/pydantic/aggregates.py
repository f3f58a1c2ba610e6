"""Aggregates, entities and value objects as pydantic models."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final

from dddkit._core.events import AnyAggregateEvent
from dddkit._core.identity import Identified
from dddkit._core.recording import Recording
from dddkit._core.versions import carry_versions
from dddkit._typing import Self
from dddkit.exceptions import MissingDependencyError

try:
    from pydantic import BaseModel, ConfigDict
except ModuleNotFoundError as error:
    if error.name != "pydantic":  # it is installed, but its import failed
        raise
    raise MissingDependencyError("pydantic", "pydantic", "pydantic") from error

from dddkit.pydantic._aggregate_event import AggregateEvent  # it needs pydantic as well

__all__ = ["Aggregate", "AggregateEvent", "Entity", "ValueObject"]

_STATE: Final = (
    "__dict__",
    "__pydantic_extra__",
    "__pydantic_fields_set__",
    "__pydantic_private__",
    "_pending_events",
)
"""What a validator can change in an object; with the pending events, so that a rejected assignment records none."""


class Entity(Identified, BaseModel):
    """Has an identity: it stays the same while its attributes change.

    Assignment is validated; a rejected one leaves the object unchanged. Two entities are equal when their type and
    identity are equal. The identity is the field marked `Identity[...]`, else `id`, else `<class name>_id`.
    """

    model_config = ConfigDict(
        validate_assignment=True, ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings"
    )

    @classmethod
    def __kind__(cls) -> type:
        # For its parameters a generic model gets a subclass: `Basket[int]` counts as `Basket`.
        return cls.__pydantic_generic_metadata__["origin"] or cls

    if not TYPE_CHECKING:  # with this `__setattr__`, checkers would allow any attribute to be assigned

        def __setattr__(self, name: str, value: object) -> None:
            pending: list[Any] | None = getattr(self, "_pending_events", None)
            before = {part: copy(getattr(self, part)) for part in _STATE if hasattr(self, part)}
            try:
                super().__setattr__(name, value)
            except BaseException:
                # pydantic has changed the object before a model validator rejects it.
                for part in _STATE:
                    if part in before:
                        object.__setattr__(self, part, before[part])
                    elif hasattr(self, part):
                        object.__delattr__(self, part)
                if pending is not None:  # the same list as before: a block of a changes handler knows it
                    pending[:] = before["_pending_events"]
                    object.__setattr__(self, "_pending_events", pending)
                raise


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
        duplicate = super().__copy__()
        carry_versions(self, duplicate)
        return duplicate

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        duplicate = super().__deepcopy__(memo)
        carry_versions(self, duplicate)
        return duplicate


class ValueObject(BaseModel):
    """A value without an identity: equal when its fields are equal; replaced, never changed.

    A pydantic model cannot be an int, a str or the mixin of an Enum as well: derive these from the ValueObject of
    `dddkit.dataclasses`.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings")
