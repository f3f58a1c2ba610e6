"""The part of the walk through a step that is about expressions: reads, what decides whether they run, and calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from mypy.nodes import (
    ARG_STAR,
    AssignmentExpr,
    AwaitExpr,
    BytesExpr,
    CallExpr,
    ComparisonExpr,
    ConditionalExpr,
    Decorator,
    DictionaryComprehension,
    Expression,
    FloatExpr,
    FuncDef,
    GeneratorExpr,
    IndexExpr,
    IntExpr,
    LambdaExpr,
    ListComprehension,
    MemberExpr,
    NameExpr,
    Node,
    OpExpr,
    OverloadedFuncDef,
    PassStmt,
    RefExpr,
    SetComprehension,
    StarExpr,
    StrExpr,
    SymbolNode,
    Var,
)

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.stories.consumers import consumes, is_builtin, is_lazy
from dddkit_mypy.stories.flow import LOOSE, Flow, Point, Read, join

_HARMLESS: Final = ("builtins.isinstance", "builtins.type", "builtins.id")


class ExpressionVisitor:
    """Follow one parameter, the state, through the expressions of a function.

    The subclass adds the statements to `visits`.
    """

    def __init__(self, state: Var) -> None:
        self._state: Final = state
        self._opaque = False
        self._checked_names: Final[set[str]] = set()
        """The attributes that the body checks with `hasattr` and the like, or deletes: they are not reported."""
        self._sets: Final[dict[str, None]] = {}
        self._started: Final[set[str]] = set()
        """The attributes that some assignment sets without reading them."""
        self._changed: Final[dict[str, None]] = {}
        self._handed_on: Final[dict[str, None]] = {}
        self._used: Final[dict[str, None]] = {}
        self._reads: Final[dict[int, tuple[str, Read, bool]]] = {}
        """Each read that may be early, by the id of its node, and whether it still is."""
        self._newly_set: set[str] = set()
        """The attributes set since the current `try` statement began."""
        self._early = 0
        """How many early reads there have been."""
        self._catching = 0
        """How many statements around this point catch the exception that an early read raises."""
        self._deferred = 0
        """How many functions and generators around this point run at another time."""
        self._at: Point | None = Point(frozenset(), frozenset())
        """The current point; None in code that no path reaches."""
        self._asked: frozenset[str] = frozenset()
        """The attributes that the conditions around this point ask."""
        self._left: set[str] = set()
        """The attributes that the conditions before this point ask, which may have ended the run of the step."""
        self._seen: set[str] = set()
        """The attributes read in the current expression, also through other names."""
        self._updated: frozenset[str] = frozenset()
        """The attributes that the current assignment sets; while it does so, those of them that it has read."""
        self._derived: Final[dict[SymbolNode, set[str]]] = {}
        """The attributes that the value of a local variable was made from."""

    def flow(self) -> Flow:
        """Return what the walk has found."""
        reads: dict[str, list[Any]] = {}
        for name, read, is_early in self._reads.values():
            if is_early and name not in self._checked_names:
                others = reads.setdefault(name, [])
                if not any(other[1] == read.asked for other in others):
                    others.append(list(read))
        sets = list(self._sets)
        updates = [name for name in sets if name not in self._started]
        return Flow(self._opaque, reads, sets, updates, list(self._changed), list(self._handed_on), list(self._used))

    def _visit(self, node: Node) -> None:
        visit = self.visits.get(type(node))
        if visit is None:
            self._children(node)
        else:
            visit(self, node)

    def _nothing(self, node: Node) -> None:
        pass

    def _children(self, node: Node) -> None:
        for child in mypy_api.children(node):
            self._visit(child)

    # --- what decides whether something runs ------------------------------------------------------------------------

    def _asking(self, *nodes: Node) -> frozenset[str]:
        """Visit expressions; return the attributes that they read."""
        before, self._seen = self._seen, set()
        for node in nodes:
            self._visit(node)
        found = frozenset(self._seen)
        self._seen |= before
        return found

    def _visit_if(self, asked: Iterable[str], *nodes: Node) -> None:
        """Visit what runs under a condition that asks these attributes."""
        before, outer = self._at, self._asked
        self._asked |= frozenset(asked)
        for node in nodes:
            self._visit(node)
        self._asked = outer
        self._at = join(before, self._at)

    def _visit_deferred(self, nodes: Iterable[Node]) -> None:
        """Visit what runs at another time: it may set attributes, and its reads count for nothing."""
        before, left = self._at, self._left
        self._left = left.copy()
        self._deferred += 1
        for node in nodes:
            self._visit(node)
        self._deferred -= 1
        self._left = left
        self._at = before and before._replace(
            maybe=before.maybe | {name for name in self._sets if name in self._newly_set}
        )

    # --- names and attributes ---------------------------------------------------------------------------------------

    def _is_state(self, node: Expression) -> bool:
        return isinstance(node, NameExpr) and node.node is self._state

    def _member(self, node: MemberExpr) -> None:
        if self._is_state(node.expr):
            self._read(node)
        else:
            self._visit(node.expr)

    def _name(self, node: NameExpr) -> None:
        if node.node is self._state:
            self._opaque = True  # an argument, an alias, an operand: the plugin cannot follow it
        elif node.node in self._derived:
            self._seen |= self._derived[node.node]

    def _read(self, node: MemberExpr) -> None:
        name = node.name
        self._use(name)
        self._seen.add(name)
        if self._at is None or self._catching or self._deferred:
            return
        maybe, surely = self._at
        if name in maybe:
            if id(node) in self._reads:  # it was early in the first round of a loop
                self._reads[id(node)] = (*self._reads[id(node)][:2], False)
        elif name not in surely:
            if id(node) not in self._reads:
                location = [node.line, node.column, node.end_line or node.line, node.end_column or node.column]
                read = Read(location, sorted(self._asked | self._left), name in self._updated)
                self._reads[id(node)] = (name, read, True)
            self._early += 1
            self._at = Point(maybe, surely | {name})

    def _set(self, name: str) -> None:
        self._use(name)
        self._sets[name] = None
        if name not in self._updated:
            self._started.add(name)
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

    def _change(self, part: Expression) -> None:
        """Note that the object behind an expression may change: `state.a` or `x`, for `state.a.b[0].c` or `x.c`."""
        while True:
            if isinstance(part, MemberExpr):
                if self._is_state(part.expr):
                    self._changed[part.name] = None
                    return
                part = part.expr
            elif isinstance(part, IndexExpr):
                part = part.base
            elif isinstance(part, CallExpr):
                part = part.callee
            else:
                if isinstance(part, NameExpr) and part.node in self._derived:
                    self._hand_on(self._derived[part.node])
                return

    def _hand_on(self, attributes: Iterable[str]) -> None:
        self._handed_on.update(dict.fromkeys(attributes))

    def _derive(self, target: Expression, attributes: Iterable[str]) -> None:
        """Note that a variable is made from attributes."""
        found = {name.removeprefix(LOOSE) for name in attributes}
        for part in mypy_api.assigned_parts(target) if found else ():
            if isinstance(part, NameExpr) and part.node is not None:
                self._derived.setdefault(part.node, set()).update(found)

    # --- expressions ------------------------------------------------------------------------------------------------

    def _await(self, node: AwaitExpr) -> None:
        self._visit(node.expr)

    def _walrus(self, node: AssignmentExpr) -> None:
        self._derive(node.target, self._asking(node.value))

    def _operation(self, node: OpExpr) -> None:
        chain = [node]
        while node.op not in ("and", "or") and isinstance(node.left, OpExpr):  # a long sum would be a deep recursion
            node = node.left
            chain.append(node)
        asked = self._asking(chain[-1].left)
        for operation in reversed(chain):
            if operation.op in ("and", "or"):
                self._visit_if(asked, operation.right)
            else:
                self._visit(operation.right)

    def _comparison(self, node: ComparisonExpr) -> None:
        asked = self._asking(*node.operands[:2])
        if len(node.operands) > 2:
            self._visit_if(asked, *node.operands[2:])

    def _conditional(self, node: ConditionalExpr) -> None:
        outer = self._asked
        self._asked |= self._asking(node.cond)
        otherwise = self._at
        self._visit(node.if_expr)
        end, self._at = self._at, otherwise
        self._visit(node.else_expr)
        self._at = join(end, self._at)
        self._asked = outer

    def _list(self, node: ListComprehension | SetComprehension) -> None:
        self._comprehension(node.generator, [node.generator.left_expr])

    def _dict(self, node: DictionaryComprehension) -> None:
        self._comprehension(node, [part for part in (node.key, node.value) if part is not None])

    def _comprehension(self, node: GeneratorExpr | DictionaryComprehension, made: list[Expression]) -> None:
        before, outer = self._at, self._asked
        for number, sequence in enumerate(node.sequences):
            loose = self._iterated(sequence)
            if not number:
                before = self._at
            self._derive(node.indices[number], loose)
            self._asked |= loose
            for condition in node.condlists[number]:
                self._asked |= self._asking(condition)
        for part in made:
            self._visit(part)
        self._asked = outer
        self._at = join(before, self._at)

    def _iterated(self, sequence: Expression) -> frozenset[str]:
        """Visit what a loop runs through; return the attributes in it, which decide loosely what runs."""
        before, self._seen = self._seen, set()
        self._consume(sequence)
        found = frozenset(LOOSE + name for name in self._seen)
        self._seen |= before
        return found

    def _generator(self, node: GeneratorExpr) -> None:
        self._visit(node.sequences[0])
        self._visit_deferred(
            [*node.sequences[1:], *(part for parts in node.condlists for part in parts), node.left_expr]
        )

    def _function(self, node: FuncDef | Decorator | OverloadedFuncDef | LambdaExpr) -> None:
        self._visit_deferred(mypy_api.children(node))

    # --- calls ------------------------------------------------------------------------------------------------------

    def _call(self, node: CallExpr) -> None:
        callee = node.callee
        called = callee.fullname if isinstance(callee, RefExpr) else ""
        if called in names.ATTRIBUTE_FUNCTIONS and len(node.args) > 1 and self._is_state(node.args[0]):
            self._attribute_function(node, called)
        elif called in _HARMLESS and node.args and self._is_state(node.args[0]):
            for argument in node.args[1:]:
                self._visit(argument)
        elif consumes(callee):
            self._visit(callee)
            self._consume_all(node.args)
        else:
            self._visit(callee)
            outer, self._seen = self._seen, set()
            for argument, kind in zip(node.args, node.arg_kinds, strict=True):
                self._consume(argument) if kind == ARG_STAR else self._visit(argument)
            if not is_builtin(callee) or called in names.ATTRIBUTE_FUNCTIONS:
                self._hand_on(self._seen)
                self._change(callee.expr if isinstance(callee, MemberExpr) else callee)
            self._seen |= outer

    def _attribute_function(self, node: CallExpr, called: str) -> None:
        name = node.args[1]
        if not isinstance(name, StrExpr):
            self._opaque = True
            return
        self._checked_names.add(name.value)
        self._seen.add(name.value)
        for argument in node.args[2:]:
            self._visit(argument)
        if called == "builtins.setattr":
            self._set(name.value)

    def _consume_all(self, arguments: list[Expression]) -> None:
        """Visit the arguments of a call that runs the generators and functions among them before it returns."""
        asked = set[str]()
        functions = list[LambdaExpr]()
        for argument in arguments:
            if isinstance(argument, LambdaExpr):
                functions.append(argument)
            else:
                asked |= self._iterated(argument)
        for function in functions:
            self._visit_if(asked, function.expr())

    def _consume(self, node: Expression) -> None:
        """Visit an expression whose values are asked for at once."""
        if isinstance(node, StarExpr):
            node = node.expr
        if isinstance(node, GeneratorExpr):
            self._comprehension(node, [node.left_expr])
        elif isinstance(node, CallExpr) and is_lazy(node.callee):
            self._consume_all(node.args)
        else:
            self._visit(node)

    def _star(self, node: StarExpr) -> None:
        self._consume(node)

    # mypy's visitors cannot be subclassed from interpreted code.
    visits: ClassVar[dict[type[Node], Callable[[Any, Any], None]]] = {
        AssignmentExpr: _walrus,
        AwaitExpr: _await,
        BytesExpr: _nothing,
        CallExpr: _call,
        ComparisonExpr: _comparison,
        ConditionalExpr: _conditional,
        Decorator: _function,
        DictionaryComprehension: _dict,
        FloatExpr: _nothing,
        FuncDef: _function,
        GeneratorExpr: _generator,
        IntExpr: _nothing,
        LambdaExpr: _function,
        ListComprehension: _list,
        MemberExpr: _member,
        NameExpr: _name,
        OpExpr: _operation,
        OverloadedFuncDef: _function,
        PassStmt: _nothing,
        SetComprehension: _list,
        StarExpr: _star,
        StrExpr: _nothing,
    }
