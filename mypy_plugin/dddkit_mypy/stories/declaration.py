"""The steps that a story declares, from the body of its class or from the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeGuard

from mypy.nodes import (
    ARG_NAMED_OPT,
    ARG_OPT,
    MDEF,
    AssignmentStmt,
    CallExpr,
    ClassDef,
    Decorator,
    DictionaryComprehension,
    ExpressionStmt,
    FuncDef,
    GeneratorExpr,
    IndexExpr,
    IntExpr,
    LambdaExpr,
    MemberExpr,
    NameExpr,
    Node,
    OpExpr,
    RefExpr,
    StrExpr,
    TempNode,
    TypeInfo,
    Var,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._record import Record

# --- the body of the class --------------------------------------------------------------------------------------


class Body(Record):
    """What the statements of a story's body do with `I`."""

    listed: list[MemberExpr]
    """Each `I.name` that runs, in the order of the source, including those that list nothing (`I._name`)."""
    dynamic: bool
    """Whether the body also uses `I` in other ways, as in `getattr(I, name)`: it may list more steps than these."""
    comprehended: list[MemberExpr]
    """Each `I.name` in a comprehension, where `I` is the imported one."""
    is_open: bool
    """Whether the body uses its namespace as a dictionary, with `locals()` or `exec`: it may define more names."""
    misused: list[Misuse]
    """Each use of an `I.name` as if it were the step itself."""
    is_plain: bool
    """Whether it has nothing but expressions, functions without decorators, classes and assignments."""


class Misuse(Record):
    """An `I.name` that is called, combined with something, or asked for an attribute."""

    node: Node
    """The whole expression."""
    step: MemberExpr
    """The `I.name` in it."""


def read_body(defn: ClassDef) -> Body:
    """Read the body of a story that mypy has analysed in this run."""
    listed: list[MemberExpr] = []
    comprehended: list[MemberExpr] = []
    misused: list[Misuse] = []
    dynamic = is_open = False
    is_plain = True
    for statement in defn.defs.body:
        if isinstance(statement, ExpressionStmt):
            expr = statement.expr
            if isinstance(expr, MemberExpr) and is_step_list(expr.expr):
                listed.append(expr)
                continue
        elif isinstance(statement, FuncDef):
            kinds = statement.arg_kinds
            if kinds == mypy_api.SELF_AND_ONE or (ARG_OPT not in kinds and ARG_NAMED_OPT not in kinds):
                continue  # only the defaults run here
        elif isinstance(statement, ClassDef) or (
            isinstance(statement, AssignmentStmt) and isinstance(statement.rvalue, TempNode)  # a field without a value
        ):
            continue
        elif not isinstance(statement, AssignmentStmt):
            is_plain = False
            if isinstance(statement, Decorator) and not _may_use_list(statement):
                continue
        lists = False
        for node, in_comprehension in uses_of_step_list(statement, False):
            if isinstance(node, MemberExpr) and is_step_list(node.expr):
                (comprehended if in_comprehension else listed).append(node)
                lists = True
            elif isinstance(node, CallExpr):
                dynamic = is_open = True
            elif not in_comprehension:
                dynamic = True
        if lists:
            misused.extend(_misuses(statement))
    return Body(listed, dynamic, comprehended, is_open, misused, is_plain)


def _may_use_list(decorated: Decorator) -> bool:
    """Whether a decorated function may use `I` when it is defined, or call what may use it: most do not.

    `@logged` and `@retried(times=3)` do not, where the function has no defaults.
    """
    kinds = decorated.func.arg_kinds
    if ARG_OPT in kinds or ARG_NAMED_OPT in kinds:
        return True
    for decorator in decorated.decorators:
        parts = [decorator.callee, *decorator.args] if isinstance(decorator, CallExpr) else [decorator]
        for part in parts:
            if isinstance(part, NameExpr):
                name = part.fullname
                if part.name == "I" or name == names.IMPORTED_I or name in _NAMESPACES or name == "builtins.vars":
                    return True
            elif not isinstance(part, (IntExpr, StrExpr)):
                return True
    return False


def _misuses(node: Node) -> Iterator[Misuse]:
    """Yield the uses of an `I.name`, in code that runs with the class statement, which the runtime refuses."""
    used: Node | None = None
    if isinstance(node, CallExpr):
        used = node.callee
    elif isinstance(node, MemberExpr):
        used = node.expr
    elif isinstance(node, OpExpr) and (node.op not in _OPERATORS or (node.op in ("+", "*") and _lists(node.right))):
        used = node.left
    elif isinstance(node, Decorator):
        yield from (Misuse(decorator, decorator) for decorator in node.decorators if _lists(decorator))
    if used is not None and _lists(used):
        yield Misuse(node, used)
    if isinstance(node, (GeneratorExpr, DictionaryComprehension)):
        yield from _misuses(node.sequences[0])
    elif not isinstance(node, (FuncDef, LambdaExpr, ClassDef)):
        for part in mypy_api.children(node):
            yield from _misuses(part)


_OPERATORS: Final = ("+", "*", "%", "and", "or")
"""Those that a string has."""


def _lists(node: Node) -> TypeGuard[MemberExpr]:
    return isinstance(node, MemberExpr) and is_step_list(node.expr)


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
    """Yield each `I.name`, each other use of `I`, and each call that may use it, that runs with the class statement."""
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
        for target in node.lvalues:
            if isinstance(target, IndexExpr):  # `locals()[name] = ...`
                yield from uses_of_step_list(target, in_comprehension)
    elif isinstance(node, RefExpr) and (is_step_list(node) or node.fullname == names.IMPORTED_I):
        yield node, in_comprehension
    elif not isinstance(node, ClassDef):
        if isinstance(node, CallExpr) and _gives_namespace(node):
            yield node, in_comprehension
        # What a comprehension iterates over first is still evaluated in the body.
        first = node.sequences[0] if isinstance(node, (GeneratorExpr, DictionaryComprehension)) else None
        for part in mypy_api.children(node):
            inside = in_comprehension or (first is not None and part is not first)
            yield from uses_of_step_list(part, inside)


def _gives_namespace(call: CallExpr) -> bool:
    """Whether a call may read or change the names in the body of a class."""
    if not isinstance(call.callee, RefExpr):
        return False
    name = call.callee.fullname
    return name in _NAMESPACES or (name == "builtins.vars" and not call.args)


_NAMESPACES: Final = frozenset(
    {"builtins.locals", "builtins.exec", "builtins.eval", "sys._getframe", "inspect.currentframe"}
)


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
        if base.metadata:
            steps = steps_declared_by(base)
            if steps is not None:
                return steps
    return None


def steps_declared_by(info: TypeInfo) -> Steps | None:
    """Return the steps that a class lists itself; None when it lists none."""
    metadata = mypy_api.metadata_of(info)
    if metadata and (metadata.get("steps") or metadata.get("dynamic")):
        return Steps(info, list(metadata["steps"]), metadata["dynamic"])
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
        if (base.slots is not None and name in base.slots) or mypy_api.metadata_of(base).get("open"):
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
