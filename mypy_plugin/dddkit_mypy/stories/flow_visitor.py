"""The walk through the body of a step that finds out how it uses its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    BytesExpr,
    CallExpr,
    ComparisonExpr,
    ConditionalExpr,
    ContinueStmt,
    Decorator,
    DelStmt,
    DictionaryComprehension,
    Expression,
    ExpressionStmt,
    FloatExpr,
    ForStmt,
    FuncDef,
    GeneratorExpr,
    IfStmt,
    IntExpr,
    LambdaExpr,
    ListComprehension,
    ListExpr,
    MatchStmt,
    MemberExpr,
    NameExpr,
    Node,
    OperatorAssignmentStmt,
    OpExpr,
    OverloadedFuncDef,
    PassStmt,
    RaiseStmt,
    RefExpr,
    ReturnStmt,
    SetComprehension,
    StarExpr,
    StrExpr,
    SymbolNode,
    TempNode,
    TryStmt,
    TupleExpr,
    TypeInfo,
    Var,
    WhileStmt,
    WithStmt,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.stories.flow import Flow, Loop, Point, join


def flow_of_method(method: SymbolNode | None) -> Flow | None:
    """Return the flow of a method that mypy has analysed in this run; None where it is decorated or no usual method."""
    decorated = isinstance(method, Decorator)
    if isinstance(method, Decorator):
        if method.decorators or method.func.is_property:
            return None
        method = method.func
    if not isinstance(method, FuncDef) or method.is_generator or method.abstract_status != NOT_ABSTRACT:
        return None
    position = 0 if decorated and method.is_static else 1
    if len(method.arguments) <= position or method.arg_kinds[position] not in (ARG_POS, ARG_OPT):
        return None
    visitor = FlowVisitor(method.arguments[position].variable)
    visitor.run(method.body)
    return visitor.flow()


_MAX_NESTED_LOOPS: Final = 5
"""The walk repeats the body of each loop until nothing changes, so deeper ones would take too long."""

_HARMLESS: Final = ("builtins.isinstance", "builtins.type", "builtins.id")
_CATCHING: Final = frozenset(
    {
        names.STORY_STATE_ERROR,
        names.DDDKIT_ERROR,
        "builtins.AttributeError",
        "builtins.Exception",
        "builtins.BaseException",
    }
)


class FlowVisitor:
    """Follow one parameter, the state, through the body of a function."""

    def __init__(self, state: Var) -> None:
        self._state: Final = state
        self._opaque = False
        self._checked_names: Final[set[str]] = set()
        """The attributes that the body checks with `hasattr` and the like, or deletes: they are not reported."""
        self._sets: Final[dict[str, None]] = {}
        self._used: Final[dict[str, None]] = {}
        self._reads: Final[dict[int, tuple[MemberExpr, bool]]] = {}
        """Each read that may be early, by the id of its node, and whether it still is."""
        self._loops: Final[list[Loop]] = []
        self._newly_set: set[str] = set()
        """The attributes set since the current `try` statement began."""
        self._early = 0
        """How many early reads there have been."""
        self._catching = 0
        """How many `try` statements around this point catch the exception that an early read raises."""
        self._deferred = 0
        """How many functions and generators around this point run at another time."""
        self._at: Point | None = Point(frozenset(), frozenset())
        """The current point; None in code that no path reaches."""

    def run(self, body: Block) -> None:
        self._block(body)

    def flow(self) -> Flow:
        reads: dict[str, list[int]] = {}
        for node, is_early in self._reads.values():
            if is_early and node.name not in self._checked_names and node.name not in reads:
                reads[node.name] = [node.line, node.column, node.end_line or node.line, node.end_column or node.column]
        return Flow(self._opaque, reads, list(self._sets), list(self._used))

    # --- statements -------------------------------------------------------------------------------------------------

    def _block(self, block: Block | None) -> None:
        if block is None:
            return
        if block.is_unreachable:  # `if TYPE_CHECKING` and the like
            self._at = None
            return
        for statement in block.body:
            self._visit(statement)

    def _assignment(self, node: AssignmentStmt) -> None:
        if not (isinstance(node.rvalue, TempNode) and node.rvalue.no_rhs):
            self._visit(node.rvalue)
            for target in node.lvalues:
                self._assign(target)

    def _operator_assignment(self, node: OperatorAssignmentStmt) -> None:
        self._visit(node.lvalue)
        self._visit(node.rvalue)
        self._assign(node.lvalue)

    def _with(self, node: WithStmt) -> None:
        for manager, target in zip(node.expr, node.target, strict=True):
            self._visit(manager)
            self._opaque |= _suppresses(manager)
            if target is not None:
                self._assign(target)
        self._block(node.body)

    def _end(self, node: ReturnStmt | RaiseStmt) -> None:
        self._children(node)
        self._at = None

    def _break(self, _: BreakStmt) -> None:
        if self._loops:
            self._loops[-1].broken = join(self._loops[-1].broken, self._at)
        self._at = None

    def _continue(self, _: ContinueStmt) -> None:
        if self._loops:
            self._loops[-1].continued = join(self._loops[-1].continued, self._at)
        self._at = None

    def _if(self, node: IfStmt) -> None:
        ends: list[Point | None] = []
        for condition, body in zip(node.expr, node.body, strict=True):
            self._visit(condition)
            otherwise = self._at
            self._block(body)
            ends.append(self._at)
            self._at = otherwise
        self._block(node.else_body)
        self._at = join(self._at, *ends)

    def _loop(self, node: WhileStmt | ForStmt) -> None:
        if isinstance(node, ForStmt):
            self._visit(node.expr)
        if len(self._loops) == _MAX_NESTED_LOOPS:
            self._opaque = True
        start = self._at
        while True:
            loop, early = Loop(), self._early
            self._at = start
            if isinstance(node, WhileStmt):
                self._visit(node.expr)
            over = self._at
            if isinstance(node, ForStmt):
                self._assign(node.index)
            self._loops.append(loop)
            self._block(node.body)
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
        self._block(node.else_body)
        self._at = join(self._at, loop.broken)

    def _try(self, node: TryStmt) -> None:
        before, outer = self._at, self._newly_set
        self._newly_set = set()
        catches = any(type_ is None or _catches(type_) for type_ in node.types)
        self._catching += catches
        self._block(node.body)
        self._catching -= catches
        raised = before and before._replace(maybe=before.maybe | self._newly_set)
        self._block(node.else_body)
        ends = [self._at]
        for type_, var, handler in zip(node.types, node.vars, node.handlers, strict=True):
            self._at = raised
            for part in (type_, var):
                if part is not None:
                    self._visit(part)
            self._block(handler)
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

    def _match(self, node: MatchStmt) -> None:
        self._visit(node.subject)
        ends: list[Point | None] = []
        for pattern, guard, body in zip(node.patterns, node.guards, node.bodies, strict=True):
            self._visit_conditional(pattern)
            otherwise = self._at
            if guard is not None:
                self._visit(guard)
                otherwise = join(otherwise, self._at)
            self._block(body)
            ends.append(self._at)
            self._at = otherwise
        self._at = join(self._at, *ends)

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
            self._visit(target)

    def _set(self, name: str) -> None:
        self._use(name)
        self._sets[name] = None
        if self._at is None:
            return
        maybe, surely = self._at
        if self._deferred:  # it may run at any time, or never
            maybe |= {name}
        elif name in surely:
            if name not in maybe:
                return  # no path leads here
        else:
            maybe, surely = maybe | {name}, surely | {name}
        self._at = Point(maybe, surely)
        self._newly_set.add(name)

    def _use(self, name: str) -> None:
        self._used[name] = None
        if name.startswith("__"):
            self._opaque = True

    # --- expressions ------------------------------------------------------------------------------------------------

    def _visit(self, node: Node) -> None:
        visit = _VISITS.get(type(node))
        if visit is None:
            self._children(node)
        else:
            visit(self, node)

    def _member(self, node: MemberExpr) -> None:
        if self._is_state(node.expr):
            self._read(node)
        else:
            self._visit(node.expr)

    def _name(self, node: NameExpr) -> None:
        if node.node is self._state:
            self._opaque = True  # an argument, an alias, an operand: the plugin cannot follow it

    def _expression(self, node: ExpressionStmt | AwaitExpr) -> None:
        self._visit(node.expr)

    def _operation(self, node: OpExpr) -> None:
        self._visit(node.left)
        if node.op in ("and", "or"):
            self._visit_conditional(node.right)
        else:
            self._visit(node.right)

    def _comparison(self, node: ComparisonExpr) -> None:
        self._visit(node.operands[0])
        self._visit(node.operands[1])
        if len(node.operands) > 2:
            self._visit_conditional(*node.operands[2:])

    def _conditional(self, node: ConditionalExpr) -> None:
        self._visit(node.cond)
        otherwise = self._at
        self._visit(node.if_expr)
        end, self._at = self._at, otherwise
        self._visit(node.else_expr)
        self._at = join(end, self._at)

    def _assert(self, node: AssertStmt) -> None:
        self._visit(node.expr)
        if node.msg is not None:
            self._visit_conditional(node.msg)

    def _list(self, node: ListComprehension | SetComprehension) -> None:
        self._comprehension(node.generator, [node.generator.left_expr])

    def _dict(self, node: DictionaryComprehension) -> None:
        self._comprehension(node, [part for part in (node.key, node.value) if part is not None])

    def _generator(self, node: GeneratorExpr) -> None:
        self._visit(node.sequences[0])
        self._visit_deferred(
            [*node.sequences[1:], *(part for parts in node.condlists for part in parts), node.left_expr]
        )

    def _function(self, node: FuncDef | Decorator | OverloadedFuncDef | LambdaExpr) -> None:
        self._visit_deferred(mypy_api.children(node))

    def _nothing(self, node: Node) -> None:
        pass

    def _children(self, node: Node) -> None:
        for child in mypy_api.children(node):
            self._visit(child)

    def _comprehension(self, node: GeneratorExpr | DictionaryComprehension, made: list[Expression]) -> None:
        self._visit(node.sequences[0])
        self._visit_conditional(*node.sequences[1:], *(part for parts in node.condlists for part in parts), *made)

    def _visit_conditional(self, *nodes: Node) -> None:
        """Visit what runs under a condition."""
        before = self._at
        for node in nodes:
            self._visit(node)
        self._at = join(before, self._at)

    def _visit_deferred(self, nodes: Iterable[Node]) -> None:
        """Visit what runs at another time: it may set attributes, and its reads count for nothing."""
        before = self._at
        self._deferred += 1
        for node in nodes:
            self._visit(node)
        self._deferred -= 1
        self._at = before and before._replace(
            maybe=before.maybe | {name for name in self._sets if name in self._newly_set}
        )

    def _read(self, node: MemberExpr) -> None:
        self._use(node.name)
        if self._at is None or self._catching or self._deferred:
            return
        maybe, surely = self._at
        if node.name in maybe:
            if id(node) in self._reads:  # it was early in the first round of a loop
                self._reads[id(node)] = (node, False)
        elif node.name not in surely:
            self._reads.setdefault(id(node), (node, True))
            self._early += 1
            self._at = Point(maybe, surely | {node.name})

    def _call(self, node: CallExpr) -> None:
        called = node.callee.fullname if isinstance(node.callee, NameExpr) else ""
        if called in names.ATTRIBUTE_FUNCTIONS and len(node.args) > 1 and self._is_state(node.args[0]):
            name = node.args[1]
            if isinstance(name, StrExpr):
                self._checked_names.add(name.value)
                for argument in node.args[2:]:
                    self._visit(argument)
                if called == "builtins.setattr":
                    self._set(name.value)
            else:
                self._opaque = True
            return
        if called in _HARMLESS and node.args and self._is_state(node.args[0]):
            for argument in node.args[1:]:
                self._visit(argument)
            return
        self._visit(node.callee)
        for argument in node.args:
            self._visit(argument)

    def _is_state(self, node: Expression) -> bool:
        return isinstance(node, NameExpr) and node.node is self._state

    # mypy's visitors cannot be subclassed from interpreted code.
    visits: ClassVar[dict[type[Node], Callable[[FlowVisitor, Any], None]]] = {
        AssertStmt: _assert,
        AssignmentStmt: _assignment,
        AwaitExpr: _expression,
        Block: _block,
        BreakStmt: _break,
        BytesExpr: _nothing,
        CallExpr: _call,
        ComparisonExpr: _comparison,
        ConditionalExpr: _conditional,
        ContinueStmt: _continue,
        Decorator: _function,
        DelStmt: _del,
        DictionaryComprehension: _dict,
        ExpressionStmt: _expression,
        FloatExpr: _nothing,
        ForStmt: _loop,
        FuncDef: _function,
        GeneratorExpr: _generator,
        IfStmt: _if,
        IntExpr: _nothing,
        LambdaExpr: _function,
        ListComprehension: _list,
        MatchStmt: _match,
        MemberExpr: _member,
        NameExpr: _name,
        OpExpr: _operation,
        OperatorAssignmentStmt: _operator_assignment,
        OverloadedFuncDef: _function,
        PassStmt: _nothing,
        RaiseStmt: _end,
        ReturnStmt: _end,
        SetComprehension: _list,
        StrExpr: _nothing,
        TryStmt: _try,
        WhileStmt: _loop,
        WithStmt: _with,
    }


_VISITS: Final = FlowVisitor.visits


def _catches(type_: Expression) -> bool:
    """Whether a handler may catch the exception that a read of an unset variable raises."""
    if isinstance(type_, TupleExpr):
        return any(map(_catches, type_.items))
    return not (isinstance(type_, RefExpr) and isinstance(type_.node, TypeInfo)) or type_.fullname in _CATCHING


def _suppresses(manager: Expression) -> bool:
    return (
        isinstance(manager, CallExpr)
        and isinstance(manager.callee, RefExpr)
        and manager.callee.fullname == "contextlib.suppress"
        and any(map(_catches, manager.args))
    )
