"""What later runs and other modules must know of a story, and what a story must be checked again for."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

from mypy.checker import TypeChecker
from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    Decorator,
    FuncDef,
    MypyFile,
    NameExpr,
    Node,
    OverloadedFuncDef,
    RefExpr,
    SymbolNode,
    TypeAlias,
    TypeInfo,
    Var,
)
from mypy.types import Instance, get_proper_type

from dddkit_mypy import _flow as flow
from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy._stories import is_story, state_of, steps_of


def note_namespace(info: TypeInfo, place: mypy_api.Place) -> str | None:
    """Note on the class that a story makes its State that it is one, if it is a SimpleNamespace.

    One from another module cannot be told that its cached form is to say so; its name is the answer.
    """
    state = _class_of_state(info) if "State" in info.names else None
    if state is None or state.fullname == names.SIMPLE_NAMESPACE or not state.has_base(names.SIMPLE_NAMESPACE):
        return None
    if state.module_name != info.module_name:
        return state.fullname
    mypy_api.note(state, {"state of": info.name})
    if place.is_for_daemon:
        mypy_api.mark(place.analyzer, state, mypy_api.NOTES, info.name)
    return None


def _class_of_state(info: TypeInfo) -> TypeInfo | None:
    """The State of a story, before mypy has inferred what `State = X` is."""
    told = get_proper_type(state_of(mypy_api.self_type(info)))
    if isinstance(told, Instance):
        return told.type
    symbol = info.get("State")
    if told is None and symbol is not None and isinstance(symbol.node, Var) and symbol.node.type is None:
        for statement in symbol.node.info.defn.defs.body:
            if isinstance(statement, AssignmentStmt) and isinstance(statement.rvalue, RefExpr):
                given = statement.rvalue.node
                if isinstance(given, TypeInfo) and any(
                    isinstance(target, NameExpr) and target.name == "State" for target in statement.lvalues
                ):
                    return given
    return None


def story_of_namespace(checker: TypeChecker, info: TypeInfo, visible: Iterable[MypyFile]) -> str | None:
    """The name of the story that has a SimpleNamespace for its State; None where no such story can be seen.

    Also where the State is a base of the class.
    """
    bases = [base for base in info.mro if base.has_base(names.SIMPLE_NAMESPACE)]
    mypy_api.depend_on_names(checker, bases, ())
    for base in bases:
        story: str | None = mypy_api.notes_of(base).get("state of")
        if story is not None:
            return story
    wanted = {base.fullname for base in bases}
    for module in visible:
        found = [symbol.node for symbol in module.names.values() if isinstance(symbol.node, TypeInfo)]
        seen = [candidate for candidate in found if is_story(candidate)]
        mypy_api.depend_on_names(checker, seen, [module])
        mypy_api.depend_on_modules(checker, seen)
        for candidate in seen:
            if mypy_api.notes_of(candidate).get("namespace") in wanted:
                return candidate.name
    return None


def flows_of(info: TypeInfo) -> dict[str, Any]:
    """What the methods of a story do with its state, as far as its module shows and no base has noted it.

    Only where the State has variables, or cannot be told: nobody asks for the others.
    """
    state = _class_of_state(info)
    if state is not None and not _may_have_variables(state, info):
        return {}
    return flow.flows_of(
        (name, symbol.node)
        for base in info.mro
        if base.module_name == info.module_name
        for name, symbol in base.names.items()
        if _resolves_to(info, name, symbol.node) and flow_of(info, name) is None
    )


def _may_have_variables(state: TypeInfo, story: TypeInfo) -> bool:
    """Like `variables_of`, while mypy has not yet made the constructors of the module's own classes."""
    for base in state.mro:
        if not base.has_base(names.STORY_STATE) or base.fullname == names.STORY_STATE:
            continue
        made = base.metadata.get("dataclass")
        if made is not None and base.module_name != story.module_name:
            if not all(attribute["is_in_init"] for attribute in made["attributes"]):
                return True
        elif any(map(declares_variable, base.defn.defs.body)):
            return True
    return False


def declares_variable(statement: Node) -> bool:
    return (
        isinstance(statement, AssignmentStmt)
        and isinstance(statement.rvalue, CallExpr)
        and isinstance(statement.rvalue.callee, RefExpr)
        and statement.rvalue.callee.fullname == names.VARIABLE
    )


def _resolves_to(info: TypeInfo, name: str, node: SymbolNode | None) -> bool:
    symbol = info.get(name)
    return symbol is not None and symbol.node is node


def flow_of(info: TypeInfo, name: str) -> flow.Flow | None:
    """What a step does with the state; None where that is not known."""
    symbol = info.get(name)
    if symbol is not None:
        for base in info.mro:
            noted = mypy_api.notes_of(base).get("flows", {}).get(name)
            if noted is not None and _resolves_to(base, name, symbol.node):
                return flow.noted_flow(noted)
    return None


def used_by(info: TypeInfo, plain: Container[str]) -> set[TypeInfo]:
    """The classes that decide what is reported about a story: its bases, what its steps and its State are made of."""
    used: set[TypeInfo] = set()
    to_do = [info]
    steps = steps_of(info)
    own = ["State", *(name for name in (() if steps is None else steps.names) if name not in plain)]
    state = get_proper_type(state_of(mypy_api.self_type(info)))
    if isinstance(state, Instance):
        to_do.append(state.type)  # what the plain steps are made of
    while to_do:
        found = to_do.pop()
        if found in used or found.module_name in _NEVER_EDITED:
            continue
        used.add(found)
        to_do += found.mro
        # Of others: what a nested story, or an object that can be called, is made of.
        for member in own if found is info else ("State", "__call__"):
            symbol = found.get(member)
            to_do += _classes_of(symbol.node if symbol is not None else None)
    used.discard(info)
    return used


_NEVER_EDITED: Final = (
    "builtins",
    "typing",
    "typing_extensions",
    "abc",
    "types",
    "dddkit.stories.story",
    "dddkit.stories.state",
)


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
