"""What a changes handler handles and sets, read from its body and noted for the runs that have none."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from mypy.nodes import (
    ARG_POS,
    AssignmentStmt,
    Block,
    CallExpr,
    ClassDef,
    Decorator,
    EllipsisExpr,
    Expression,
    ExpressionStmt,
    ForStmt,
    FuncDef,
    IfStmt,
    ListExpr,
    MatchStmt,
    MemberExpr,
    NameExpr,
    Node,
    OpExpr,
    OverloadedFuncDef,
    RaiseStmt,
    RefExpr,
    ReturnStmt,
    StarExpr,
    StrExpr,
    TempNode,
    TryStmt,
    TupleExpr,
    TypeAlias,
    TypeInfo,
    WhileStmt,
    WithStmt,
)
from mypy.types import CallableType, Instance, TupleType, Type, UnionType, get_proper_type

from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy import _trees as trees
from dddkit_mypy._decorators import making_dataclasses, name_of

_HANDLE: Final = "handle_changes"
_SUPPLIERS: Final = ("__getattr__", "__getattribute__")


# --- the body of one class --------------------------------------------------------------------------------------


class Body(NamedTuple):
    """What the body of one class says."""

    registers: set[str]
    """The full names of the classes it registers a handler for."""
    sets: set[str]
    """The attributes it gives a value, and those that its methods give one."""
    has_default: bool
    """Whether it declares a `handle_changes` of its own."""
    handles_all: bool
    """Whether that does something with the events that nothing is registered for, or may do so."""
    is_open: bool
    """Whether it may register more than can be seen."""
    sets_more: bool
    """Whether it may set more than can be seen."""


def note(info: TypeInfo, place: mypy_api.Place) -> Iterator[TypeInfo]:
    """Note about a handler what only its body shows; the classes, beside its bases, that decide what is reported."""
    body = _read(info.defn)
    noted = body._asdict() | {"registers": sorted(body.registers), "sets": sorted(body.sets)}
    mypy_api.note(info, noted)
    mypy_api.mark(place.analyzer, info, mypy_api.NOTES, repr(noted))
    for parameter in parameters_of(info) or ():
        for used in mypy_api.classes_in(parameter):
            yield from used.mro
            for nested in _nested_in(used):
                yield from nested.info.mro


def _read(defn: ClassDef) -> Body:
    found = Body(set(), set(), has_default=False, handles_all=False, is_open=False, sets_more=False)
    for statement in _statements(defn.defs):
        if isinstance(statement, FuncDef):
            found = _read_method(found, statement)
            if statement.name == _HANDLE:
                found = found._replace(has_default=True, handles_all=True)
        elif isinstance(statement, Decorator):
            found = _read_method(found, statement.func)
            found = _read_decorators(found, statement)
        elif isinstance(statement, ClassDef):
            found.sets.add(statement.name)
        else:
            found = _read_statement(found, statement, decorated=bool(making_dataclasses(defn)))
    return found


def _statements(node: Node) -> Iterator[Node]:
    """The statements that run with the class statement, under an `if` too."""
    for child in trees.children(node):
        if isinstance(child, (Block, IfStmt, ForStmt, WhileStmt, WithStmt, TryStmt, MatchStmt)):
            yield from _statements(child)
        elif isinstance(child, OverloadedFuncDef):
            yield from trees.children(child)  # what mypy takes functions of one name for
        else:
            yield child


def _read_decorators(found: Body, method: Decorator) -> Body:
    if method.func.name == _HANDLE and not any(map(_is_register, map(_called, method.decorators))):
        dispatches = [name_of(decorator) for decorator in method.decorators] == [names.SINGLEDISPATCHMETHOD]
        return found._replace(has_default=True, handles_all=not (dispatches and _refuses(method.func)))
    for decorator in method.decorators:
        if _is_register(decorator):
            found = _register(found, _annotated(method.func))
        elif isinstance(decorator, CallExpr) and _is_register(decorator.callee):
            found = _register(found, _named(_first_argument(decorator)))
        elif _mentions(decorator):
            found = found._replace(is_open=True)
    return found


def _called(decorator: Expression) -> Expression:
    return decorator.callee if isinstance(decorator, CallExpr) else decorator


def _read_statement(found: Body, statement: Node, *, decorated: bool) -> Body:
    value: Node = statement
    if isinstance(statement, AssignmentStmt):
        for target in statement.lvalues:
            for name in _targets(target):
                if isinstance(name, NameExpr) and (decorated or not _is_bare(statement)):
                    found.sets.add(name.name)
                    if name.name == _HANDLE:
                        found = found._replace(has_default=True, handles_all=True)
        value = statement.rvalue
    elif isinstance(statement, ExpressionStmt):
        value = statement.expr
    if isinstance(value, CallExpr) and _is_register(value.callee) and len(value.args) > 1:
        return _register(found, _named(_first_argument(value)))
    return found._replace(is_open=True) if _mentions(value) else found


def _register(found: Body, classes: list[TypeInfo] | None) -> Body:
    for info in classes or ():
        found.registers.add(info.fullname)
    return found if classes is not None else found._replace(is_open=True)


def _is_register(expression: Node) -> bool:
    """Whether an expression is `handle_changes.register`, of this class or of a named one."""
    return isinstance(expression, MemberExpr) and expression.name == "register" and _is_handle(expression.expr)


def _is_handle(expression: Node) -> bool:
    return isinstance(expression, (NameExpr, MemberExpr)) and expression.name == _HANDLE


def _mentions(node: Node) -> bool:
    return any(_is_handle(inside) for inside in trees.walk(node))


def _first_argument(call: CallExpr) -> Expression | None:
    for name, kind, argument in zip(call.arg_names, call.arg_kinds, call.args, strict=True):
        if kind == ARG_POS or name == "cls":
            return argument
    return None


def _named(expression: Expression | None) -> list[TypeInfo] | None:
    """The classes that an expression stands for; None where it cannot be told."""
    if isinstance(expression, OpExpr) and expression.op == "|":
        left, right = _named(expression.left), _named(expression.right)
        return None if left is None or right is None else left + right
    node = expression.node if isinstance(expression, RefExpr) else None
    if isinstance(node, TypeInfo):
        return _real([node])
    return _in_type(node.target) if isinstance(node, TypeAlias) else None


def _annotated(method: FuncDef) -> list[TypeInfo] | None:
    """The classes that the first parameter of a method is annotated with; None where it cannot be told."""
    type_, first = method.type, 0 if method.is_static else 1
    if not isinstance(type_, CallableType) or len(type_.arg_types) <= first:
        return None
    return _in_type(type_.arg_types[first])


def _in_type(type_: Type) -> list[TypeInfo] | None:
    found = get_proper_type(type_)
    if isinstance(found, Instance):
        return _real([found.type])
    if isinstance(found, UnionType):
        parts = [_in_type(item) for item in found.items]
        return None if None in parts else [info for part in parts if part for info in part]
    return None


def _real(classes: list[TypeInfo]) -> list[TypeInfo] | None:
    """These classes; None where one has instances that do not derive from it."""
    for info in classes:
        meta = info.metaclass_type
        virtual = info.is_protocol or (meta is not None and meta.type.has_base("abc.ABCMeta"))
        if virtual and not info.has_base(names.RECORDABLE):
            return None
    return classes


def _refuses(default: FuncDef) -> bool:
    """Whether a method does nothing with its event: it always raises, or is not written at all."""
    body = default.body.body
    if body and isinstance(body[0], ExpressionStmt) and isinstance(body[0].expr, StrExpr):
        body = body[1:]
    if not body:
        return True
    if len(body) == 1 and isinstance(body[0], ExpressionStmt):
        return isinstance(body[0].expr, EllipsisExpr)
    return isinstance(body[-1], RaiseStmt) and not any(
        isinstance(node, ReturnStmt) for node in trees.walk(default.body)
    )


# --- what methods set -------------------------------------------------------------------------------------------


def _read_method(found: Body, method: FuncDef) -> Body:
    found.sets.add(method.name)
    if method.name in _SUPPLIERS:
        found = found._replace(sets_more=True)
    arguments = method.arguments
    if method.is_static or not arguments:
        return found
    reader = _Method(arguments[0].variable.name, found.sets)
    reader.read(method.body)
    return found._replace(
        is_open=found.is_open or _mentions_register(method.body), sets_more=found.sets_more or reader.hands_self_on
    )


def _mentions_register(node: Node) -> bool:
    return any(_is_register(inside) for inside in trees.walk(node))


class _Method:
    """Reads which attributes of `self` a method sets."""

    def __init__(self, self_name: str, sets: set[str]) -> None:
        self._self = self_name
        self._sets = sets
        self.hands_self_on = False
        """Whether somebody else may set more."""

    def read(self, node: Node) -> None:
        targets: list[Expression] = []
        if isinstance(node, AssignmentStmt) and not _is_bare(node):
            targets = list(node.lvalues)
        elif isinstance(node, ForStmt):
            targets = [node.index]
        elif isinstance(node, WithStmt):
            targets = [target for target in node.target if target is not None]
        for target in targets:
            for name in _targets(target):
                if isinstance(name, MemberExpr) and self._is_self(name.expr):
                    self._sets.add(name.name)
        if isinstance(node, MemberExpr) and self._is_self(node.expr):
            self.hands_self_on = self.hands_self_on or node.name in ("__dict__", "__setattr__", "__init__")
        elif self._is_self(node):
            self.hands_self_on = True
        else:
            for child in trees.children(node):
                self.read(child)

    def _is_self(self, node: Node) -> bool:
        return isinstance(node, NameExpr) and node.name == self._self


def _targets(target: Expression) -> Iterator[Expression]:
    if isinstance(target, (TupleExpr, ListExpr)):
        for item in target.items:
            yield from _targets(item)
    else:
        yield target.expr if isinstance(target, StarExpr) else target


def _is_bare(statement: AssignmentStmt) -> bool:
    """Whether a statement only declares what it names."""
    return isinstance(statement.rvalue, TempNode) and statement.rvalue.no_rhs


# --- one handler, with all that it inherits ---------------------------------------------------------------------


def parameters_of(info: TypeInfo) -> tuple[Type, Type] | None:
    """The aggregate and the result of a handler."""
    for base in info.mro:
        if base.fullname == names.CHANGES_HANDLER:
            own = mypy_api.seen_from(mypy_api.self_type(base), base, mypy_api.self_type(info))
            found = get_proper_type(own)
            if isinstance(found, Instance) and len(found.args) == 2:
                return found.args[0], found.args[1]
    return None


def is_for_others(info: TypeInfo) -> bool:
    """Whether a handler is a base for others: it says so itself, or leaves a method to them."""
    return bool(info.abstract_attributes) or any(base.type.fullname == "abc.ABC" for base in info.bases)


def missing_events(info: TypeInfo) -> list[Nested] | None:
    """The events that the aggregate of a handler declares and the handler does nothing with.

    None where it may handle more than can be seen.
    """
    parameters = parameters_of(info)
    if parameters is None or info.fallback_to_any:
        return None
    handled: set[str] = set()
    for base in own_classes(info):
        noted = mypy_api.notes_of(base)
        if not noted or noted["is_open"] or noted["handles_all"]:
            return None
        handled.update(noted["registers"])
        if noted["has_default"]:
            break
    aggregate = get_proper_type(parameters[0])
    aggregates = aggregate.items if isinstance(aggregate, UnionType) else [aggregate]
    return [
        event
        for item in map(get_proper_type, aggregates)
        if isinstance(item, Instance)
        for event in _recorded(item.type)
        if not any(base.fullname in handled for base in event.info.mro)
    ]


def default_of(info: TypeInfo) -> TypeInfo | None:
    """The class whose `handle_changes` a handler has."""
    return next((base for base in own_classes(info) if mypy_api.notes_of(base).get("has_default")), None)


def unset_names(info: TypeInfo, wanted: list[str]) -> list[str]:
    """Those of the names that neither the handler nor a base of it gives a value, as far as can be seen."""
    if info.fallback_to_any or mypy_api.has_own_metaclass(info):
        return []
    for base in info.mro:
        if base.fullname in (names.CHANGES_HANDLER, "builtins.object"):
            continue
        noted = mypy_api.notes_of(base)
        if noted.get("sets_more") or not base.names.keys().isdisjoint(_SUPPLIERS):
            return []
        given = noted.get("sets", base.names)  # a class that is no handler may give its attributes a value
        wanted = [name for name in wanted if name not in given]
    return wanted


def own_classes(info: TypeInfo) -> Iterator[TypeInfo]:
    """The classes of the MRO that are handlers of the user."""
    return (
        base for base in info.mro if base.has_base(names.CHANGES_HANDLER) and base.fullname != names.CHANGES_HANDLER
    )


class Nested(NamedTuple):
    """A class declared in the body of another one."""

    name: str
    """As one would write it where the other one is declared."""
    info: TypeInfo


def _nested_in(owner: TypeInfo) -> Iterator[Nested]:
    """The classes that the bodies of a class and its bases declare, however deep inside; none that is shadowed."""
    seen: set[str] = set()
    for base in owner.mro:
        if not base.module_name.startswith(_NOT_THE_USERS):
            yield from _nested_in_body(base, base.name, seen)
            seen.update(base.names)


_NOT_THE_USERS: Final = ("builtins", "dddkit.", "pydantic.", "typing")


def _nested_in_body(owner: TypeInfo, written: str, seen: Collection[str] = ()) -> Iterator[Nested]:
    for name, symbol in owner.names.items():
        node = symbol.node
        if isinstance(node, TypeInfo) and node.name == name and name not in seen:
            found = Nested(f"{written}.{name}", node)
            yield found
            if not node.has_base(names.RECORDING):  # another aggregate
                yield from _nested_in_body(node, found.name)


def _recorded(aggregate: TypeInfo) -> Iterator[Nested]:
    """The events that an aggregate declares and records: those that are no base of others."""
    events = [nested for nested in _nested_in(aggregate) if nested.info.has_base(names.RECORDABLE)]
    for event in events:
        is_base = any(other is not event and other.info.has_base(event.info.fullname) for other in events)
        if not is_base and not is_for_others(event.info):
            yield event


# --- the result -------------------------------------------------------------------------------------------------


def named_tuple_of(result: TypeInfo) -> TypeInfo | None:
    """The NamedTuple that a class is, or derives from; None where it is none."""
    return next((base for base in result.mro if base.is_named_tuple), None)


def class_of(type_: Instance | TupleType) -> TypeInfo:
    """The class of a type."""
    return type_.partial_fallback.type if isinstance(type_, TupleType) else type_.type


def required_fields(named_tuple: TypeInfo) -> list[str]:
    """The fields that have no default, in order."""
    symbol = named_tuple.names.get("__new__")
    made = symbol.node.type if symbol is not None and isinstance(symbol.node, FuncDef) else None
    if not isinstance(made, CallableType):
        return []
    return [name for name, kind in zip(made.arg_names[1:], made.arg_kinds[1:], strict=True) if name and kind == ARG_POS]
