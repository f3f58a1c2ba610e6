"""Calls in the source, as a hook sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from mypy.checker import TypeChecker
from mypy.nodes import (
    Block,
    CallExpr,
    ClassDef,
    ConditionalExpr,
    Context,
    Expression,
    ExpressionStmt,
    ForStmt,
    FuncDef,
    IfStmt,
    ListComprehension,
    ListExpr,
    MatchStmt,
    MemberExpr,
    NameExpr,
    Node,
    OpExpr,
    SetComprehension,
    Statement,
    TryStmt,
    TupleExpr,
    WhileStmt,
    WithStmt,
)
from mypy.types import ProperType, Type, UnionType, get_proper_type

from dddkit_mypy.mypy_api.trees import children


def receiver_types(checker: TypeChecker, call: Context) -> Iterator[ProperType]:
    """Yield the types that the object may have whose method is called; a hook gets them one by one."""
    if isinstance(call, CallExpr) and isinstance(call.callee, MemberExpr):
        yield from union_items(checker.lookup_type_or_none(call.callee.expr))


def union_items(type_: Type | None) -> Iterator[ProperType]:
    """Yield the members of a union, at any depth; any other type itself, and nothing for None."""
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        for item in found.items:
            yield from union_items(item)
    elif found is not None:
        yield found


def dropped_by(node: Node, skipped: tuple[type[Node], ...] = ()) -> Iterator[Expression]:
    """Yield the expressions in the statements of a node whose value nobody takes.

    Functions, classes and statements of the `skipped` kinds are not entered.
    """
    for child in children(node):
        if isinstance(child, ExpressionStmt):
            yield from _values(child.expr)
        elif isinstance(child, skipped):
            continue
        elif isinstance(child, (Block, IfStmt, ForStmt, WhileStmt, MatchStmt, WithStmt, TryStmt)):
            yield from dropped_by(child, skipped)


def functions_in(node: Node) -> Iterator[FuncDef]:
    """Yield the functions that the statements of a node define; those inside functions and classes are theirs."""
    for child in children(node):
        if isinstance(child, FuncDef):
            yield child
        elif isinstance(child, Statement) and not isinstance(child, ClassDef):
            yield from functions_in(child)


def _values(expression: Expression) -> Iterator[Expression]:
    """Yield the expressions whose value is dropped with that of this one: each side of `a() if b else c()`."""
    if isinstance(expression, ConditionalExpr):
        parts = [expression.if_expr, expression.else_expr]
    elif isinstance(expression, OpExpr) and expression.op in ("and", "or"):
        parts = [expression.right]
    elif isinstance(expression, (ListComprehension, SetComprehension)):
        parts = [expression.generator.left_expr]
    elif isinstance(expression, (TupleExpr, ListExpr)):
        parts = expression.items
    else:
        yield expression
        return
    for part in parts:
        yield from _values(part)


class DroppedCalls:
    """The calls of the functions under check whose value nobody takes; each function is read once."""

    def __init__(self) -> None:
        self._outermost: Block | None = None
        self._calls: dict[Block, set[_Place]] = {}  # the daemon parses a body again, but keeps the function

    def contain(self, checker: TypeChecker, call: Context) -> bool:
        """Whether nobody takes the value of a call in the current function."""
        outermost = checker.scope.top_level_function()
        function = checker.scope.current_function()
        if function is None or outermost is None:
            return False
        if outermost.body is not self._outermost:
            self._outermost = outermost.body
            self._calls.clear()
        body = function.body
        if body not in self._calls:
            self._calls[body] = {_place(found) for found in dropped_by(body) if isinstance(found, CallExpr)}
        return _place(call) in self._calls[body]


_Place: TypeAlias = tuple[int, int, int | None, int | None]


def _place(node: Context) -> _Place:
    """Return what identifies a call: mypy checks copies of a function whose type variables have values."""
    return node.line, node.column, node.end_line, node.end_column


def name_in_source(called: Expression) -> str:
    """Return what is called as the source writes it, as in `self.Added`; empty where that is no dotted name."""
    if isinstance(called, NameExpr):
        return called.name
    owner = name_in_source(called.expr) if isinstance(called, MemberExpr) else ""
    return f"{owner}.{called.name}" if owner and isinstance(called, MemberExpr) else ""
