"""Which field is the identity of an entity, as the runtime sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mypy.nodes import Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeInfo, Var
from mypy.types import CallableType, Type, TypeAliasType, UnionType, get_proper_type

from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names

_WORD_BOUNDARY: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def candidates(info: TypeInfo) -> list[str]:
    """The names an identity may have without being marked, in the order in which the runtime asks for them."""
    owners = [base for base in info.mro if base.has_base(names.IDENTIFIED) and not is_ours(base)]
    return ["id", *(f"{_snake_case(owner.name)}_id" for owner in owners)]


def is_ours(info: TypeInfo) -> bool:
    """Whether the class comes with the library; its names are nobody's identity."""
    return info.module_name.partition(".")[0] == "dddkit"


def _snake_case(name: str) -> str:
    return _WORD_BOUNDARY.sub("_", name).lower().strip("_")


def fields_of(info: TypeInfo) -> Iterator[tuple[TypeInfo, str, Var]]:
    """The variables that the bodies of the user's own classes in the MRO declare, with the class that declares each.

    What only a method assigns is none: the runtime sees no annotation of it, and a mapper may add more to such a class.
    """
    seen: set[str] = set()
    for base in info.mro:
        if is_ours(base) or base.fullname in _NO_FIELDS:
            continue
        by_attrs = "attrs" in base.metadata  # mypy takes what attrs initializes for a variable of its `__init__`
        for name, symbol in base.names.items():
            node = symbol.node
            if isinstance(node, Var) and not (node.is_initialized_in_class or by_attrs):
                continue  # also what pydantic's plugin makes of an inherited field
            if name not in seen:
                seen.add(name)
                if isinstance(node, Var) and not node.is_classvar:
                    yield base, name, node


_NO_FIELDS: Final = ("builtins.object", "pydantic.main.BaseModel", "abc.ABC", "typing.Generic", "typing.Protocol")


def type_of_identity(info: TypeInfo) -> Type | None:
    """The type of the identity, seen from the class itself; None where there is none, or it cannot be told."""
    marked = [(base, var) for base, _, var in fields_of(info) if is_marked(var.type)]
    if len(marked) > 1:
        return None  # refused by the runtime
    if marked:
        return _seen(marked[0][1].type, marked[0][0], info)
    for name in candidates(info):
        for base in info.mro:
            symbol = base.names.get(name)
            if symbol is None:
                continue
            if isinstance(symbol.node, Var) and _may_not_count(symbol.node):
                return None  # whether it counts depends on what the class attribute is
            if isinstance(symbol.node, FuncDef):
                break  # a method
            return _seen(_held(symbol.node), base, info)
    return None


def _may_not_count(var: Var) -> bool:
    """Whether a variable is none of the instance, or is not annotated: then it depends on what a class holds there."""
    return var.is_classvar or (var.is_inferred and not var.explicit_self_type)


def is_marked(type_: Type | None) -> bool:
    """Whether an annotation is `Identity[...]`, an alias of it, or an optional one."""
    while isinstance(type_, TypeAliasType) and type_.alias is not None:
        if type_.alias.fullname == names.IDENTITY:
            return True
        type_ = type_.alias.target
    found = get_proper_type(type_)
    return isinstance(found, UnionType) and any(is_marked(item) for item in found.items)


def _held(node: SymbolNode | None) -> Type | None:
    """What a field, or a property, holds."""
    if isinstance(node, OverloadedFuncDef) and node.items:
        node = node.items[0]
    if isinstance(node, Decorator):
        getter = get_proper_type(node.var.type or node.func.type)
        return getter.ret_type if node.func.is_property and isinstance(getter, CallableType) else None
    return node.type if isinstance(node, Var) else None


def _seen(type_: Type | None, owner: TypeInfo, info: TypeInfo) -> Type | None:
    return None if type_ is None else mypy_api.seen_from(type_, owner, mypy_api.self_type(info))
