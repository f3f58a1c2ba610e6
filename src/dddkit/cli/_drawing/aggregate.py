"""What is drawn of an aggregate: its events, which method records each, who handles them, what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    Decorator,
    Expression,
    FuncDef,
    MemberExpr,
    NameExpr,
    OverloadedFuncDef,
    SuperExpr,
    SymbolNode,
    TypeInfo,
)
from mypy.types import Instance

from dddkit.cli._drawing.analysis import Analysis
from dddkit.cli._drawing.by_class import ByClass
from dddkit.cli._drawing.repositories import Repository
from dddkit.cli._drawing.subscriptions import Subscription
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.events import recorded_events
from dddkit_mypy.blocks.identity import type_of_identity
from dddkit_mypy.mypy_api import union_items


@dataclass(frozen=True)
class Event:
    """An event of an aggregate."""

    info: TypeInfo
    name: str
    recorded_by: tuple[str, ...]
    """The methods of the aggregate that record it."""
    subscriptions: tuple[Subscription, ...]


@dataclass(frozen=True)
class AggregateToDraw:
    """An aggregate with what is around it."""

    name: str
    identity: str
    """The type of its identity; empty where it is unknown."""
    events: tuple[Event, ...]
    repositories: tuple[Repository, ...]


@dataclass(frozen=True)
class Surroundings:
    """What a project has around its aggregates."""

    subscriptions: ByClass[Subscription]
    repositories: ByClass[Repository]


def aggregate_to_draw(info: TypeInfo, analysis: Analysis, around: Surroundings) -> AggregateToDraw:
    """Return what is drawn of an aggregate."""
    return AggregateToDraw(
        mypy_api.qualified_name(info),
        _identity(info, analysis),
        tuple(_events(info, analysis, around.subscriptions)),
        tuple(around.repositories.of(info)),
    )


def _identity(info: TypeInfo, analysis: Analysis) -> str:
    type_ = type_of_identity(info)
    return "" if type_ is None else analysis.text_of(type_)


def _events(info: TypeInfo, analysis: Analysis, subscriptions: ByClass[Subscription]) -> Iterator[Event]:
    recorded: dict[TypeInfo, dict[str, None]] = {}
    for base in reversed(info.mro):
        declared = [event.info for event in recorded_events(info) if _is_in(event.info, base)]
        is_read = base.module_name in analysis.own  # the cache keeps no lines
        for event in sorted(declared, key=lambda event: (event.defn.line if is_read else 0, event.name)):
            recorded.setdefault(event, {})
    for method, event in _recording(info, analysis):
        recorded.setdefault(event, {})[method] = None
    for event, methods in recorded.items():
        name = mypy_api.qualified_name(event)
        for base in info.mro:
            name = name.removeprefix(f"{mypy_api.qualified_name(base)}.")
        yield Event(event, name, tuple(methods), tuple(one for one in subscriptions.of(event) if one.covers(event)))


def _is_in(event: TypeInfo, owner: TypeInfo) -> bool:
    return event.fullname.startswith(f"{owner.fullname}.")


def _recording(info: TypeInfo, analysis: Analysis) -> Iterator[tuple[str, TypeInfo]]:
    """Yield the methods of an aggregate that call `add_event`, each with the event that is given."""
    for base in reversed(info.mro):
        for key, symbol in base.names.items() if base.module_name in analysis.own else ():
            name = mypy_api.name_in_body(key)
            mine = info.get(name)
            for function in _functions_of(symbol.node) if mine is not None and mine is base.names.get(name) else ():
                for event in _given_to_add_event(function, info, analysis):
                    yield name, event


def _functions_of(node: SymbolNode | None) -> Iterator[FuncDef]:
    """Yield what a method is made of: several functions, where it is overloaded, or a property with a setter."""
    if isinstance(node, OverloadedFuncDef):
        for part in dict.fromkeys([*node.items, node.impl]):
            yield from _functions_of(part)
    elif isinstance(node, Decorator):
        yield node.func
    elif isinstance(node, FuncDef):
        yield node


def _given_to_add_event(function: FuncDef, info: TypeInfo, analysis: Analysis) -> Iterator[TypeInfo]:
    nodes = [*mypy_api.walk(function.body)]
    variables = {
        target.node
        for node in nodes
        if isinstance(node, AssignmentStmt) and _is_add_event(node.rvalue, info, analysis)
        for target in node.lvalues
        if isinstance(target, NameExpr)
    }
    for call in nodes:
        if not isinstance(call, CallExpr) or not call.args:
            continue
        called = call.callee
        if _is_add_event(called, info, analysis) or (isinstance(called, NameExpr) and called.node in variables):
            for event in union_items(analysis.type_of(call.args[0])):
                if isinstance(event, Instance) and _is_event(event.type):
                    yield event.type


def _is_add_event(called: Expression, info: TypeInfo, analysis: Analysis) -> bool:
    if isinstance(called, SuperExpr):
        return called.name == "add_event"
    return isinstance(called, MemberExpr) and called.name == "add_event" and _is_self(called, info, analysis)


def _is_self(called: MemberExpr, info: TypeInfo, analysis: Analysis) -> bool:
    owner = analysis.type_of(called.expr)
    return isinstance(owner, Instance) and (info.has_base(owner.type.fullname) or owner.type.has_base(info.fullname))


def _is_event(info: TypeInfo) -> bool:
    return any(map(info.has_base, names.EVENTS)) and not mypy_api.is_ours(info)
