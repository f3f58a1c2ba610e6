"""Bases for classes that declare dataclass fields."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from enum import Enum, EnumMeta, Flag
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, Final, SupportsIndex, TypeVar

from dddkit._annotations import is_class_var, nothing_sets, own_annotations
from dddkit._typing import Self

__all__ = ["Declared", "Frozen", "attributes_of", "instance_class_of"]


def _own_fields(cls: type) -> list[str]:
    if isinstance(cls, EnumMeta):  # what it annotates, its members have from elsewhere
        return []
    return [name for name, annotation in own_annotations(cls).items() if not is_class_var(annotation, cls)]


def _validated(cls: type[Declared]) -> type[Declared]:
    """Raise TypeError for a class whose fields nothing sets; return the class of its instances."""
    if "__validated__" not in cls.__dict__:
        # It is still being made, and instantiated by `__set_name__` or `__init_subclass__`, as Enum makes its members.
        # Whether it will be decorated is not known yet, so only its bases are validated.
        _validate_bases(cls)
        return cls
    instance_class: type[Declared] = cls.__dict__.get("__instance_class__", cls)
    if not cls.__validated__:
        fields = _own_fields(cls)
        if fields and not {"__dataclass_fields__", "__attrs_attrs__", "__init__", "__new__"} & cls.__dict__.keys():
            raise nothing_sets(cls, fields, cls.__decorator__)
        if issubclass(cls, Frozen) and getattr(cls.__dict__.get("__dataclass_params__"), "frozen", False):
            _leave_freezing_to_the_base(cls)
        cls.__validated__ = True
        if super(Declared, cls).__new__ is object.__new__ and cls.__init__ is not object.__init__:
            cls.__plain__ = cls
    return instance_class


def _leave_freezing_to_the_base(cls: type[Frozen]) -> None:
    """Remove the methods that the decorator has generated.

    They also reject the `__traceback__` that a context manager assigns to an exception, and fail in a subclass of a
    class with slots.
    """
    for name in {"__setattr__", "__delattr__"} & cls.__dict__.keys():
        delattr(cls, name)


def _validate_bases(cls: type[Declared]) -> None:
    for base in cls.__bases__:
        if issubclass(base, Declared):
            _validated(base)


class Declared:
    """Rejects a subclass that declares fields which no constructor sets: its decorator is missing.

    The decorator is applied after the class is made. So the class is checked when it is first instantiated, or when a
    subclass of it is defined.

    A class may also derive from what is made by `__new__`: int, str, Decimal, datetime, an exception, an Enum.
    """

    __slots__ = ()

    __plain__: ClassVar[type[Declared] | None] = None
    """The class itself, once it is validated, and if `object.__new__` is all that its instances need."""

    __validated__: ClassVar[bool]
    """Whether the class is validated. One that is still being made does not have it in its dictionary."""

    __instance_class__: ClassVar[type[Declared]]
    __decorator__: ClassVar[str] = "@dataclass(kw_only=True)"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _validate_bases(cls)
        cls.__plain__ = None
        cls.__validated__ = False

    if not TYPE_CHECKING:  # checkers take the signature of the class's `__init__`

        def __new__(cls, *arguments: object, **fields: object) -> Self:
            if cls.__plain__ is not cls:
                return _create(_validated(cls), arguments, fields)
            return super().__new__(cls)

        if sys.version_info < (3, 11):  # where an Enum with a mixin that has a `__new__` and not this cannot be pickled

            def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
                return super().__reduce_ex__(protocol)


class Frozen(Declared):
    """Rejects assignment and deletion, in undecorated subclasses too."""

    __slots__ = ()

    __decorator__: ClassVar[str] = "@dataclass(frozen=True, kw_only=True)"

    if not TYPE_CHECKING:  # with this `__setattr__`, checkers would allow any attribute to be assigned

        def __setattr__(self, name: str, value: object) -> None:
            if not _is_kept_by_another_base(self, name):
                raise FrozenInstanceError(f"cannot assign to field {name!r} of {_frozen(self, name)}")
            super().__setattr__(name, value)

        def __delattr__(self, name: str) -> None:
            raise FrozenInstanceError(f"cannot delete field {name!r} of {_frozen(self, None)}")


D = TypeVar("D", bound=type[Declared])


def instance_class_of(base: type[Declared]) -> Callable[[D], D]:
    """Decorate the subclass of which a direct call of the base makes an instance.

    Without it `DomainEvent()` raised AttributeError: the base has empty slots, so no room for its fields. The empty
    slots let a slotted subclass have no `__dict__`, and an event be both a DomainEvent and an AggregateEvent.
    """

    def decorate(instance_class: D) -> D:
        base.__instance_class__ = instance_class
        base.__plain__ = None
        return instance_class

    return decorate


def _frozen(value: object, name: str | None) -> str:
    cls = type(value)
    is_field = name in getattr(cls, "__dataclass_fields__", ())
    copy = f", as in dataclasses.replace({cls.__name__.lower()}, {name}=...)" if is_field else ""
    return f"{cls.__qualname__}, which is frozen; make another {cls.__name__} instead{copy}"


def _create(cls: Any, arguments: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    create: Any = super(Declared, cls).__new__
    if create is Enum.__new__:
        return _new_member(cls, arguments)
    if create is not object.__new__:
        return create(cls, *arguments, **fields)
    if (arguments or fields) and cls.__init__ is object.__init__:
        raise TypeError(f"{cls.__qualname__}() takes no arguments, since it declares no fields")
    return create(cls)


def attributes_of(value: object) -> dict[str, Any]:
    """Return what an object without dataclass fields has been given by its `__init__`."""
    cls = type(value)
    slots = {name for base in cls.__mro__ for name, kept in base.__dict__.items() if type(kept) is MemberDescriptorType}
    attributes: dict[str, Any] = getattr(value, "__dict__", {})
    return {
        **{name: getattr(value, name) for name in slots if hasattr(value, name)},
        # What a cached property has found out is none of it.
        **{name: kept for name, kept in attributes.items() if not hasattr(getattr(cls, name, None), "__get__")},
    }


def _new_member(cls: Any, arguments: tuple[Any, ...]) -> Any:
    """Return a new member of an Enum that has one of our blocks as a mixin.

    Where the mixin has fields, Enum calls it for the value of the member. A mixin without any takes no arguments, so
    there the value is what the body of the Enum assigns.
    """
    member = object.__new__(cls)
    if arguments and cls._member_type_.__init__ is object.__init__:
        member._value_ = arguments[0] if len(arguments) == 1 else arguments
    return member


def _is_kept_by_another_base(value: object, name: str) -> bool:
    """Return whether a base beside ours keeps this in the object: what a member is in its Enum, what a path caches.

    None of it is a field. A member that its Enum is still making gets its attributes by assignment.
    """
    cls = type(value)
    if isinstance(cls, EnumMeta):
        return (name.startswith("_") and name.endswith("_")) or not _is_made(value)
    if issubclass(cls, BaseException):
        return name in _OF_EXCEPTIONS
    slot = next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)
    return name.startswith("_") and isinstance(slot, MemberDescriptorType) and not issubclass(slot.__objclass__, Frozen)


def _is_made(member: Any) -> bool:
    """Return whether the Enum knows the member; a combination of flags is known by its value alone."""
    cls: Any = member.__class__
    known = member.__dict__
    if cls._member_map_.get(known.get("_name_")) is member:
        return True
    return issubclass(cls, Flag) and cls._value2member_map_.get(known.get("_value_")) is member


_OF_EXCEPTIONS: Final = ("__cause__", "__context__", "__notes__", "__suppress_context__", "__traceback__")
