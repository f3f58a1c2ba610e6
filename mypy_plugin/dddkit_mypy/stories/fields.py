"""The fields that stories declare, and that nothing sets: no decorator has made a constructor for them.

The runtime refuses the same classes when they are instantiated, and reads them in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import (
    AssignmentStmt,
    Decorator,
    FuncDef,
    MemberExpr,
    MypyFile,
    NameExpr,
    OverloadedFuncDef,
    TempNode,
    TypeInfo,
    Var,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.stories.assignments import assigned_targets
from dddkit_mypy.stories.declaration import is_story, steps_of
from dddkit_mypy.stories.reading import StoryReading

_NO_FIELDS: Final = ("I", "State")
_CONSTRUCTORS: Final = (
    "__init__",
    "__new__",
    "__post_init__",
    "__attrs_post_init__",
    "__init_subclass__",
    *names.GETATTR_METHODS,
)
_SETTERS: Final = frozenset({"setattr", "__setattr__", "__dict__", "vars"})


def is_bare(statement: AssignmentStmt) -> bool:
    """Whether a statement annotates a name without giving it a value."""
    return isinstance(statement.rvalue, TempNode) and statement.rvalue.no_rhs


def bare_fields(info: TypeInfo) -> list[str]:
    """Return the names that the body of a class annotates without giving a value."""
    return [
        target.name
        for statement in info.defn.defs.body
        if isinstance(statement, AssignmentStmt) and is_bare(statement)
        for target in statement.lvalues
        if isinstance(target, NameExpr)
        and target.name not in _NO_FIELDS
        and not (isinstance(target.node, Var) and target.node.is_classvar)
    ]


def unset_fields(story: StoryReading, tree: MypyFile) -> list[list[str]]:
    """Return the fields of a story that nothing sets, for its metadata: after the name of each class its fields.

    The metadata of its bases is complete. None in a stub, which leaves values out.
    """
    if tree.is_stub:
        return []
    info = story.info
    made = is_made(info)
    if made and not story.bases.unset:
        return []
    bare = bare_fields(info)
    found = {} if made or not bare else {info.name: bare}
    for base in story.bases.unset:
        for owner, *fields in _stored(base):
            found.setdefault(owner, fields)
    if not found or _may_set_anything(info):
        return []
    assigned = _assigned_in(info)
    unset: list[list[str]] = []
    for owner, fields in found.items():
        left = [field for field in fields if not _is_set(info, field, bare, made, assigned)]
        if left:
            unset.append([owner, *left])
    return unset


def _is_set(info: TypeInfo, field: str, bare: list[str], made: bool, assigned: frozenset[str] | None) -> bool:
    if assigned is None or field in assigned:
        return True
    if field in info.names and (made or field not in bare):
        return True
    return any(_gives(base, field) for base in info.mro[1:])


def reported_fields(info: TypeInfo) -> Iterator[tuple[str, list[str]]]:
    """Yield the classes and their fields that nothing sets, where the runtime refuses this story and no base of it."""
    if not _stored(info) or not _is_instantiated(info):
        return
    known = [fields for base in info.mro[1:] if is_story(base) and _is_instantiated(base) for fields in _stored(base)]
    steps = steps_of(info)
    for owner, *fields in _stored(info):
        if [owner, *fields] not in known and steps is not None and not set(fields) <= set(steps.names):
            yield owner, fields


def _stored(info: TypeInfo) -> list[list[str]]:
    stored: list[list[str]] = mypy_api.metadata_of(info).get("unset", [])
    return stored


def _is_instantiated(info: TypeInfo) -> bool:
    """Whether a story is more than a base for others."""
    return steps_of(info) is not None and not mypy_api.is_abstract(info) and not info.is_protocol


def is_made(info: TypeInfo) -> bool:
    """Whether a decorator gives the class a constructor, or may do so."""
    return not {"dataclass_tag", "attrs_tag"}.isdisjoint(info.metadata) or bool(mypy_api.making_dataclasses(info.defn))


def _may_set_anything(info: TypeInfo) -> bool:
    """Whether a method written by hand, or a metaclass, may give the objects or the class any attribute."""
    if info.fallback_to_any or mypy_api.has_own_metaclass(info):
        return True
    for base in info.mro:
        if base.fullname == "builtins.object" or mypy_api.is_ours(base):
            continue
        for name in _CONSTRUCTORS:
            symbol = base.names.get(name)
            if symbol is not None and not symbol.plugin_generated:
                return True
    return False


def _gives(base: TypeInfo, field: str) -> bool:
    """Whether a base has a value for a field, or one of its methods sets it."""
    if field not in base.names:
        return False
    if is_story(base):
        return not any(field in fields for owner, *fields in _stored(base) if owner == base.name)
    return not base.is_protocol


def _assigned_in(info: TypeInfo) -> frozenset[str] | None:
    """Return the attributes that the methods of a class assign, on whatever object; None where that may be any."""
    found: set[str] = set()
    for statement in info.defn.defs.body:
        if not isinstance(statement, (FuncDef, Decorator, OverloadedFuncDef)):
            continue
        for node in mypy_api.walk(statement):
            found.update(target.name for target in assigned_targets(node) if isinstance(target, MemberExpr))
            if isinstance(node, (NameExpr, MemberExpr)) and node.name in _SETTERS:
                return None
    return frozenset(found)
