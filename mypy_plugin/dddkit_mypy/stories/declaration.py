"""The steps that a story declares, from the body of its class or from the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from mypy.nodes import (
    ARG_NAMED_OPT,
    ARG_OPT,
    MDEF,
    AssignmentStmt,
    ClassDef,
    DictionaryComprehension,
    ExpressionStmt,
    FuncDef,
    GeneratorExpr,
    LambdaExpr,
    MemberExpr,
    NameExpr,
    Node,
    TempNode,
    TypeInfo,
    Var,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api

# --- the body of the class --------------------------------------------------------------------------------------


class Body(NamedTuple):
    """What the statements of a story's body do with `I`."""

    listed: list[MemberExpr]
    """Each `I.name` that runs, in the order of the source, including those that list nothing (`I._name`)."""
    dynamic: bool
    """Whether the body also uses `I` in other ways, as in `getattr(I, name)`: it may list more steps than these."""
    comprehended: list[MemberExpr]
    """Each `I.name` in a comprehension, where `I` is the imported one."""


def read_body(defn: ClassDef) -> Body:
    """Read the body of a story that mypy has analysed in this run."""
    body = Body([], False, [])
    dynamic = False
    for statement in defn.defs.body:
        if isinstance(statement, ExpressionStmt):
            expr = statement.expr
            if isinstance(expr, MemberExpr) and is_step_list(expr.expr):
                body.listed.append(expr)
                continue
        elif isinstance(statement, FuncDef):
            kinds = statement.arg_kinds
            if ARG_OPT not in kinds and ARG_NAMED_OPT not in kinds:
                continue  # only the defaults run here
        elif isinstance(statement, ClassDef) or (
            isinstance(statement, AssignmentStmt) and isinstance(statement.rvalue, TempNode)  # a field without a value
        ):
            continue
        for node, in_comprehension in uses_of_step_list(statement, False):
            if isinstance(node, MemberExpr):
                (body.comprehended if in_comprehension else body.listed).append(node)
            elif not in_comprehension:
                dynamic = True
    return body._replace(dynamic=dynamic)


def is_in_comprehension(node: MemberExpr, story: TypeInfo) -> bool:
    """Whether an `I.name` in the body of a story is inside a comprehension there."""
    return mypy_api.metadata_of(story).get("comprehended", True) and any(
        node is inside for inside in read_body(story.defn).comprehended
    )


def is_step_list(expr: Node) -> bool:
    """Whether an expression in the body of a story is its list of steps: the name `I`, imported or the class's own."""
    return (
        isinstance(expr, NameExpr)
        and expr.name == "I"
        and isinstance(expr.node, Var)
        and (expr.node.fullname == names.IMPORTED_I or expr.kind == MDEF)
    )


def uses_of_step_list(node: Node, in_comprehension: bool) -> Iterator[tuple[Node, bool]]:
    """Yield each `I.name`, and each other use of `I`, that runs with the class statement."""
    if isinstance(node, ExpressionStmt):
        node = node.expr
    if isinstance(node, MemberExpr) and is_step_list(node.expr):
        yield node, in_comprehension
    elif isinstance(node, (FuncDef, LambdaExpr)):  # only the defaults run here
        for argument in getattr(node, "arguments", ()):
            if argument.initializer is not None:
                yield from uses_of_step_list(argument.initializer, in_comprehension)
    elif isinstance(node, AssignmentStmt):  # `I: ClassVar[Checkout] = steps()` is not a use of `I`
        yield from uses_of_step_list(node.rvalue, in_comprehension)
    elif is_step_list(node):
        yield node, in_comprehension
    elif not isinstance(node, ClassDef):
        inside = in_comprehension or isinstance(node, (GeneratorExpr, DictionaryComprehension))
        for part in mypy_api.children(node):
            yield from uses_of_step_list(part, inside)


# --- the steps of a story, from this run or the cache -----------------------------------------------------------


class Steps(NamedTuple):
    """The steps that a story lists, itself or through a base."""

    owner: TypeInfo
    """The class whose body lists them."""
    names: list[str]
    dynamic: bool
    """Whether there may be more."""


def steps_of(info: TypeInfo) -> Steps | None:
    """Return the steps of a story; None when it lists none and inherits none."""
    for base in info.mro:
        metadata = mypy_api.metadata_of(base)
        if metadata.get("steps") or metadata.get("dynamic"):
            return Steps(base, list(metadata["steps"]), metadata["dynamic"])
    return None


def listed_by(info: TypeInfo) -> list[str]:
    """Return each name that the body of a story lists itself, as often as it lists it."""
    listed: list[str] = mypy_api.metadata_of(info).get("steps", [])
    return listed


def is_story(info: TypeInfo) -> bool:
    """Whether a class is a story, other than Story itself."""
    return info.fullname != names.STORY and info.has_base(names.STORY)


_MAY_SUPPLY_STEPS: Final = ("__init__", "__new__", "__post_init__", "__attrs_post_init__", *names.GETATTR_METHODS)


def may_have(info: TypeInfo, name: str) -> bool:
    """Whether objects of a class may have the attribute, as far as the declaration of the class shows."""
    if info.get(name) is not None or info.fallback_to_any:
        return True
    for base in info.mro:
        if base.fullname == "builtins.object" or base.fullname == names.STORY:
            continue
        if base.slots is not None and name in base.slots:
            return True
        for method in _MAY_SUPPLY_STEPS:
            symbol = base.names.get(method)
            if symbol is not None and not symbol.plugin_generated:
                return True
    return False


def has_our_call(info: TypeInfo) -> bool:
    """Whether no class of the user defines the `__call__` of a story by hand."""
    for base in info.mro:
        symbol = base.names.get("__call__")
        if symbol is not None and not symbol.plugin_generated:
            return base.fullname == names.STORY
    return False
