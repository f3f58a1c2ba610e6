"""The attributes of a story that its methods assign, and which methods read them."""

from __future__ import annotations

from typing import Final, TypeAlias

from mypy.nodes import Decorator, FuncDef, Node, OperatorAssignmentStmt, OverloadedFuncDef, TypeInfo, Var
from mypy.types import Instance, get_proper_type

from dddkit_mypy import mypy_api
from dddkit_mypy._record import Record
from dddkit_mypy.stories.assignments import (
    assigned_on_self,
    assigned_targets,
    function_of,
    is_attribute_of,
    self_of,
)
from dddkit_mypy.stories.compensations import compensations_of
from dddkit_mypy.stories.declaration import is_story, steps_of
from dddkit_mypy.stories.reading import StoryReading

Uses: TypeAlias = dict[str, list[list[str]]]
"""For each attribute: the methods that assign it, that read it, and that read it before they have assigned it."""


def uses_of_attributes(story: StoryReading) -> Uses:
    """Return how the methods of a story use the attributes that one of them assigns, for its metadata.

    Of its methods, those that its module defines; the metadata of its bases is complete. Nothing where all variables
    are fields of frozen dataclasses: mypy reports their assignment itself.
    """
    info = story.info
    if not story.bases.assignable and not mypy_api.declares_assignable(info):
        return {}
    uses: Uses = {}
    if story.local == [info] and not story.bases.attributes:  # as most
        _add_assigned(uses, story, info)
    else:
        for base in info.mro:
            if base is info or (base in story.local and not is_story(base)):
                _add_assigned(uses, story, base)
            elif base in story.bases.attributes:
                for attribute in mypy_api.metadata_of(base)["attributes"]:
                    uses.setdefault(attribute, [[], [], []])
    if uses:
        for base in story.local:
            for name, function in _methods(story, base):
                _add(uses, name, function)
    return uses


def _add_assigned(uses: Uses, story: StoryReading, base: TypeInfo) -> None:
    """Add the attributes that the methods which a story has from one of its bases assign."""
    for _, function in _methods(story, base):
        for attribute, _ in assigned_on_self(function):
            uses.setdefault(attribute, [[], [], []])


def _methods(story: StoryReading, base: TypeInfo) -> list[tuple[str, FuncDef]]:
    """Return the public methods that a story has from one of its bases, and its compensations."""
    info, undoing = story.info, story.undoing
    found: list[tuple[str, FuncDef]] = []
    for name, symbol in base.names.items():
        node = symbol.node
        if isinstance(node, (FuncDef, Decorator, OverloadedFuncDef)) and (name[0] != "_" or name in undoing):
            function = function_of(node)
            if function is not None and (base is info or _resolves_to(info, name, base)):
                found.append((name, function))
    return found


def _resolves_to(info: TypeInfo, name: str, base: TypeInfo) -> bool:
    mine, theirs = info.get(name), base.get(name)
    return mine is not None and theirs is not None and mine.node is theirs.node


def _add(uses: Uses, name: str, function: FuncDef) -> None:
    own = self_of(function)
    if own is None:
        return
    assigned = {attribute for attribute, _ in assigned_on_self(function)}
    targets: set[int] = set()
    reads: set[str] = set()
    early: set[str] = set()
    done: set[str] = set()
    for node in mypy_api.walk(function.body):
        if not isinstance(node, OperatorAssignmentStmt):
            targets.update(id(target) for target in assigned_targets(node))
        if is_attribute_of(node, own) and node.name in uses:
            if id(node) in targets:
                done.add(node.name)
                continue
            reads.add(node.name)
            if node.name not in done:
                early.add(node.name)
    for kind, names in enumerate((assigned, reads, early & assigned)):
        for attribute in names:
            if attribute in uses:
                uses[attribute][kind].append(name)


class Leak(Record):
    """An attribute by which a story takes something from one run into another."""

    attribute: str
    setter: str
    """The step that assigns it, or the compensation."""
    reader: str
    """The step that reads it, or the compensation."""


def leaks_of(info: TypeInfo) -> list[Leak]:
    """Return the attributes that one step or compensation of a story assigns, and one of these reads."""
    users = mypy_api.bases_with(info, "attributes")
    steps = steps_of(info) if users else None
    if steps is None:
        return []
    uses: Uses = {}
    called = [*steps.names, *(one.method for one in compensations_of(info).values())]
    for base in users:
        stored: Uses = mypy_api.metadata_of(base)["attributes"]
        for attribute, kinds in stored.items():
            known = uses.setdefault(attribute, [[], [], []])
            for kind, methods in enumerate(kinds):
                known[kind] += [name for name in methods if name not in known[kind] and _resolves_to(info, name, base)]
    leaks: list[Leak] = []
    for attribute, (setting, reading, early) in uses.items():
        setters = [step for step in called if step in setting]
        readers = [step for step in called if step in reading]
        found = [Leak(attribute, a, b) for a in setters for b in readers if a != b or a in early]
        if found and _is_plain(info, attribute):
            leaks.append(found[0])
    return leaks


def place_of(info: TypeInfo, leak: Leak) -> Node:
    """Return where a story assigns the attribute, or reads it, itself; else the class."""
    symbol = info.names.get(leak.setter)
    function = None if symbol is None else function_of(symbol.node)
    if function is not None:
        for attribute, node in assigned_on_self(function):
            if attribute == leak.attribute:
                return node
    symbol = info.names.get(leak.reader)
    function = None if symbol is None else function_of(symbol.node)
    return info.defn if function is None else function


_SEPARATE: Final = frozenset({"contextvars.ContextVar", "_thread._local", "_threading_local.local", "threading.local"})


def _is_plain(info: TypeInfo, attribute: str) -> bool:
    """Whether assigning an attribute stores the value in the object: no property, no descriptor, no class variable."""
    symbol = info.get(attribute)
    node = None if symbol is None else symbol.node
    if not isinstance(node, Var) or node.is_property or node.is_classvar or info.fallback_to_any:
        return False
    setter = info.get("__setattr__")
    if setter is not None and setter.node is not None and setter.fullname != "builtins.object.__setattr__":
        return False
    type_ = get_proper_type(node.type)
    return not isinstance(type_, Instance) or (
        type_.type.get("__set__") is None and not any(base.fullname in _SEPARATE for base in type_.type.mro)
    )
