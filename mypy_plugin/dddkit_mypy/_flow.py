"""What a step does with the attributes of its state, in the order in which it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, NamedTuple

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
    Context,
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
from dddkit_mypy import _trees as trees


class Flow(NamedTuple):
    """A step, as far as its state goes. Made of what mypy's cache can hold."""

    opaque: bool
    """Whether more may happen to the state than can be seen."""
    reads: dict[str, list[int]]
    """The attributes read before the step can have set them, and where each is read first."""
    sets: list[str]
    """The attributes set, if only in some branch."""
    used: list[str]
    """All attributes that are read or set; one that is a property of the State runs code of its own."""


def flow_of(method: SymbolNode | None) -> Flow | None:
    """Follow the state through a method that this run has analysed; None where it is no plain step."""
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
    follower = _Follower(method.arguments[position].variable)
    follower.run(method.body)
    return follower.flow()


class _Point(NamedTuple):
    """What may have happened before a point of the step.

    A read of what is not set ends the run. So the paths on which a name is not set end at its first read, and what
    follows can be reached only by those on which it is.
    """

    set: frozenset[str]
    """The names that some path to here has set."""
    passed: frozenset[str]
    """The names that no path to here has left unset."""

    def joined(self, other: _Point | None) -> _Point:
        return self if other is None else _Point(self.set | other.set, self.passed & other.passed)


def _join(*points: _Point | None) -> _Point | None:
    """Where several paths meet; None is a path that never gets there."""
    found: _Point | None = None
    for point in points:
        if point is not None:
            found = point.joined(found)
    return found


class _Loop:
    """The ends of the rounds of a loop, and the ways out of it."""

    def __init__(self) -> None:
        self.continued: _Point | None = None
        self.broken: _Point | None = None


_DEEPEST: Final = 5
"""Loops in loops are followed to here: each is run through until nothing changes."""

_ASKING: Final = ("builtins.hasattr", "builtins.getattr", "builtins.setattr", "builtins.delattr")
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


