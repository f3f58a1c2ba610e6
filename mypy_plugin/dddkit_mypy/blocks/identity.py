"""The field that is the identity of an entity, by the rules of the runtime."""

from __future__ import annotations

import re
from typing import Final

from mypy.nodes import Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeInfo, Var
from mypy.types import AnyType, CallableType, Instance, Type, TypeAliasType, UnionType, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.fields import fields_of

_WORD_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def candidates(info: TypeInfo) -> list[str]:
    """Return the names of an identity that has no `Identity[...]`, in the order in which the runtime tries them."""
    owners = [base for base in info.mro if base.has_base(names.IDENTIFIED) and not mypy_api.is_ours(base)]
    return ["id", *(f"{_snake_case(owner.name)}_id" for owner in owners)]


def _snake_case(name: str) -> str:
    return _WORD_BOUNDARY.sub("_", name).lower().strip("_")


def type_of_identity(info: TypeInfo) -> Type | None:
    """Return the type of the identity, seen from the class itself; None where there is none, or it is unknown."""
    marked = [(base, var) for base, _, var in fields_of(info) if is_marked(var.type)]
    if len(marked) > 1:
        return None  # the runtime rejects it
    if marked:
        return _read(marked[0][1], marked[0][0], info)
    for name in candidates(info):
        for base in info.mro:
            symbol = base.names.get(name)
            if symbol is None:
                continue
            if isinstance(symbol.node, Var) and _may_not_count(symbol.node):
                return None  # whether it counts depends on the value of the class attribute
            if isinstance(symbol.node, FuncDef):
                break  # a method
            if isinstance(symbol.node, Var):
                return _read(symbol.node, base, info)
            return _seen(_type_of_property(symbol.node), base, info)
    return None


def _may_not_count(var: Var) -> bool:
    """Whether a variable belongs to the class, or is not annotated: then its value on the class decides."""
    return var.is_classvar or (var.is_inferred and not var.explicit_self_type)


def is_marked(type_: Type | None) -> bool:
    """Whether an annotation is `Identity[...]`, an alias of it, an optional one, or one that SQLAlchemy maps."""
    while isinstance(type_, TypeAliasType) and type_.alias is not None:
        if type_.alias.fullname == names.IDENTITY:
            return True
        type_ = type_.alias.target
    found = get_proper_type(type_)
    if isinstance(found, Instance) and found.type.fullname == names.MAPPED:
        return any(is_marked(item) for item in found.args)
    return isinstance(found, UnionType) and any(is_marked(item) for item in found.items)


def _read(var: Var, owner: TypeInfo, info: TypeInfo) -> Type | None:
    """Return the type that an object of the class has under the name; None where it is unknown."""
    type_ = _seen(var.type, owner, info)
    if type_ is None or not var.is_initialized_in_class:
        return type_  # a method sets it, so no descriptor is asked
    read = mypy_api.read_on(mypy_api.self_type(info), type_)
    return None if isinstance(get_proper_type(read), AnyType) else read


def _type_of_property(node: SymbolNode | None) -> Type | None:
    if isinstance(node, OverloadedFuncDef) and node.items:
        node = node.items[0]
    if isinstance(node, Decorator):
        getter = get_proper_type(node.var.type or node.func.type)
        return getter.ret_type if node.func.is_property and isinstance(getter, CallableType) else None
    return None


def _seen(type_: Type | None, owner: TypeInfo, info: TypeInfo) -> Type | None:
    return None if type_ is None else mypy_api.seen_from(type_, owner, mypy_api.self_type(info))
