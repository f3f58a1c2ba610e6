"""Aggregates, entities and value objects as pydantic models."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final

from dddkit._core.identity import Identified
from dddkit._core.recording import Recording, carry_version
from dddkit._typing import Self
from dddkit.exceptions import MissingDependencyError

try:
    from pydantic import BaseModel, ConfigDict
except ModuleNotFoundError as error:
    if error.name != "pydantic":  # it is there, but cannot be imported
        raise
    raise MissingDependencyError("pydantic", "pydantic", "pydantic") from error

__all__ = ["Aggregate", "Entity", "ValueObject"]

_STATE: Final = (
    "__dict__",
    "__pydantic_extra__",
    "__pydantic_fields_set__",
    "__pydantic_private__",
    "_pending_events",
)
"""What a validator may change in an object: a failed assignment leaves no event behind either."""


class Entity(Identified, BaseModel):
    """Somebody or something that stays the same while its attributes change.

    Assignment is validated, and a rejected one leaves the object as it was. Two of them are equal when type and
    identity are: the field marked `Identity[...]`, else `id`, else `<class name>_id`.
    """

    model_config = ConfigDict(validate_assignment=True)

    @classmethod
    def __kind__(cls) -> type:
        # A parametrised model is a subclass of its origin, made anew with the parameters.
        return cls.__pydantic_generic_metadata__["origin"] or cls

    if not TYPE_CHECKING:  # checkers would take any attribute to be assignable

        def __setattr__(self, name: str, value: object) -> None:
            before = {part: copy(getattr(self, part)) for part in _STATE if hasattr(self, part)}
            try:
                super().__setattr__(name, value)
            except BaseException:
                # A model validator judges the object when pydantic has changed it already.
                for part in _STATE:
                    if part in before:
                        object.__setattr__(self, part, before[part])
                    elif hasattr(self, part):
                        object.__delattr__(self, part)
                raise


class Aggregate(Recording, Entity):
    """The entity that guards the consistency of what belongs to it, and records what happens as events."""

    __slots__ = ("_pending_events", "_stored_version")

    def __copy__(self) -> Self:
        twin = super().__copy__()
        carry_version(self, twin)
        return twin

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        twin = super().__deepcopy__(memo)
        carry_version(self, twin)
        return twin


class ValueObject(BaseModel):
    """A value without an identity: equal when its fields are, and never changed, only replaced."""

    model_config = ConfigDict(frozen=True)
