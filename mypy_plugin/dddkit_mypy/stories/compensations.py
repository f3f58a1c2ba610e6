"""Which method of a story undoes which step, from the body of its class, of a mixin, or from the cache."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeGuard

from mypy.nodes import (
    ARG_POS,
    CallExpr,
    Decorator,
    Expression,
    ExpressionStmt,
    FuncDef,
    MemberExpr,
    NameExpr,
    OverloadedFuncDef,
    RefExpr,
    ReturnStmt,
    StrExpr,
    SymbolNode,
    TypeInfo,
    Var,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._record import Record
from dddkit_mypy.stories.declaration import is_step_list, steps_of

# --- the source -------------------------------------------------------------------------------------------------


class Mark(Record):
    """A `@compensates` in the body of a class."""

    method: str
    """The name in the class: a child may override the method."""
    node: Decorator
    call: CallExpr
    """The decorator itself."""
    place: int
    """Its place among the decorators of the method, the outermost one first."""

    @property
    def given(self) -> Expression | None:
        """What it compensates, as the source says it."""
        return _argument(self.call, "step", 0)


def marks_in(info: TypeInfo) -> list[Mark]:
    """Return the `@compensates` in the body of a class that mypy has analysed in this run; one for each method."""
    found: list[Mark] = []
    for name, symbol in mypy_api.members_of(info):
        node = symbol.node
        if isinstance(node, FuncDef):
            continue
        if isinstance(node, OverloadedFuncDef):
            node = node.items[0] if node.is_property else node.impl
        if isinstance(node, Decorator):
            for index, expr in enumerate(node.original_decorators):
                if is_compensates(expr):
                    found.append(Mark(name, node, expr, index))
                    break
    return found


def is_compensates(expr: Expression) -> TypeGuard[CallExpr]:
    """Whether a decorator is `@compensates(...)`."""
    return isinstance(expr, CallExpr) and isinstance(expr.callee, RefExpr) and expr.callee.fullname == names.COMPENSATES


def step_of(mark: Mark, info: TypeInfo) -> str | None:
    """Return the name of the step that a method of a class undoes; None where the source does not say it."""
    given = mark.given
    if isinstance(given, StrExpr):
        return given.value
    if isinstance(given, MemberExpr):
        if is_step_list(given.expr):
            return given.name
        owner = given.expr.node if isinstance(given.expr, RefExpr) else None
        if isinstance(owner, TypeInfo):
            symbol = owner.get(given.name)
            return given.name if symbol is not None and isinstance(undecorated(symbol.node), FuncDef) else None
    node = given.node if isinstance(given, RefExpr) else None
    if isinstance(node, Var) and isinstance(node.final_value, str):
        return node.final_value
    if isinstance(given, NameExpr) and node is not None:
        return next((name for name, symbol in mypy_api.members_of(info) if symbol.node is node), None)
    return None


def is_hidden(mark: Mark, info: TypeInfo) -> bool:
    """Whether a decorator above `@compensates` certainly makes another object of what that returns."""
    if mark.place == 0:
        return False
    above = mark.node.original_decorators[: mark.place]
    return mark.node.func.is_property or any(_hides(expr, info.module_name) for expr in above)


def _hides(decorator: Expression, module: str) -> bool:
    called = decorator.callee if isinstance(decorator, CallExpr) else decorator
    if not isinstance(called, RefExpr):
        return False
    if called.fullname in _HIDING or called.fullname == names.COMPENSATES:
        return True
    made: FuncDef | None = called.node if isinstance(called.node, FuncDef) else None
    if made is None or not made.fullname.startswith(f"{module}."):
        return False  # the cache has no bodies
    if isinstance(decorator, CallExpr):
        made = _function_returned_by(made)
    return made is not None and _function_returned_by(made) is not None


def _function_returned_by(function: FuncDef) -> FuncDef | None:
    """Return the inner function that a function always returns."""
    returned: FuncDef | None = None
    for statement in function.body.body if hasattr(function, "arguments") else ():
        if isinstance(statement, ReturnStmt):
            node = statement.expr.node if isinstance(statement.expr, NameExpr) else None
            returned = node.func if isinstance(node, Decorator) else node if isinstance(node, FuncDef) else None
        elif not isinstance(statement, (FuncDef, Decorator, ExpressionStmt)):
            return None
    return returned


_HIDING: Final = frozenset(
    {
        *(f"builtins.{name}" for name in ("classmethod", "staticmethod", "property")),
        *(f"functools.{name}" for name in ("cache", "lru_cache", "partial", "partialmethod", "wraps")),
        *(f"contextlib.{name}" for name in ("asynccontextmanager", "contextmanager")),
        "abc.abstractmethod",
        "typing_extensions.deprecated",
        "warnings.deprecated",
    }
)


def _argument(call: CallExpr, name: str, position: int | None) -> Expression | None:
    for index, (given, kind, keyword) in enumerate(zip(call.args, call.arg_kinds, call.arg_names, strict=True)):
        if keyword == name or (index == position and kind == ARG_POS):
            return given
    return None


# --- what a class declares, from this run or the cache ----------------------------------------------------------


class Compensation(NamedTuple):
    """What undoes a step. Its values fit into mypy's cache."""

    step: str | None
    """None where the source does not say it."""
    method: str
    even_if_failed: bool
    is_plain: bool
    """Whether the method has no other decorators, so that it is what its `def` says."""
    is_hidden: bool


