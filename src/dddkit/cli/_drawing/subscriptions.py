"""Who handles which events, as far as the source of the project shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mypy.nodes import CallExpr, Decorator, Expression, LambdaExpr, MemberExpr, RefExpr, SymbolNode, TupleExpr, TypeInfo
from mypy.types import CallableType, Instance, Overloaded, ProperType, TupleType, Type, TypeType, get_proper_type

from dddkit.cli._drawing.analysis import Analysis
from dddkit.cli._drawing.usage import text_of
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.changes_handlers import own_classes


@dataclass(frozen=True)
class Handler:
    """What is called with events."""

    name: str
    module: str
    """The one that subscribes it."""
    identity: str
    """What tells it from others of this name: where it is defined."""


@dataclass(frozen=True)
class Subscription:
    """A handler, and the class of the events that it gets."""

    event: TypeInfo
    handler: Handler
    how: str
    """How the handler comes to be called, as the source says it: `broker.handle`."""
    is_exact: bool
    """Whether subclasses do not count."""

    def covers(self, event: TypeInfo) -> bool:
        """Whether the handler is called with events of a class that is this one or derives from it."""
        return event is self.event or not self.is_exact


def subscriptions_in(analysis: Analysis) -> Iterator[Subscription]:
    """Yield all subscriptions of a project, in the order of its source."""
    for module in sorted(analysis.own):
        calls = {id(call): handler for call, handler in _decorating(module, analysis)}
        for node in mypy_api.walk(analysis.own[module]):
            if isinstance(node, CallExpr):
                yield from _of_call(node, calls.get(id(node)), module, analysis)
    yield from _of_changes_handlers(analysis)


def _decorating(module: str, analysis: Analysis) -> Iterator[tuple[Expression, Handler]]:
    """Yield the calls that decorate functions, each with the function."""
    for node in mypy_api.walk(analysis.own[module]):
        if isinstance(node, Decorator):
            handler = Handler(node.func.name, module, _identity(node.func))
            yield from ((decorator, handler) for decorator in node.original_decorators)
        elif isinstance(node, CallExpr) and isinstance(node.callee, CallExpr) and node.args:
            yield node.callee, _handler(node.args[0], module, analysis)


def _of_call(call: CallExpr, decorated: Handler | None, module: str, analysis: Analysis) -> Iterator[Subscription]:
    callee = call.callee
    if not isinstance(callee, MemberExpr) or not call.args:
        return
    receiver = analysis.type_of(callee.expr)
    given = call.args
    handler = decorated
    is_exact = False
    if isinstance(receiver, Instance) and receiver.type.has_base(names.EVENT_BROKER):
        if callee.name == "subscribe" and len(call.args) > 1:
            given, handler = call.args[:1], _handler(call.args[1], module, analysis)
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
    how = f"{text_of(callee.expr) or '...'}.{callee.name}"
    for expression in given:
        for part in expression.items if isinstance(expression, TupleExpr) else [expression]:
            for event in _classes_in(part, analysis):
                yield Subscription(event, handler, how, is_exact)


def _is_unit(receiver: Type | None) -> bool:
    found = get_proper_type(receiver)
    made: ProperType | None = None
    if isinstance(found, (CallableType, Overloaded)) and found.is_type_obj():
        made = get_proper_type(mypy_api.made_by(found))
    elif isinstance(found, TypeType):
        made = found.item
    return isinstance(made, Instance) and made.type.has_base(names.UNIT)


def _classes_in(expression: Expression, analysis: Analysis) -> Iterator[TypeInfo]:
    """Yield the class that an expression stands for, or the classes in a variable that holds a tuple."""
    if isinstance(expression, RefExpr) and isinstance(expression.node, TypeInfo):
        yield expression.node
        return
    type_ = analysis.type_of(expression)
    for item in type_.items if isinstance(type_, TupleType) else filter(None, [type_]):
        made = get_proper_type(mypy_api.made_by(item))
        if isinstance(made, Instance):
            yield made.type


def _identity(function: SymbolNode) -> str:
    """Return what tells a function from others; several in a module may be called `_`."""
    found = function.func if isinstance(function, Decorator) else function
    return f"{found.fullname}:{found.line}"


def _handler(expression: Expression, module: str, analysis: Analysis) -> Handler:
    if isinstance(expression, CallExpr):
        called = expression.callee
        if isinstance(called, RefExpr) and called.fullname == "functools.partial" and expression.args:
            return _handler(expression.args[0], module, analysis)
    type_ = analysis.type_of(expression)
    definition = type_.definition if isinstance(type_, CallableType) else None
    if definition is not None and not isinstance(expression, CallExpr):
        identity = _identity(definition)
    elif isinstance(expression, RefExpr) and expression.fullname:
        identity = expression.fullname
    else:
        identity = f"{expression.line}:{expression.column}"
    name = "lambda" if isinstance(expression, LambdaExpr) else text_of(expression)
    return Handler(name or "...", module, identity)


def _of_changes_handlers(analysis: Analysis) -> Iterator[Subscription]:
    known: Mapping[str, TypeInfo] | None = None
    for info in analysis.classes():
        if not info.has_base(names.CHANGES_HANDLER) or mypy_api.is_abstract(info):
            continue
        registered = {name for base in own_classes(info) for name in mypy_api.metadata_of(base).get("registers", ())}
        if registered and known is None:
            known = {found.fullname: found for found in _all_classes(analysis)}
        handler = Handler(info.name, info.module_name, info.fullname)
        for name in sorted(registered):
            if known is not None and name in known:
                yield Subscription(known[name], handler, "ChangesHandler", is_exact=False)


def _all_classes(analysis: Analysis) -> Iterator[TypeInfo]:
    for name in analysis.files:
        yield from mypy_api.classes_in_module(analysis.files[name])
