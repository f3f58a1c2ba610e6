"""Types, seen from a class, and the classes in them."""

from __future__ import annotations

from collections.abc import Sequence

from mypy.erasetype import erase_typevars
from mypy.expandtype import expand_type_by_instance
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import TypeAlias, TypeInfo
from mypy.types import (
    CallableType,
    Instance,
    NoneType,
    Overloaded,
    TupleType,
    Type,
    TypeAliasType,
    TypedDictType,
    TypeType,
    TypeVarLikeType,
    TypeVarType,
    UnionType,
    get_proper_type,
)
from mypy.typevars import fill_typevars


def self_type(info: TypeInfo) -> Instance:
    """Return the type of `self` in the methods of a class."""
    filled = fill_typevars(info)
    return filled if isinstance(filled, Instance) else filled.partial_fallback


def any_instance_of(info: TypeInfo) -> Type:
    """Return the type of the objects of a class, with Any for each of its type parameters."""
    alias = info.special_alias  # of a TypedDict or NamedTuple, whose objects mypy knows by their items
    if alias is None and not info.defn.type_vars:
        return fill_typevars(info)
    return _with_any(fill_typevars(info) if alias is None else alias.target, info.defn.type_vars)


def target_of(alias: TypeAlias) -> Type:
    """Return what a type alias stands for, with Any for each of its type parameters."""
    return _with_any(alias.target, alias.alias_tvars)


def made_by(class_: Type) -> Type | None:
    """Return the type of the objects that a class object makes, which has this type; None for other types.

    Any stands for each type parameter that the class object leaves open, as `Box` itself does.
    """
    value = get_proper_type(class_)
    if isinstance(value, TypeType):
        return value.item
    if isinstance(value, CallableType) and value.is_type_obj():
        return _with_any(value.ret_type, value.variables)
    if isinstance(value, Overloaded) and value.is_type_obj():
        return any_instance_of(value.type_object())
    if isinstance(value, UnionType):
        made = [made_by(item) for item in value.items]
        known = [item for item in made if item is not None]
        return UnionType.make_union(known) if len(known) == len(made) else None
    return None


def _with_any(type_: Type, variables: Sequence[TypeVarLikeType]) -> Type:
    return erase_typevars(type_, {variable.id for variable in variables}) if variables else type_


def seen_from(type_: Type, owner: TypeInfo, instance: Instance) -> Type:
    """Return a type that the class `owner` declares, with the type arguments that `instance` gives its base."""
    return expand_type_by_instance(type_, map_instance_to_supertype(instance, owner))


def classes_in(type_: Type | None) -> list[TypeInfo]:
    """Return the classes that a type is made of."""
    classes: list[TypeInfo] = []
    to_do = [] if type_ is None else [type_]
    seen: set[TypeAlias] = set()
    while to_do:
        type_ = to_do.pop()
        found = get_proper_type(type_)
        parts: Sequence[Type] = ()
        if isinstance(type_, TypeAliasType) and type_.alias is not None:  # what it stands for may contain it
            parts = type_.args if type_.alias in seen else [*type_.args, found]
            seen.add(type_.alias)
        elif isinstance(found, Instance):
            classes.append(found.type)
            parts = found.args
        elif isinstance(found, NoneType):  # what most functions return
            continue
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
        if parts:
            to_do += reversed(parts)
    return classes
