"""An event that a method makes and neither records nor returns has never happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mypy.nodes import (
    CallExpr,
    Expression,
    FuncDef,
    IndexExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    RefExpr,
    SymbolNode,
    TryStmt,
    TypeAlias,
    TypeInfo,
    Var,
    WithStmt,
)
from mypy.types import Instance, get_proper_type

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.blocks.events import has_constructor_by_hand
from dddkit_mypy.mypy_api import Options

CODE: Final = codes.DROPPED_EVENT


def check(ctx: ClassContext) -> None:
    """Report each event that a method of an aggregate or entity makes in a statement of its own."""
    for method in mypy_api.functions_in(ctx.info.defn.defs):
        own = None if method.is_static or not method.arguments else method.arguments[0].variable
        for call in _dropped_calls(method, ctx.api.options):
            made = _class_of(call.callee, ctx.info, own)
            if made is None:
                continue
            mypy_api.dependencies_of(ctx.api).add_types(made.mro, [])
            if any(made.has_base(base) for base in _EVENTS) and not has_constructor_by_hand(made):
                advice = _advice(ctx.info, method, made, mypy_api.name_in_source(call.callee) or made.name)
                ctx.report(f"{ctx.info.name}.{method.name} makes {made.name} and drops it; {advice}", call, CODE)


_EVENTS: Final = (names.RECORDABLE, names.DOMAIN_EVENT, names.DOMAIN_EVENT_MODEL)


def _dropped_calls(function: FuncDef, options: Options) -> Iterator[CallExpr]:
    """Yield the calls whose value nobody takes, in a function and those inside it that mypy checks."""
    if function.is_dynamic() and not options.check_untyped_defs:
        return
    for expression in mypy_api.dropped_by(function.body, (WithStmt, TryStmt)):  # these may expect an error
        if isinstance(expression, CallExpr):
            yield expression
    for inner in mypy_api.functions_in(function.body):
        yield from _dropped_calls(inner, options)


def _class_of(called: Expression, info: TypeInfo, own: Var | None) -> TypeInfo | None:
    """Return the class that a call makes an object of; `own` is `self`, or `cls`."""
    node = _node_of(called, info, own)
    if isinstance(node, TypeAlias):
        target = get_proper_type(node.target)
        return target.type if isinstance(target, Instance) else None
    return node if isinstance(node, TypeInfo) else None


def _node_of(expression: Expression, info: TypeInfo, own: Var | None) -> SymbolNode | None:
    if isinstance(expression, IndexExpr):  # `Changed[int]`
        return _node_of(expression.base, info, own)
    if isinstance(expression, NameExpr):
        return info if own is not None and expression.node is own else expression.node
    if isinstance(expression, CallExpr) and len(expression.args) == 1:  # `type(self)`
        called = expression.callee
        is_type = isinstance(called, RefExpr) and called.fullname == "builtins.type"
        return _node_of(expression.args[0], info, own) if is_type else None
    if not isinstance(expression, MemberExpr):
        return None
    owner = _node_of(expression.expr, info, own)
    if expression.name == "__class__":
        return owner
    if isinstance(owner, (TypeInfo, MypyFile)):
        symbol = owner.get(expression.name) if isinstance(owner, TypeInfo) else owner.names.get(expression.name)
        return None if symbol is None else symbol.node
    return expression.node


def _advice(info: TypeInfo, method: FuncDef, event: TypeInfo, called: str) -> str:
    if not event.has_base(names.RECORDABLE):
        return "publish it with an EventBroker"
    if not info.has_base(names.RECORDING):
        return "return it, so that the aggregate can record it with add_event"
    if method.is_static or method.is_class or not method.arguments:
        return f"record it with add_event({called}(...)) of the aggregate"
    return f"write {method.arguments[0].variable.name}.add_event({called}(...))"


RULE: Final = Rule(
    code=CODE,
    reason=(
        "Making an event does not record it: `add_event` does. One that is made in a statement of its own is gone, so "
        "no changes handler saves it and no broker publishes it, and no error says so. Silent inside `with` and `try`, "
        "where the call may be there for the error it raises, for events whose constructor is written by hand, and "
        "for what only a function or a class method makes."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.dataclasses import Aggregate, AggregateEvent


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class Added(AggregateEvent):
        sku: str

    def add(self, sku: str) -> None:
        self.Added(sku=sku)
""",
    good="""\
from dataclasses import dataclass

from dddkit.dataclasses import Aggregate, AggregateEvent


@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int

    @dataclass(frozen=True, kw_only=True)
    class Added(AggregateEvent):
        sku: str

    def add(self, sku: str) -> None:
        self.add_event(self.Added(sku=sku))
""",
    checks=(OnClass((names.IDENTIFIED,), check),),
)
