"""The classes that the diagnostics of a story depend on."""

from __future__ import annotations

from collections.abc import Container, Iterator

from mypy.nodes import Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeAlias, TypeInfo, Var
from mypy.types import Instance, get_proper_type

from dddkit_mypy import mypy_api
from dddkit_mypy.stories.declaration import steps_of
from dddkit_mypy.stories.state import state_of


def classes_used_by(info: TypeInfo, simple: Container[str]) -> set[TypeInfo]:
    """Return the bases of a story, and the classes in the types of its State and of its steps that are not simple."""
    used: set[TypeInfo] = set()
    to_do = [info]
    steps = steps_of(info)
    own = ["State", *(name for name in (() if steps is None else steps.names) if name not in simple)]
    state = get_proper_type(state_of(mypy_api.self_type(info)))
    if isinstance(state, Instance):
        to_do.append(state.type)  # the simple steps take it
    while to_do:
        found = to_do.pop()
        if found in used or mypy_api.is_never_edited(found):
            continue
        used.add(found)
        to_do += found.mro
        # Of other classes: the types in a nested story, or in an object that can be called.
        for member in own if found is info else ("State", "__call__"):
            symbol = found.get(member)
            to_do += _classes_of(symbol.node if symbol is not None else None)
    used.discard(info)
    return used


def _classes_of(node: SymbolNode | None) -> Iterator[TypeInfo]:
    if isinstance(node, TypeInfo):
        yield node
    elif isinstance(node, TypeAlias):
        yield from mypy_api.classes_in(node.target)
    elif isinstance(node, Decorator):
        yield from mypy_api.classes_in(node.func.type)
        yield from mypy_api.classes_in(node.var.type)
    elif isinstance(node, (FuncDef, OverloadedFuncDef, Var)):
        yield from mypy_api.classes_in(node.type)
