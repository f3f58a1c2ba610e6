"""Assignments in the methods of a story, found by their statements alone: few methods need a closer look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeGuard

from mypy.nodes import (
    AssignmentStmt,
    Block,
    CallExpr,
    Decorator,
    Expression,
    ExpressionStmt,
    ForStmt,
    FuncDef,
    IfStmt,
    MatchStmt,
    MemberExpr,
    NameExpr,
    Node,
    OperatorAssignmentStmt,
    OverloadedFuncDef,
    RefExpr,
    StrExpr,
    SymbolNode,
    TempNode,
    TryStmt,
    Var,
    WhileStmt,
    WithStmt,
)

from dddkit_mypy import mypy_api


def function_of(method: SymbolNode | None) -> FuncDef | None:
    """Return the function of a usual method, decorated or not; None for a property, a static or a class method."""
    if isinstance(method, OverloadedFuncDef):
        method = method.impl
    if isinstance(method, Decorator):
        method = method.func
    if not isinstance(method, FuncDef) or method.is_property or method.is_static or method.is_class:
        return None
    return method


def self_of(method: FuncDef) -> Var | None:
    """Return the `self` of a method that mypy has read in this run."""
    arguments = getattr(method, "arguments", ())  # a function from the cache has none
    return arguments[0].variable if arguments else None


def assigned_on_self(method: FuncDef) -> list[tuple[str, Node]]:
    """Return the public attributes that a method assigns on `self`, and where."""
    found: list[tuple[str, Node]] = []
    own = self_of(method)
    if own is not None:
        _add_assigned(method.body, own, found)
    return found


def _add_assigned(block: Block, own: Var, found: list[tuple[str, Node]]) -> None:
    """Add what the statements in a block assign, and in the blocks inside, also of inner functions."""
    if block.is_unreachable:
        return
    for statement in block.body:
        if isinstance(statement, ExpressionStmt):
            call = statement.expr
            if isinstance(call, CallExpr) and len(call.args) == _SET_BY_CALL:
                name = _set_by_call(call, own)
                if name is not None:
                    found.append((name, call))
            continue
        if isinstance(statement, AssignmentStmt) and not any(_may_be_on(own, target) for target in statement.lvalues):
            continue
        found += [
            (target.name, target)
            for target in assigned_targets(statement)
            if is_attribute_of(target, own) and target.name[0] != "_"
        ]
        compound: Node = statement.func if isinstance(statement, Decorator) else statement
        for name in _BLOCKS.get(type(compound), ()):
            inner: Block | list[Block | None] | None = getattr(compound, name)
            for part in inner if isinstance(inner, list) else [inner]:
                if part is not None:
                    _add_assigned(part, own, found)


def _may_be_on(own: Var, target: Expression) -> bool:
    """Whether a target may have a part that is an attribute of `self`; in most assignments, none has."""
    if isinstance(target, MemberExpr):
        return isinstance(target.expr, NameExpr) and target.expr.node is own
    return not isinstance(target, NameExpr)


def is_attribute_of(node: Node, own: Var) -> TypeGuard[MemberExpr]:
    """Whether a node is `self.name`."""
    return isinstance(node, MemberExpr) and isinstance(node.expr, NameExpr) and node.expr.node is own


def assigned_targets(statement: Node) -> Iterator[Expression]:
    """Yield the single targets that a statement assigns."""
    if isinstance(statement, AssignmentStmt):
        if not (isinstance(statement.rvalue, TempNode) and statement.rvalue.no_rhs):
            for target in statement.lvalues:
                yield from mypy_api.assigned_parts(target)
    elif isinstance(statement, OperatorAssignmentStmt):
        yield statement.lvalue
    elif isinstance(statement, ForStmt):
        yield from mypy_api.assigned_parts(statement.index)
    elif isinstance(statement, WithStmt):
        for named in statement.target:
            if named is not None:
                yield from mypy_api.assigned_parts(named)


_SET_BY_CALL: Final = 3
"""How many arguments `setattr` takes."""


def _set_by_call(call: CallExpr, own: Var) -> str | None:
    """Return the public name in `setattr(self, "name", value)`."""
    callee, (given, name, _) = call.callee, call.args
    if (
        isinstance(callee, RefExpr)
        and callee.fullname == "builtins.setattr"
        and isinstance(given, NameExpr)
        and given.node is own
        and isinstance(name, StrExpr)
        and not name.value.startswith("_")
    ):
        return name.value
    return None


_BLOCKS: Final[dict[type[Node], tuple[str, ...]]] = {
    IfStmt: ("body", "else_body"),
    ForStmt: ("body", "else_body"),
    WhileStmt: ("body", "else_body"),
    WithStmt: ("body",),
    TryStmt: ("body", "handlers", "else_body", "finally_body"),
    MatchStmt: ("bodies",),
    FuncDef: ("body",),
}
