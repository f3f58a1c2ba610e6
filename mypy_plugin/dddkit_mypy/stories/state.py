"""The State of a story."""

from __future__ import annotations

from typing import Final

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    NameExpr,
    Node,
    RefExpr,
    SymbolNode,
    TypeAlias,
    TypeInfo,
    Var,
)
from mypy.types import AnyType, Instance, Type, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api


def state_of(story: Instance) -> Type | None:
    """Return the State of a story, as the type of its objects; None when there is none, or it is unknown."""
    for base in story.type.mro:
        symbol = base.names.get("State")
        if symbol is not None:
            return state_of_node(symbol.node, base, story)
    return None


def declares_state(info: TypeInfo) -> bool:
    """Whether a story has a State, of a known type or not."""
    return info.fallback_to_any or info.get("State") is not None


def state_of_node(node: SymbolNode | None, owner: TypeInfo, story: Instance) -> Type | None:
    """Return the type of the objects of a State that the class `owner` declares, for a story that derives from it."""
    if isinstance(node, TypeInfo):
        return mypy_api.any_instance_of(node)
    if isinstance(node, TypeAlias):
        return _unless_unknown(mypy_api.target_of(node))
    if isinstance(node, Var) and node.type is not None:
        return _unless_unknown(mypy_api.made_by(mypy_api.seen_from(node.type, owner, story)))
    return None


def _unless_unknown(type_: Type | None) -> Type | None:
    """Return a State; None for Any, and for `object`, which is what classes have in common that have nothing else."""
    found = get_proper_type(type_)
    unknown = isinstance(found, AnyType) or (isinstance(found, Instance) and found.type.fullname == "builtins.object")
    return None if unknown else type_


def class_of_state(info: TypeInfo, state: Type | None) -> TypeInfo | None:
    """Return the class of a story's State, also before mypy has inferred the type of `State = X`."""
    state = get_proper_type(state)
    if isinstance(state, Instance):
        return state.type
    symbol = info.get("State")
    if state is None and symbol is not None and isinstance(symbol.node, Var) and symbol.node.type is None:
        for statement in symbol.node.info.defn.defs.body:
            if isinstance(statement, AssignmentStmt) and isinstance(statement.rvalue, RefExpr):
                assigned = statement.rvalue.node
                if isinstance(assigned, TypeInfo) and any(
                    isinstance(target, NameExpr) and target.name == "State" for target in statement.lvalues
                ):
                    return assigned
    return None


def variables_of(state: Type | None) -> frozenset[str]:
    """Return the variables of a StoryState, which only steps set; none where methods of the State may set them."""
    found = get_proper_type(state)
    if not isinstance(found, Instance) or not found.type.has_base(names.STORY_STATE) or found.type.fallback_to_any:
        return frozenset()
    info = found.type
    variables: set[str] = set()
    for attribute in info.metadata.get("dataclass", {}).get("attributes", ()):
        if not attribute["is_in_init"]:
            symbol = info.get(attribute["name"])
            node = None if symbol is None else symbol.node
            if isinstance(node, Var) and not node.is_inferred and not node.is_property:
                variables.add(attribute["name"])
    if not variables or has_own_access(info):
        return frozenset()
    return frozenset(variables)


def may_have_variables(state: TypeInfo, story: TypeInfo) -> bool:
    """Whether a State may have variables, while mypy has not yet made the constructors of the module's own classes."""
    for base in state.mro:
        if base.fullname == names.STORY_STATE:
            return False
        if not base.has_base(names.STORY_STATE):
            continue
        dataclass = base.metadata.get("dataclass")
        if dataclass is not None and base.module_name != story.module_name:
            if not all(attribute["is_in_init"] for attribute in dataclass["attributes"]):
                return True
        else:
            for statement in base.defn.defs.body:
                if isinstance(statement, AssignmentStmt) and declares_variable(statement):
                    return True
    return False


def declares_variable(statement: Node) -> bool:
    """Whether a statement of a State is `name: X = variable()`."""
    return (
        isinstance(statement, AssignmentStmt)
        and isinstance(statement.rvalue, CallExpr)
        and isinstance(statement.rvalue.callee, RefExpr)
        and statement.rvalue.callee.fullname == names.VARIABLE
    )


def has_own_access(info: TypeInfo) -> bool:
    """Whether methods of the user construct the objects of a State, or find their attributes."""
    for base in info.mro:
        if base.fullname in (names.STORY_STATE, names.SIMPLE_NAMESPACE, "builtins.object"):
            continue
        for name in _OWN_ACCESS.intersection(base.names):
            if not base.names[name].plugin_generated:
                return True
    return False


_OWN_ACCESS: Final = frozenset({"__init__", "__new__", *names.GETATTR_METHODS, "__setattr__", "__delattr__"})