class _Follower:
    """Follows one parameter through the body of a function."""

    def __init__(self, state: Var) -> None:
        self._state: Final = state
        self._opaque = False
        self._asked: Final[set[str]] = set()
        self._sets: Final[dict[str, None]] = {}
        self._used: Final[dict[str, None]] = {}
        self._reads: Final[dict[int, tuple[MemberExpr, bool]]] = {}
        self._loops: Final[list[_Loop]] = []
        self._gained: set[str] = set()
        self._early = 0
        self._caught = 0
        self._deferred = 0
        self._at: _Point | None = _Point(frozenset(), frozenset())

    def run(self, body: Block) -> None:
        self._block(body)

    def flow(self) -> Flow:
        reads: dict[str, list[int]] = {}
        for node, is_early in self._reads.values():
            if is_early and node.name not in self._asked and node.name not in reads:
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
        for manager, held in zip(node.expr, node.target, strict=True):
            self._visit(manager)
            self._opaque |= _suppresses(manager)
            if held is not None:
                self._assign(held)
        self._block(node.body)

    def _end(self, node: ReturnStmt | RaiseStmt) -> None:
        self._children(node)
        self._at = None

    def _break(self, _: BreakStmt) -> None:
        if self._loops:
            self._loops[-1].broken = _join(self._loops[-1].broken, self._at)
        self._at = None

    def _continue(self, _: ContinueStmt) -> None:
        if self._loops:
            self._loops[-1].continued = _join(self._loops[-1].continued, self._at)
        self._at = None

    def _if(self, node: IfStmt) -> None:
        ends: list[_Point | None] = []
        for condition, body in zip(node.expr, node.body, strict=True):
            self._visit(condition)
            otherwise = self._at
            self._block(body)
            ends.append(self._at)
            self._at = otherwise
        self._block(node.else_body)
        self._at = _join(self._at, *ends)

    def _loop(self, node: WhileStmt | ForStmt) -> None:
        if isinstance(node, ForStmt):
            self._visit(node.expr)
        if len(self._loops) == _DEEPEST:
            self._opaque = True
        start = self._at
        while True:
            loop, early = _Loop(), self._early
            self._at = start
            if isinstance(node, WhileStmt):
                self._visit(node.expr)
            over = self._at
            if isinstance(node, ForStmt):
                self._assign(node.index)
            self._loops.append(loop)
            self._block(node.body)
            self._loops.pop()
            again = _join(start, self._at, loop.continued)
            if again == start or self._opaque:
                break
            if early == self._early:  # another round could only take back what this one has found
                over = _join(over, again)
                loop.broken = loop.broken and _join(loop.broken, again)
                break
            start = again
        self._at = over
        self._block(node.else_body)
        self._at = _join(self._at, loop.broken)

    def _try(self, node: TryStmt) -> None:
        before, outer = self._at, self._gained
        self._gained = set()
        catches = any(type_ is None or _catches(type_) for type_ in node.types)
        self._caught += catches
        self._block(node.body)
        self._caught -= catches
        raised = before and before._replace(set=before.set | self._gained)
        self._block(node.else_body)
        ends = [self._at]
        for type_, var, handler in zip(node.types, node.vars, node.handlers, strict=True):
            self._at = raised
            for part in (type_, var):
                if part is not None:
                    self._visit(part)
            self._block(handler)
            ends.append(self._at)
        end = _join(*ends)
        if node.finally_body is not None:
            # It runs on every way out, and what it does then is done on the ordinary one too.
            self._at = before and before._replace(set=before.set | self._gained)
            self._block(node.finally_body)
            done = self._at
            if done is None or end is None:
                end = None
            else:
                end = _Point(end.set | done.set, end.passed | (done.passed - (before.passed if before else set())))
        self._gained |= outer
        self._at = end

    def _match(self, node: MatchStmt) -> None:
        self._visit(node.subject)
        ends: list[_Point | None] = []
        for pattern, guard, body in zip(node.patterns, node.guards, node.bodies, strict=True):
            self._maybe(pattern)
            otherwise = self._at
            if guard is not None:
                self._visit(guard)
                otherwise = _join(otherwise, self._at)
            self._block(body)
            ends.append(self._at)
            self._at = otherwise
        self._at = _join(self._at, *ends)

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
            self._asked.add(target.name)
        else:
            self._visit(target)

    def _set(self, name: str) -> None:
        self._use(name)
        self._sets[name] = None
        if self._at is None:
            return
        found, passed = self._at
        if self._deferred:  # when it runs, if it ever does, cannot be told
            found |= {name}
        elif name in passed:
            if name not in found:
                return  # no path leads here
        else:
            found, passed = found | {name}, passed | {name}
        self._at = _Point(found, passed)
        self._gained.add(name)

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
            self._opaque = True  # passed on, given another name, compared: out of sight

    def _expression(self, node: ExpressionStmt | AwaitExpr) -> None:
        self._visit(node.expr)

    def _operation(self, node: OpExpr) -> None:
        self._visit(node.left)
        if node.op in ("and", "or"):
            self._maybe(node.right)
        else:
            self._visit(node.right)

    def _comparison(self, node: ComparisonExpr) -> None:
        self._visit(node.operands[0])
        self._visit(node.operands[1])
        if len(node.operands) > 2:
            self._maybe(*node.operands[2:])

    def _conditional(self, node: ConditionalExpr) -> None:
        self._visit(node.cond)
        otherwise = self._at
        self._visit(node.if_expr)
        end, self._at = self._at, otherwise
        self._visit(node.else_expr)
        self._at = _join(end, self._at)

    def _assert(self, node: AssertStmt) -> None:
        self._visit(node.expr)
        if node.msg is not None:
            self._maybe(node.msg)

    def _list(self, node: ListComprehension | SetComprehension) -> None:
        self._comprehension(node.generator, [node.generator.left_expr])

    def _dict(self, node: DictionaryComprehension) -> None:
        self._comprehension(node, [part for part in (node.key, node.value) if part is not None])

    def _generator(self, node: GeneratorExpr) -> None:
        self._visit(node.sequences[0])
        self._later([*node.sequences[1:], *(part for parts in node.condlists for part in parts), node.left_expr])

    def _function(self, node: FuncDef | Decorator | OverloadedFuncDef | LambdaExpr) -> None:
        self._later(trees.children(node))

    def _nothing(self, node: Node) -> None:
        pass

    def _children(self, node: Node) -> None:
        for child in trees.children(node):
            self._visit(child)

    def _comprehension(self, node: GeneratorExpr | DictionaryComprehension, made: list[Expression]) -> None:
        self._visit(node.sequences[0])
        self._maybe(*node.sequences[1:], *(part for parts in node.condlists for part in parts), *made)

    def _maybe(self, *nodes: Node) -> None:
        """What runs under a condition."""
        before = self._at
        for node in nodes:
            self._visit(node)
        self._at = _join(before, self._at)

    def _later(self, nodes: Iterable[Node]) -> None:
        """What runs at another time: it may set names, and what it reads is nothing to go by."""
        before = self._at
        self._deferred += 1
        for node in nodes:
            self._visit(node)
        self._deferred -= 1
        self._at = before and before._replace(set=before.set | {name for name in self._sets if name in self._gained})

    def _read(self, node: MemberExpr) -> None:
        self._use(node.name)
        if self._at is None or self._caught or self._deferred:
            return
        found, passed = self._at
        if node.name in found:
            if id(node) in self._reads:  # in the first round of a loop, it was not
                self._reads[id(node)] = (node, False)
        elif node.name not in passed:
            self._reads.setdefault(id(node), (node, True))
            self._early += 1
            self._at = _Point(found, passed | {node.name})

    def _call(self, node: CallExpr) -> None:
        called = node.callee.fullname if isinstance(node.callee, NameExpr) else ""
        if called in _ASKING and len(node.args) > 1 and self._is_state(node.args[0]):
            name = node.args[1]
            if isinstance(name, StrExpr):
                self._asked.add(name.value)
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

    # A step is followed at every run of mypy, thousands of them in a big project: one look-up a node, no more.
    visits: ClassVar[dict[type[Node], Callable[[_Follower, Any], None]]] = {
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


_VISITS: Final = _Follower.visits


def _catches(type_: Expression) -> bool:
    """Whether a handler may catch what reading an unset variable raises."""
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


# --- noted for whoever derives from a class -----------------------------------------------------------------------


def flows_of(methods: Iterable[tuple[str, SymbolNode | None]]) -> dict[str, Any]:
    """Follow the state through those of some methods that may be steps; a note about them."""
    flows: dict[str, Any] = {}
    for name, method in methods:
        if not name.startswith("_"):
            flow = flow_of(method)
            if flow is not None:
                flows[name] = list(flow)
    return flows


def noted_flow(note: Any) -> Flow:
    """The flow of one method, out of a note made in this run or the one that has filled the cache."""
    return Flow(*note)


def without_places(flows: dict[str, Any]) -> str:
    """A note as a text, which changes when the note means something else to those who derive."""
    return repr([(name, opaque, sorted(reads), sets, used) for name, (opaque, reads, sets, used) in flows.items()])


def place_of(read: list[int]) -> Context:
    """Where a noted read stands."""
    place = Context()
    place.set_line(read[0], read[1], read[2], read[3])
    return place
