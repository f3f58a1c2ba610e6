"""Who handles which events, as far as the source of the project shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mypy.nodes import CallExpr, Decorator, Expression, LambdaExpr, MemberExpr, Node, RefExpr, TupleExpr, TypeInfo
from mypy.types import CallableType, Instance, Overloaded, ProperType, Type, TypeType, get_proper_type

from dddkit.cli._drawing.analysis import Analysis
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.changes_handlers import own_classes
from dddkit_mypy.mypy_api import name_in_source


@dataclass(frozen=True)
class Handler:
    """What is called with events."""

    name: str
    how: str
    """How it came to be called, as the source says it: `broker.handle`."""
    module: str


@dataclass(frozen=True)
class Subscription:
    """A handler, and the class of the events that it gets."""

    event: TypeInfo
    handler: Handler
    is_exact: bool
    """Whether subclasses do not count."""

    def covers(self, event: TypeInfo) -> bool:
        """Whether the handler is called with such an event."""
        return event is self.event or (not self.is_exact and event.has_base(self.event.fullname))


def subscriptions_in(analysis: Analysis) -> Iterator[Subscription]:
    """Yield all subscriptions of a project, in the order of its source."""
    for module in sorted(analysis.own):
        calls = {id(call): name for call, name in _decorating(analysis.own[module])}
        for node in mypy_api.walk(analysis.own[module]):
            if isinstance(node, CallExpr):
                yield from _of_call(node, calls.get(id(node)), module, analysis)
    yield from _of_changes_handlers(analysis)


def _decorating(module: Node) -> Iterator[tuple[Expression, str]]:
    """Yield the calls that decorate functions, each with the name of the function."""
    for node in mypy_api.walk(module):
        if isinstance(node, Decorator):
            yield from ((decorator, node.func.name) for decorator in node.original_decorators)
        elif isinstance(node, CallExpr) and isinstance(node.callee, CallExpr) and node.args:
            yield node.callee, _text_of(node.args[0])


def _of_call(call: CallExpr, decorated: str | None, module: str, analysis: Analysis) -> Iterator[Subscription]:
    callee = call.callee
    if not isinstance(callee, MemberExpr) or not call.args:
        return
    receiver = analysis.type_of(callee.expr)
    given = call.args
    handler = decorated
    is_exact = False
    if isinstance(receiver, Instance) and receiver.type.has_base(names.EVENT_BROKER):
        if callee.name == "subscribe" and len(call.args) > 1:
            given, handler = call.args[:1], _text_of(call.args[1])
        elif callee.name not in ("handle", "instance"):
            return
    elif callee.name == "on" and _is_unit(receiver):
        pass
    elif callee.name == "on" and isinstance(receiver, Instance) and receiver.type.has_base(names.CONSUMER):
        is_exact = True
    else:
        return
    if handler is None:
        return
    how = f"{name_in_source(callee.expr).removeprefix('self.') or '...'}.{callee.name}"
    for expression in given:
        for part in expression.items if isinstance(expression, TupleExpr) else [expression]:
            event = _class_in(part, analysis)
            if event is not None:
                yield Subscription(event, Handler(handler, how, module), is_exact)


def _is_unit(receiver: Type | None) -> bool:
    found = get_proper_type(receiver)
    made: ProperType | None = None
    if isinstance(found, (CallableType, Overloaded)) and found.is_type_obj():
        made = get_proper_type(mypy_api.made_by(found))
    elif isinstance(found, TypeType):
        made = found.item
    return isinstance(made, Instance) and made.type.has_base(names.UNIT)


def _class_in(expression: Expression, analysis: Analysis) -> TypeInfo | None:
    """Return the class that an expression stands for."""
    if isinstance(expression, RefExpr) and isinstance(expression.node, TypeInfo):
        return expression.node
    type_ = analysis.type_of(expression)
    made = None if type_ is None else get_proper_type(mypy_api.made_by(type_))
    return made.type if isinstance(made, Instance) else None


def _text_of(handler: Expression) -> str:
    if isinstance(handler, LambdaExpr):
        return "lambda"
    if isinstance(handler, CallExpr):
        called = handler.callee
        if isinstance(called, RefExpr) and called.fullname == "functools.partial" and handler.args:
            return _text_of(handler.args[0])
        return f"{name_in_source(called) or '...'}()"
    return name_in_source(handler).removeprefix("self.") or "..."


def _of_changes_handlers(analysis: Analysis) -> Iterator[Subscription]:
    known: Mapping[str, TypeInfo] | None = None
    for info in analysis.classes():
        if not info.has_base(names.CHANGES_HANDLER) or mypy_api.is_abstract(info):
            continue
        registered = {name for base in own_classes(info) for name in mypy_api.metadata_of(base).get("registers", ())}
        if registered and known is None:
            known = {found.fullname: found for found in _all_classes(analysis)}
        handler = Handler(info.name, "ChangesHandler", info.module_name)
        for name in sorted(registered):
            if known is not None and name in known:
                yield Subscription(known[name], handler, is_exact=False)


def _all_classes(analysis: Analysis) -> Iterator[TypeInfo]:
    for name in analysis.files:
        yield from mypy_api.classes_in_module(analysis.files[name])
