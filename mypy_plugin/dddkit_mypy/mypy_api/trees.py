"""Walks through mypy's syntax trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from mypy import nodes, patterns
from mypy.nodes import Node

# mypy's TraverserVisitor cannot be subclassed from interpreted code. Attributes are in the order in which they run.
_CHILDREN: Final[dict[type[Node], tuple[str, ...]]] = {
    nodes.MypyFile: ("defs",),
    nodes.Block: ("body",),
    nodes.ExpressionStmt: ("expr",),
    nodes.AssignmentStmt: ("rvalue", "lvalues"),
    nodes.OperatorAssignmentStmt: ("lvalue", "rvalue"),
    nodes.WhileStmt: ("expr", "body", "else_body"),
    nodes.ForStmt: ("expr", "index", "body", "else_body"),
    nodes.ReturnStmt: ("expr",),
    nodes.AssertStmt: ("expr", "msg"),
    nodes.DelStmt: ("expr",),
    nodes.IfStmt: ("expr", "body", "else_body"),
    nodes.RaiseStmt: ("expr", "from_expr"),
    nodes.TryStmt: ("body", "types", "vars", "handlers", "else_body", "finally_body"),
    nodes.WithStmt: ("expr", "target", "body"),
    nodes.MatchStmt: ("subject", "patterns", "guards", "bodies"),
    nodes.ClassDef: ("decorators", "base_type_exprs", "defs"),
    nodes.FuncDef: ("arguments", "body"),
    nodes.LambdaExpr: ("arguments", "body"),
    nodes.Argument: ("initializer",),
    nodes.OverloadedFuncDef: ("items", "impl"),
    nodes.Decorator: ("decorators", "func"),
    nodes.StarExpr: ("expr",),
    nodes.MemberExpr: ("expr",),
    nodes.CallExpr: ("callee", "args"),
    nodes.OpExpr: ("left", "right"),
    nodes.ComparisonExpr: ("operands",),
    nodes.SliceExpr: ("begin_index", "end_index", "stride"),
    nodes.CastExpr: ("expr",),
    nodes.AssertTypeExpr: ("expr",),
    nodes.RevealExpr: ("expr",),
    nodes.SuperExpr: ("call",),
    nodes.AssignmentExpr: ("value", "target"),
    nodes.UnaryExpr: ("expr",),
    nodes.ListExpr: ("items",),
    nodes.TupleExpr: ("items",),
    nodes.SetExpr: ("items",),
    nodes.DictExpr: ("items",),
    nodes.IndexExpr: ("base", "index"),
    nodes.TypeApplication: ("expr",),
    nodes.GeneratorExpr: ("sequences", "indices", "condlists", "left_expr"),
    nodes.ListComprehension: ("generator",),
    nodes.SetComprehension: ("generator",),
    nodes.DictionaryComprehension: ("sequences", "indices", "condlists", "key", "value"),
    nodes.ConditionalExpr: ("cond", "if_expr", "else_expr"),
    nodes.YieldExpr: ("expr",),
    nodes.YieldFromExpr: ("expr",),
    nodes.AwaitExpr: ("expr",),
    patterns.AsPattern: ("pattern", "name"),
    patterns.OrPattern: ("patterns",),
    patterns.ValuePattern: ("expr",),
    patterns.SequencePattern: ("patterns",),
    patterns.StarredPattern: ("capture",),
    patterns.MappingPattern: ("keys", "values", "rest"),
    patterns.ClassPattern: ("class_ref", "positionals", "keyword_values"),
}


def children(node: Node) -> list[Node]:
    """Return the statements and expressions directly under a node, without unreachable code."""
    found: list[Node] = []
    for name in _CHILDREN.get(type(node), ()):
        _add(getattr(node, name, None), found)  # a function from the cache has no arguments
    return found


def _add(part: Any, found: list[Node]) -> None:
    if isinstance(part, (list, tuple)):
        for item in cast("Iterable[Any]", part):
            _add(item, found)
    elif isinstance(part, Node) and not (isinstance(part, nodes.Block) and part.is_unreachable):
        found.append(part)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and everything under it, in the order in which it runs."""
    to_do = [node]  # a recursive generator would pass each node through all those above it
    while to_do:
        found = to_do.pop()
        yield found
        to_do += reversed(children(found))


def assigned_parts(target: nodes.Expression) -> Iterator[nodes.Expression]:
    """Yield the single targets in the target of an assignment: `a` and `self.b` of `(a, *self.b) = ...`."""
    if isinstance(target, (nodes.TupleExpr, nodes.ListExpr)):
        for item in target.items:
            yield from assigned_parts(item)
    elif isinstance(target, nodes.StarExpr):
        yield from assigned_parts(target.expr)
    else:
        yield target
