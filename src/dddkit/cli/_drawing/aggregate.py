"""What is drawn of an aggregate: its events, which method records each, who handles them, what holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.events import recorded_events
from dddkit_mypy.blocks.identity import type_of_identity
from dddkit_mypy.mypy_api import union_items
from mypy.nodes import CallExpr, Decorator, FuncDef, MemberExpr, TypeInfo
from mypy.types import Instance

from dddkit.cli._drawing.analysis import Analysis
from dddkit.cli._drawing.repositories import Repository, repositories_in
from dddkit.cli._drawing.subscriptions import Handler, Subscription, subscriptions_in


@dataclass(frozen=True)
class Event:
    """An event of an aggregate."""

    info: TypeInfo
    name: str
    recorded_by: tuple[str, ...]
    """The methods of the aggregate that record it."""
    handlers: tuple[Handler, ...]


@dataclass(frozen=True)
class AggregateToDraw:
    """An aggregate with what is around it."""

    name: str
    identity: str
    """The type of its identity; empty where it is unknown."""
    events: tuple[Event, ...]
    repositories: tuple[Repository, ...]


def aggregates_to_draw(infos: Sequence[TypeInfo], analysis: Analysis) -> list[AggregateToDraw]:
    """Return what is drawn of aggregates, in this order."""
    if not infos:
        return []
    subscriptions, repositories = [*subscriptions_in(analysis)], repositories_in(analysis)
    return [
        AggregateToDraw(
            mypy_api.qualified_name(info),
            _identity(info, analysis),
            tuple(_events(info, analysis, subscriptions)),
            tuple(one for one in repositories if one.holds(info)),
        )
        for info in infos
    ]


def _identity(info: TypeInfo, analysis: Analysis) -> str:
    type_ = type_of_identity(info)
    return "" if type_ is None else analysis.text_of(type_)


def _events(info: TypeInfo, analysis: Analysis, subscriptions: Sequence[Subscription]) -> Iterator[Event]:
    recorded: dict[TypeInfo, dict[str, None]] = {}
    for base in reversed(info.mro):
        declared = [event.info for event in recorded_events(info) if _is_in(event.info, base)]
        for event in sorted(declared, key=lambda event: event.defn.line):
            recorded.setdefault(event, {})
    for method, event in _recording(info, analysis):
        recorded.setdefault(event, {})[method] = None
    for event, methods in recorded.items():
        handlers = dict.fromkeys(one.handler for one in subscriptions if one.covers(event))
        name = mypy_api.qualified_name(event)
        for base in info.mro:
            name = name.removeprefix(f"{mypy_api.qualified_name(base)}.")
        yield Event(event, name, tuple(methods), tuple(handlers))


def _is_in(event: TypeInfo, owner: TypeInfo) -> bool:
    return event.fullname.startswith(f"{owner.fullname}.")


def _recording(info: TypeInfo, analysis: Analysis) -> Iterator[tuple[str, TypeInfo]]:
    """Yield the methods of an aggregate that call `add_event`, each with the event that is given."""
    for base in reversed(info.mro):
        if base.module_name not in analysis.own:
            continue
        for name, symbol in base.names.items():
            node = symbol.node
            function = node.func if isinstance(node, Decorator) else node
            mine = info.get(name)
            if not isinstance(function, FuncDef) or mine is None or mine.node is not node:
                continue
            for call in mypy_api.walk(function.body):
                if isinstance(call, CallExpr) and isinstance(call.callee, MemberExpr):
                    if call.callee.name == "add_event" and call.args and _is_self(call.callee, info, analysis):
                        for event in union_items(analysis.type_of(call.args[0])):
                            if isinstance(event, Instance) and _is_event(event.type):
                                yield name, event.type


def _is_self(called: MemberExpr, info: TypeInfo, analysis: Analysis) -> bool:
    owner = analysis.type_of(called.expr)
    return isinstance(owner, Instance) and (info.has_base(owner.type.fullname) or owner.type.has_base(info.fullname))


def _is_event(info: TypeInfo) -> bool:
    return any(map(info.has_base, names.EVENTS)) and not mypy_api.is_ours(info)
