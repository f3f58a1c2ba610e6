"""The walk through the body of a step that finds out how it uses its state: statements, and what they assign to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from mypy.nodes import (
    ARG_OPT,
    ARG_POS,
    NOT_ABSTRACT,
    AssertStmt,
    AssignmentStmt,
    AwaitExpr,
    Block,
    BreakStmt,
    CallExpr,
    ContinueStmt,
    Decorator,
    DelStmt,
    Expression,
    ExpressionStmt,
    ForStmt,
    FuncDef,
    IfStmt,
    IndexExpr,
    ListExpr,
    MatchStmt,
    MemberExpr,
    NameExpr,
    Node,
    OperatorAssignmentStmt,
    PassStmt,
    RaiseStmt,
    ReturnStmt,
    StarExpr,
    SymbolNode,
    TempNode,
    TryStmt,
    TupleExpr,
    TypeInfo,
    WhileStmt,
    WithStmt,
)

from dddkit_mypy import mypy_api
from dddkit_mypy.stories.catching import catches, may_swallow, suppresses
from dddkit_mypy.stories.compensations import undecorated
from dddkit_mypy.stories.consumers import is_builtin
from dddkit_mypy.stories.flow import LOOSE, Flow, Loop, Point, join
from dddkit_mypy.stories.flow_expressions import ExpressionVisitor


def flow_of_method(method: SymbolNode | None, managers: set[TypeInfo]) -> Flow | None:
    """Return the flow of a method that mypy has analysed in this run; None where it is decorated or no usual method.

    Add the classes of the context managers that decide something to `managers`.
    """
    decorated = isinstance(method, Decorator)
    if isinstance(method, Decorator):
        if method.func.is_property or (method.decorators and undecorated(method) is method):
            return None
        method = method.func
    if not isinstance(method, FuncDef) or method.is_generator or method.abstract_status != NOT_ABSTRACT:
        return None
    position = 0 if decorated and method.is_static else 1
    if len(method.arguments) <= position or method.arg_kinds[position] not in (ARG_POS, ARG_OPT):
        return None
    visitor = FlowVisitor(method, position, managers)
    visitor.run(method.body)
    return visitor.flow()


_MAX_NESTED_LOOPS: Final = 5
"""The walk repeats the body of each loop until nothing changes, so deeper ones would take too long."""


class FlowVisitor(ExpressionVisitor):
    """Follow one parameter, the state, through the body of a function."""

    def __init__(self, method: FuncDef, position: int, managers: set[TypeInfo]) -> None:
        super().__init__(method.arguments[position].variable)
        self._method: Final = method
        self._managers: Final = managers
        self._loops: Final[list[Loop]] = []
        self._attempts = 0
        """How many statements around this point catch some exception."""

    def run(self, body: Block) -> None:
        """Walk through the body."""
        self._block(body)

    # --- statements -------------------------------------------------------------------------------------------------

    def _block(self, block: Block | None) -> None:
        if block is None:
            return
        if block.is_unreachable:  # `if TYPE_CHECKING` and the like
            self._at = None
            return
        for statement in block.body:
            self._visit(statement)

    def _block_if(self, asked: frozenset[str], block: Block | None) -> None:
        outer = self._asked
        self._asked |= asked
        self._block(block)
        self._asked = outer

    def _statement(self, node: ExpressionStmt) -> None:
        """Visit a call whose result nobody uses: it may be there to raise, as in `require(state.paid)`."""
        expr = node.expr.expr if isinstance(node.expr, AwaitExpr) else node.expr
        asked = self._asking(expr)
        if not isinstance(expr, CallExpr) or is_builtin(expr.callee):
            return
        self._left |= {LOOSE + name for name in asked}
        receiver = expr.callee.expr if isinstance(expr.callee, MemberExpr) else None
        if isinstance(receiver, MemberExpr) and self._is_state(receiver.expr):
            self._left.add(receiver.name)

    def _assignment(self, node: AssignmentStmt) -> None:
        if isinstance(node.rvalue, TempNode) and node.rvalue.no_rhs:
            return
        parts = [part for target in node.lvalues for part in mypy_api.assigned_parts(target)]
        self._updated = frozenset(
            part.name for part in parts if isinstance(part, MemberExpr) and self._is_state(part.expr)
        )
        found = self._asking(node.rvalue)
        self._updated &= found
        for target in node.lvalues:
            self._assign(target)
            self._derive(target, found)
        self._updated = frozenset()

    def _operator_assignment(self, node: OperatorAssignmentStmt) -> None:
        if isinstance(node.lvalue, MemberExpr):
            self._updated = frozenset({node.lvalue.name})
        self._visit(node.lvalue)
        self._visit(node.rvalue)
        self._assign(node.lvalue)
        self._updated = frozenset()

    def _with(self, node: WithStmt) -> None:
        may_swallow_any = False
        for manager, target in zip(node.expr, node.target, strict=True):
            found = self._asking(manager)
            self._opaque |= suppresses(manager)
            may_swallow_any |= may_swallow(manager, self._method, node.is_async, self._managers)
            if target is not None:
                self._assign(target)
                self._derive(target, found)
        if not may_swallow_any:
            self._block(node.body)
            return
        before, outer, asked = self._at, self._newly_set, self._asked
        self._newly_set = set()
        self._catching += 1
        self._attempts += 1
        self._block(node.body)
        self._attempts -= 1
        self._catching -= 1
        self._asked = asked
        self._at = join(self._at, before and before._replace(maybe=before.maybe | self._newly_set))
        self._newly_set |= outer

    def _end(self, node: ReturnStmt | RaiseStmt) -> None:
        self._children(node)
        self._left |= self._asked
        self._at = None

    def _break(self, _: BreakStmt) -> None:
        if self._loops:
            self._loops[-1].broken = join(self._loops[-1].broken, self._at)
        self._left |= self._asked
        self._at = None

    def _continue(self, _: ContinueStmt) -> None:
        if self._loops:
            self._loops[-1].continued = join(self._loops[-1].continued, self._at)
        self._left |= self._asked
        self._at = None

    def _if(self, node: IfStmt) -> None:
        ends: list[Point | None] = []
        outer = self._asked
        for condition, body in zip(node.expr, node.body, strict=True):
            self._asked |= self._asking(condition)
            otherwise = self._at
            self._block(body)
            ends.append(self._at)
            self._at = otherwise
        self._block(node.else_body)
        self._asked = outer
        self._at = join(self._at, *ends)

    def _assert(self, node: AssertStmt) -> None:
        asked = self._asking(node.expr)
        if node.msg is not None:
            self._visit_if(asked, node.msg)
        self._left |= self._asked | asked

    def _loop(self, node: WhileStmt | ForStmt) -> None:
        asked: frozenset[str] = frozenset()
        if isinstance(node, ForStmt):
            asked = self._iterated(node.expr)
            self._derive(node.index, asked)
        if len(self._loops) == _MAX_NESTED_LOOPS:
            self._opaque = True
        start = self._at
        while True:
            loop, early = Loop(), self._early
            self._at = start
            if isinstance(node, WhileStmt):
                asked = self._asking(node.expr)
            over = self._at
            if isinstance(node, ForStmt):
                self._assign(node.index)
            self._loops.append(loop)
            self._block_if(asked, node.body)
            self._loops.pop()
            again = join(start, self._at, loop.continued)
            if again == start or self._opaque:
                break
            if early == self._early:  # another round could only remove early reads that this one has found
                over = join(over, again)
                loop.broken = loop.broken and join(loop.broken, again)
                break
            start = again
        self._at = over
        self._block_if(asked, node.else_body)
        if isinstance(node, WhileStmt):  # what follows runs when they have become something else
            self._left |= asked
        self._at = join(self._at, loop.broken)

    def _try(self, node: TryStmt) -> None:
        before, outer, asked = self._at, self._newly_set, self._asked
        self._newly_set = set()
        is_catching = any(map(catches, node.types))
        self._catching += is_catching
        self._attempts += bool(node.handlers)
        before_seen, self._seen = self._seen, set()
        self._block(node.body)
        self._asked = asked
        decides = frozenset(self._seen)
        self._seen |= before_seen
        self._attempts -= bool(node.handlers)
        self._catching -= is_catching
        raised = before and before._replace(maybe=before.maybe | self._newly_set)
        self._block_if(decides, node.else_body)
        ends = [self._at]
        for type_, var, handler in zip(node.types, node.vars, node.handlers, strict=True):
            self._at = raised
            for part in (type_, var):
                if part is not None:
                    self._visit(part)
            self._block_if(decides, handler)
            ends.append(self._at)
        end = join(*ends)
        if node.finally_body is not None:
            # It runs on every path out of the statement, the ordinary one included.
            self._at = before and before._replace(maybe=before.maybe | self._newly_set)
            self._block(node.finally_body)
            done = self._at
            if done is None or end is None:
                end = None
            else:
                end = Point(end.maybe | done.maybe, end.surely | (done.surely - (before.surely if before else set())))
        self._newly_set |= outer
        self._at = end

    def _index(self, node: IndexExpr) -> None:
        """Visit `state.found["x"]`: in a `try`, what follows runs only if it is there."""
        asked = self._asking(node.base)
        if self._attempts:
            self._asked |= asked
        self._visit(node.index)

    def _match(self, node: MatchStmt) -> None:
        outer = self._asked
        asked = self._asking(node.subject)
        self._asked |= asked
        ends: list[Point | None] = []
        for pattern, guard, body in zip(node.patterns, node.guards, node.bodies, strict=True):
            self._capture(pattern, asked)
            self._visit_if((), pattern)
            otherwise = self._at
            if guard is not None:
                self._asked |= self._asking(guard)
                otherwise = join(otherwise, self._at)
            self._block(body)
            ends.append(self._at)
            self._at = otherwise
        self._asked = outer
        self._at = join(self._at, *ends)

    def _capture(self, pattern: mypy_api.Pattern, asked: frozenset[str]) -> None:
        for node in mypy_api.walk(pattern):
            if isinstance(node, NameExpr):
                self._derive(node, asked)

    # --- targets ----------------------------------------------------------------------------------------------------

    def _assign(self, target: Expression) -> None:
        if isinstance(target, (TupleExpr, ListExpr)):
            for item in target.items:
                self._assign(item)
        elif isinstance(target, StarExpr):
            self._assign(target.expr)
        elif isinstance(target, MemberExpr) and self._is_state(target.expr):
            self._set(target.name)
        else:
            self._change_part(target)

    def _change_part(self, target: Expression) -> None:
        if isinstance(target, (MemberExpr, IndexExpr)):
            self._change(target)
        self._visit(target)

    def _del(self, node: DelStmt) -> None:
        self._delete(node.expr)

    def _delete(self, target: Expression) -> None:
        if isinstance(target, TupleExpr):
            for item in target.items:
                self._delete(item)
        elif isinstance(target, MemberExpr) and self._is_state(target.expr):
            self._checked_names.add(target.name)
        else:
            self._change_part(target)

    visits: ClassVar[dict[type[Node], Callable[[Any, Any], None]]] = {
        **ExpressionVisitor.visits,
        AssertStmt: _assert,
        AssignmentStmt: _assignment,
        Block: _block,
        BreakStmt: _break,
        ContinueStmt: _continue,
        DelStmt: _del,
        ExpressionStmt: _statement,
        ForStmt: _loop,
        IfStmt: _if,
        IndexExpr: _index,
        MatchStmt: _match,
        OperatorAssignmentStmt: _operator_assignment,
        PassStmt: ExpressionVisitor.visits[PassStmt],
        RaiseStmt: _end,
        ReturnStmt: _end,
        TryStmt: _try,
        WhileStmt: _loop,
        WithStmt: _with,
    }
