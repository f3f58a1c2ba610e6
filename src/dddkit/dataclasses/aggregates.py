"""Aggregates, entities and value objects as dataclasses."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from dddkit._annotations import own_annotations
from dddkit._core.identity import Identified, declares_field
from dddkit._core.recording import Recording, copied
from dddkit._typing import Self

__all__ = ["Aggregate", "Declared", "Entity", "Frozen", "ValueObject", "stand_in"]


class Declared:
    """Refuses a class that declares fields which no constructor sets, since somebody forgot the decorator.

    The decorator comes after the class: so the class is judged when it is first instantiated, or extended.
    """

    __slots__ = ()

    __unjudged__: ClassVar[bool] = False
    __stand_in__: ClassVar[type[Declared]]
    __decorator__: ClassVar[str] = "@dataclass(kw_only=True)"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__bases__:
            if base.__dict__.get("__unjudged__", False):
                judge(base)
        cls.__unjudged__ = any(declares_field(cls, kind) for kind in own_annotations(cls).values())

    if not TYPE_CHECKING:  # the signature is that of the class's `__init__`

        def __new__(cls, *_arguments: object, **_fields: object) -> Self:
            if cls.__unjudged__:
                cls = judge(cls)
            return super().__new__(cls)


def judge(cls: type[Declared]) -> type[Declared]:
    """Refuse the class if it declares fields that nothing sets; else say what to make when it is called."""
    if not {"__dataclass_fields__", "__attrs_attrs__", "__init__", "__new__"} & cls.__dict__.keys():
        fields = [name for name, kind in own_annotations(cls).items() if declares_field(cls, kind)]
        raise TypeError(
            f"{cls.__qualname__} declares {', '.join(fields)}, but nothing sets them; "
            f"decorate the class with {cls.__decorator__}, or write its __init__"
        )
    cls.__unjudged__ = "__stand_in__" in cls.__dict__
    stand_in: type[Declared] = cls.__dict__.get("__stand_in__", cls)
    return stand_in


def stand_in(base: type[Declared], for_it: type[Declared]) -> None:
    """Make this subclass when the base itself is called, which has no room for its fields.

    Bases have empty slots, so that a slotted class of yours has no `__dict__`, and may have several bases.
    """
    base.__stand_in__ = for_it
    base.__unjudged__ = True


class Frozen(Declared):
    """Refuses assignment and deletion, in undecorated subclasses too."""

    __slots__ = ()

    __decorator__: ClassVar[str] = "@dataclass(frozen=True, kw_only=True)"

    if not TYPE_CHECKING:  # checkers would take any attribute to be assignable

        def __setattr__(self, name: str, value: object) -> NoReturn:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")

        def __delattr__(self, name: str) -> NoReturn:
            raise FrozenInstanceError(f"cannot delete field {name!r}")


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