def read_compensations(info: TypeInfo) -> list[list[Any]]:
    """Return what the body of a class declares, for its metadata."""
    found: list[list[Any]] = []
    for mark in marks_in(info):
        even = _argument(mark.call, "even_if_failed", None)
        is_even = isinstance(even, NameExpr) and even.fullname == "builtins.True"
        is_plain = len(mark.node.decorators) == 1 and not mark.node.func.is_property
        one = Compensation(step_of(mark, info), mark.method, is_even, is_plain, is_hidden(mark, info))
        found.append([*one])
    return found


def store_of_mixin(scope: mypy_api.AnalysisScope) -> None:
    """Store what a class declares that is no story: the story that derives from it may be in another module."""
    info = scope.info
    compensations = read_compensations(info)
    if not compensations:
        return
    mypy_api.update_metadata(info, {"compensations": compensations})
    if scope.is_for_daemon:
        mypy_api.set_private_text(scope.analyzer, info, mypy_api.METADATA, repr(compensations))


def declared_by(info: TypeInfo) -> list[Compensation]:
    """Return what the body of a class declares, hidden ones included."""
    return [Compensation(*one) for one in mypy_api.metadata_of(info).get("compensations", ())]


def methods_of(info: TypeInfo) -> set[str]:
    """Return the names of the methods of a class that are marked, in its own body or in that of a base."""
    return {one.method for base in mypy_api.bases_with(info, "compensations") for one in declared_by(base)}


def compensations_of(info: TypeInfo) -> dict[str, Compensation]:
    """Return what undoes each step of a story that can be undone; a child replaces what its parents declare."""
    found: dict[str, Compensation] = {}
    for base in reversed(mypy_api.bases_with(info, "compensations")):
        for one in reversed(declared_by(base)):  # of two in one class, which is reported, the first
            if one.step is not None and not one.is_hidden:
                found[one.step] = one
    if not found:
        return found
    steps = steps_of(info)
    listed = () if steps is None else dict.fromkeys(steps.names)
    return {step: found[step] for step in listed if step in found}


def undecorated(node: SymbolNode | None) -> SymbolNode | None:
    """Return the function of a compensation without other decorators, as `@compensates` returns it; else the node."""
    if isinstance(node, Decorator):
        info = node.func.info
        if mypy_api.metadata_of(info).get("compensations") and any(
            one.method == node.name and one.is_plain and not one.is_hidden for one in declared_by(info)
        ):
            return node.func
    return node


def member_named(info: TypeInfo, name: str) -> SymbolNode | None:
    """Return what a name in a class stands for, a compensation as its function; None where there is none."""
    symbol = info.get(name)
    if symbol is None:
        return None
    return undecorated(symbol.node) if isinstance(symbol.node, Decorator) else symbol.node


def name_in_message(info: TypeInfo, method: str) -> str:
    """Return what messages call a step or a compensation of a story: I.charge, or the name of the method."""
    steps = steps_of(info)
    return f"I.{method}" if steps is not None and method in steps.names else method
