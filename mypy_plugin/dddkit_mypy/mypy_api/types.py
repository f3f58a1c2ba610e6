"""Types, seen from a class, and the classes in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mypy.expandtype import expand_type_by_instance
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import TypeInfo
from mypy.types import (
    CallableType,
    Instance,
    Overloaded,
    TupleType,
    Type,
    TypedDictType,
    TypeType,
    TypeVarType,
    UnionType,
    get_proper_type,
)
from mypy.typevars import fill_typevars, fill_typevars_with_any


def self_type(info: TypeInfo) -> Instance:
    """Return the type of `self` in the methods of a class."""
    filled = fill_typevars(info)
    return filled if isinstance(filled, Instance) else filled.partial_fallback


def any_instance_of(info: TypeInfo) -> Type:
    """Return the type of the objects of a class, with Any for each of its type parameters."""
    return fill_typevars_with_any(info)


def seen_from(type_: Type, owner: TypeInfo, instance: Instance) -> Type:
    """Return a type that the class `owner` declares, with the type arguments that `instance` gives its base."""
    return expand_type_by_instance(type_, map_instance_to_supertype(instance, owner))


def classes_in(type_: Type | None) -> Iterator[TypeInfo]:
    """Yield the classes that a type is made of."""
    found = get_proper_type(type_)
    if isinstance(found, Instance):
        yield found.type
        parts: Sequence[Type] = found.args
    elif isinstance(found, CallableType):
        parts = [*found.arg_types, found.ret_type]
    elif isinstance(found, (Overloaded, UnionType, TupleType)):
        parts = found.items
    elif isinstance(found, TypeType):
        parts = [found.item]
    elif isinstance(found, TypeVarType):
        parts = [found.upper_bound, *found.values]
    elif isinstance(found, TypedDictType):
        parts = list(found.items.values())
    else:
        parts = []
    for part in parts:
        yield from classes_in(part)
