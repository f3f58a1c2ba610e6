"""Bases for classes that declare dataclass fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from dddkit._annotations import is_class_var, nothing_sets, own_annotations
from dddkit._typing import Self

__all__ = ["Declared", "Frozen", "instance_class_of"]


def _own_fields(cls: type) -> list[str]:
    return [name for name, annotation in own_annotations(cls).items() if not is_class_var(annotation, cls)]


class Declared:
    """Rejects a subclass that declares fields which no constructor sets: its decorator is missing.

    The decorator is applied after the class is made. So the class is checked when it is first instantiated, or when a
    subclass of it is defined.
    """

    __slots__ = ()

    __unchecked__: ClassVar[bool] = False
    """Whether `__new__` has to look at the class: it declares fields, or instances have a class of their own."""

    __instance_class__: ClassVar[type[Declared]]
    __decorator__: ClassVar[str] = "@dataclass(kw_only=True)"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__bases__:
            if base.__dict__.get("__unchecked__", False):
                _validate(base)
        cls.__unchecked__ = bool(_own_fields(cls))

    if not TYPE_CHECKING:  # checkers take the signature of the class's `__init__`

        def __new__(cls, *_arguments: object, **_fields: object) -> Self:
            if cls.__unchecked__:
                cls = _validate(cls)
            return super().__new__(cls)


class Frozen(Declared):
    """Rejects assignment and deletion, in undecorated subclasses too."""

    __slots__ = ()

    __decorator__: ClassVar[str] = "@dataclass(frozen=True, kw_only=True)"

    if not TYPE_CHECKING:  # with this `__setattr__`, checkers would allow any attribute to be assigned

        def __setattr__(self, name: str, value: object) -> NoReturn:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")

        def __delattr__(self, name: str) -> NoReturn:
            raise FrozenInstanceError(f"cannot delete field {name!r}")


D = TypeVar("D", bound=type[Declared])


def instance_class_of(base: type[Declared]) -> Callable[[D], D]:
    """Decorate the subclass of which a direct call of the base makes an instance.

    Without it `DomainEvent()` raised AttributeError: the base has empty slots, so no room for its fields. The empty
    slots let a slotted subclass have no `__dict__`, and an event be both a DomainEvent and an AggregateEvent.
    """

    def decorate(instance_class: D) -> D:
        base.__instance_class__ = instance_class
        base.__unchecked__ = True
        return instance_class

    return decorate


def _validate(cls: type[Declared]) -> type[Declared]:
    """Raise TypeError for a class whose fields nothing sets; return the class of its instances."""
    if not {"__dataclass_fields__", "__attrs_attrs__", "__init__", "__new__"} & cls.__dict__.keys():
        raise nothing_sets(cls, _own_fields(cls), cls.__decorator__)
    cls.__unchecked__ = "__instance_class__" in cls.__dict__
    instance_class: type[Declared] = cls.__dict__.get("__instance_class__", cls)
    return instance_class
