"""The classes that the diagnostics of a story depend on."""

from __future__ import annotations

from collections.abc import Container, Iterator

from mypy.nodes import Decorator, FuncDef, MypyFile, OverloadedFuncDef, SymbolNode, TypeAlias, TypeInfo, Var
from mypy.types import Instance, get_proper_type

from dddkit_mypy import mypy_api
from dddkit_mypy.stories.compensations import methods_of
from dddkit_mypy.stories.declaration import steps_of
from dddkit_mypy.stories.state import state_of


class UsedClasses:
    """Finds the classes that stories use. What a class itself refers to is found once for all stories of a module."""

    def __init__(self) -> None:
        self._module: MypyFile | None = None
        self._reached_from: dict[TypeInfo, set[TypeInfo]] = {}

    def used_by(self, scope: mypy_api.AnalysisScope, simple: Container[str]) -> set[TypeInfo]:
        """Return the bases of a story, and the classes in the types of its State, and of its steps and compensations.

        Without those in `simple`, which have the names of simple steps.
        """
        info = scope.info
        if scope.is_for_daemon or scope.tree is not self._module:
            self._module = scope.tree
            self._reached_from.clear()  # types may have been inferred or edited since
        found = set(info.mro[1:])
        steps = steps_of(info)
        called = [*(() if steps is None else steps.names), *methods_of(info)]
        for member in ["State", *(name for name in called if name not in simple)]:
            symbol = info.get(member)
            if symbol is not None:
                found.update(_classes_of(symbol.node))
        state = get_proper_type(state_of(mypy_api.self_type(info)))
        if isinstance(state, Instance):
            found.add(state.type)  # the simple steps take it
        used: set[TypeInfo] = set()
        for class_ in found:
            if class_ not in used and not mypy_api.is_never_edited(class_):
                used |= self._reached(class_)
        used.discard(info)
        return used

    def _reached(self, info: TypeInfo) -> set[TypeInfo]:
        """Return a class, its bases, and the classes in the types of a nested story, or of an object to be called."""
        known = self._reached_from.get(info)
        if known is not None:
            return known
        reached: set[TypeInfo] = set()
        to_do = [info]
        while to_do:
            found = to_do.pop()
            if found in reached or mypy_api.is_never_edited(found):
                continue
            known = self._reached_from.get(found)
            if known is not None:
                reached |= known
                continue
            reached.add(found)
            if len(found.mro) > 2:  # it has more bases than `object`
                to_do += found.mro[1:]
            for member in ("State", "__call__"):
                symbol = found.names.get(member)
                if symbol is not None:
                    to_do += _classes_of(symbol.node)
        self._reached_from[info] = reached
        return reached


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
