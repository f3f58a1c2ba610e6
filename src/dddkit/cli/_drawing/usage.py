"""What a step reads and sets of the State, and where it passes the State on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mypy.nodes import (
    CallExpr,
    Decorator,
    Expression,
    FuncDef,
    MemberExpr,
    NameExpr,
    RefExpr,
    StrExpr,
    SuperExpr,
    TypeInfo,
    Var,
)
from typing_extensions import override

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.mypy_api import name_in_source
from dddkit_mypy.stories.flow_visitor import FlowVisitor

_ONLY_ASK = frozenset({"builtins.isinstance", "builtins.type", "builtins.id", *names.ATTRIBUTE_FUNCTIONS})


@dataclass(frozen=True)
class Usage:
    """How one method uses the State that it is given."""

    reads: tuple[str, ...] = ()
    """The attributes whose value it needs: those that it does not set itself before."""
    sets: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    """The methods of the State that it calls."""
    passed_on: tuple[str, ...] = ()
    """What is given the State as a whole, and may do anything with it."""


class _NeedsVisitor(FlowVisitor):
    """Also finds the reads of what only some paths to them have set."""

    def __init__(self, method: FuncDef, position: int, managers: set[TypeInfo]) -> None:
        super().__init__(method, position, managers)
        self.needed: Final[set[str]] = set()

    @override
    def _read(self, node: MemberExpr) -> None:
        if self._at is not None and not self._deferred and node.name not in self._at.surely:
            self.needed.add(node.name)
        super()._read(node)


def usage_of(node: FuncDef | Decorator, state: TypeInfo | None) -> Usage | None:
    """Return how a method uses its State; None where mypy has not read its body, or the State is no parameter."""
    function = node.func if isinstance(node, Decorator) else node
    position = 0 if function.is_static else 1
    arguments = getattr(function, "arguments", ())  # a function from the cache has none
    if len(arguments) <= position or not arguments[position].kind.is_positional():
        return None
    visitor = _NeedsVisitor(function, position, set())
    visitor.run(function.body)
    flow = visitor.flow()
    given = arguments[position].variable
    by_name = {*_read_by_name(function, given)}
    methods = {name for name in flow.used if state is not None and _is_method(state, name)}
    reads = [name for name in flow.used if name in visitor.needed or name in flow.reads or name not in flow.sets]
    passed_on = [*_passed_on(function, given)]
    return Usage(
        tuple(sorted({*reads, *by_name}.difference(methods))),
        tuple(sorted(flow.sets)),
        tuple(sorted(methods)),
        tuple(dict.fromkeys(passed_on)) or (("other code",) if flow.opaque else ()),
    )


def _is_method(state: TypeInfo, name: str) -> bool:
    symbol = state.get(name)
    node = None if symbol is None else symbol.node
    function = node.func if isinstance(node, Decorator) else node
    return isinstance(function, FuncDef) and not function.is_property


def _read_by_name(function: FuncDef, state: Var) -> Iterator[str]:
    """Yield the attributes that `getattr(state, "name")` reads."""
    for call in _calls(function):
        is_getattr = isinstance(call.callee, RefExpr) and call.callee.fullname == "builtins.getattr"
        if is_getattr and len(call.args) > 1 and _is_variable(call.args[0], state):
            name = call.args[1]
            if isinstance(name, StrExpr):
                yield name.value


def _passed_on(function: FuncDef, state: Var) -> Iterator[str]:
    """Yield what the State is an argument of, as the source calls it, without `self`."""
    for call in _calls(function):
        called = call.callee
        if isinstance(called, RefExpr) and called.fullname in _ONLY_ASK:
            continue
        if any(_is_variable(argument, state) for argument in call.args):
            yield text_of(called) or "other code"


def text_of(expression: Expression) -> str:
    """Return how the source names an object, without `self` and arguments; empty where it does not."""
    if isinstance(expression, SuperExpr):
        return f"super().{expression.name}"
    if isinstance(expression, CallExpr):
        called = text_of(expression.callee)
        return f"{called}()" if called else ""
    if isinstance(expression, MemberExpr) and not name_in_source(expression):
        owner = text_of(expression.expr)
        return f"{owner}.{expression.name}" if owner else expression.name
    return name_in_source(expression).removeprefix("self.")


def _calls(function: FuncDef) -> Iterator[CallExpr]:
    return (node for node in mypy_api.walk(function.body) if isinstance(node, CallExpr))


def _is_variable(expression: Expression, variable: Var) -> bool:
    return isinstance(expression, NameExpr) and expression.node is variable
