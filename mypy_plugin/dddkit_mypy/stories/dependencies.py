"""The classes that the diagnostics of a story depend on."""

from __future__ import annotations

from collections.abc import Iterable

from mypy.nodes import Decorator, FuncDef, MypyFile, OverloadedFuncDef, SymbolNode, TypeAlias, TypeInfo, Var
from mypy.types import Instance, get_proper_type

from dddkit_mypy import mypy_api
from dddkit_mypy.stories.compensations import member_named
from dddkit_mypy.stories.reading import StoryReading


class UsedClasses:
    """Finds the classes that stories use. What a class itself refers to is read once for all stories of a module."""

    def __init__(self) -> None:
        self._read: dict[MypyFile, set[SymbolNode]] = {}
        """Classes and members. Not in the daemon, where each story has its own dependencies, and types are edited."""

    def add_to_dependencies(self, scope: mypy_api.AnalysisScope, story: StoryReading) -> None:
        """Depend on the bases of a story, and on the classes in the types of its State, its steps and compensations."""
        if scope.is_for_daemon:
            read: set[SymbolNode] = set()
            mypy_api.dependencies_of(scope).add_declarations(_reached(_used_by(story, read), read))
            return
        read = self._read.setdefault(scope.tree, set())
        new = _reached(_used_by(story, read), read)
        scope.tree.module_refs.update([info.module_name for info in new])


def _used_by(story: StoryReading, read: set[SymbolNode]) -> list[TypeInfo]:
    """Return the classes that a story itself uses, but for those of members that have been read before."""
    info = story.info
    used = [base.type for base in info.bases]
    members = [node for name, node in story.called.items() if name not in story.simple]
    members += [member_named(info, name) for name in ("State", *story.undoing) if name not in story.called]
    for node in members:
        if node is not None and node not in read:
            if not isinstance(node, TypeInfo):
                read.add(node)
            _add_classes(node, used)
    state = get_proper_type(story.state)
    if isinstance(state, Instance):
        used.append(state.type)  # the simple steps take it
    return used


def _reached(classes: Iterable[TypeInfo], read: set[SymbolNode]) -> list[TypeInfo]:
    """Return the classes, their bases, and the classes in the types of nested stories, and of objects to be called.

    Without those that have been read before.
    """
    reached: list[TypeInfo] = []
    to_do = [*classes]
    while to_do:
        found = to_do.pop()
        if found in read:
            continue
        read.add(found)
        if mypy_api.is_never_edited(found):
            continue
        reached.append(found)
        to_do += [base.type for base in found.bases]
        for member in ("State", "__call__"):
            symbol = found.names.get(member)
            if symbol is not None and not symbol.plugin_generated:
                _add_classes(symbol.node, to_do)
    return reached


def _add_classes(node: SymbolNode | None, found: list[TypeInfo]) -> None:
    """Add the classes in what a name in the body of a class stands for."""
    if isinstance(node, TypeInfo):
        found.append(node)
    elif isinstance(node, Decorator):
        found += mypy_api.classes_in(node.func.type)
        if node.var.type is not node.func.type:
            found += mypy_api.classes_in(node.var.type)
    elif isinstance(node, (FuncDef, OverloadedFuncDef, Var)):
        found += mypy_api.classes_in(node.type)
    elif isinstance(node, TypeAlias):
        found += mypy_api.classes_in(node.target)
