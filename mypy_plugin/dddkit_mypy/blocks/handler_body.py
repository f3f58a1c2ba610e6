"""Which events the body of one changes handler registers, and which attributes its class sets."""

from __future__ import annotations

from collections.abc import Iterator
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
    MatchStmt,
    MemberExpr,
    NameExpr,
    Node,
    OpExpr,
    OverloadedFuncDef,
    RaiseStmt,
    RefExpr,
    ReturnStmt,
    StrExpr,
    TempNode,
    TryStmt,
    TypeAlias,
    TypeInfo,
    WhileStmt,
    WithStmt,
)
from mypy.types import CallableType, Instance, Type, UnionType, get_proper_type

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy.blocks.decorators import name_of

_HANDLE: Final = "handle_changes"


class Body(NamedTuple):
    """What the body of one class declares."""

    registers: dict[str, TypeInfo]
    """The classes it registers a handler for, by full name."""
    sets: set[str]
    """The attributes that the body or a method sets."""
    has_default: bool
    """Whether it declares a `handle_changes` of its own."""
    handles_all: bool
    """Whether that may handle the events that have no handler."""
    is_open: bool
    """Whether it may register more handlers than these."""
    sets_more: bool
    """Whether it may set more attributes than these."""


def read_body(defn: ClassDef) -> Body:
    """Read the body of a changes handler that mypy has analysed in this run."""
    makers = mypy_api.making_dataclasses(defn)
    is_changed = any(name_of(decorator).partition(".")[0] not in _OF_FIELDS for decorator in makers)
    found = Body({}, set(), has_default=False, handles_all=False, is_open=is_changed, sets_more=is_changed)
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
            found = _read_statement(found, statement, decorated=bool(makers))
    return found


_OF_FIELDS: Final = ("dataclasses", "attr", "attrs")
"""The packages whose decorators change nothing but the fields of a class."""


def _statements(node: Node) -> Iterator[Node]:
    """Yield the statements that run with the class statement, those under an `if` too."""
    for child in mypy_api.children(node):
        if isinstance(child, (Block, IfStmt, ForStmt, WhileStmt, WithStmt, TryStmt, MatchStmt)):
            yield from _statements(child)
        elif isinstance(child, OverloadedFuncDef):
            yield from mypy_api.children(child)  # mypy joins functions of one name
        else:
            yield child


def _read_decorators(found: Body, method: Decorator) -> Body:
    if method.func.name == _HANDLE and not any(map(_is_register, map(_called, method.decorators))):
        dispatches = [name_of(decorator) for decorator in method.decorators] == [names.SINGLEDISPATCHMETHOD]
        return found._replace(has_default=True, handles_all=not (dispatches and _handles_nothing(method.func)))
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
            for name in mypy_api.assigned_parts(target):
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
        found.registers[info.fullname] = info
    return found if classes is not None else found._replace(is_open=True)


def _is_register(expression: Node) -> bool:
    """Whether an expression is `handle_changes.register`, of this class or of a named one."""
    return isinstance(expression, MemberExpr) and expression.name == "register" and _is_handle(expression.expr)


def _is_handle(expression: Node) -> bool:
    return isinstance(expression, (NameExpr, MemberExpr)) and expression.name == _HANDLE


def _mentions(node: Node) -> bool:
    return any(_is_handle(inside) for inside in mypy_api.walk(node))


def _first_argument(call: CallExpr) -> Expression | None:
    for name, kind, argument in zip(call.arg_names, call.arg_kinds, call.args, strict=True):
        if kind == ARG_POS or name == "cls":
            return argument
    return None


def _named(expression: Expression | None) -> list[TypeInfo] | None:
    """Return the classes that an expression stands for; None where they are unknown."""
    if isinstance(expression, OpExpr) and expression.op == "|":
        left, right = _named(expression.left), _named(expression.right)
        return None if left is None or right is None else left + right
    node = expression.node if isinstance(expression, RefExpr) else None
    if isinstance(node, TypeInfo):
        return _without_virtual([node])
    return _in_type(node.target) if isinstance(node, TypeAlias) else None


def _annotated(method: FuncDef) -> list[TypeInfo] | None:
    """Return the classes in the annotation of the first parameter of a method; None where they are unknown."""
    type_, first = method.type, 0 if method.is_static else 1
    if not isinstance(type_, CallableType) or len(type_.arg_types) <= first:
        return None
    return _in_type(type_.arg_types[first])


def _in_type(type_: Type) -> list[TypeInfo] | None:
    found = get_proper_type(type_)
    if isinstance(found, Instance):
        return _without_virtual([found.type])
    if isinstance(found, UnionType):
        parts = [_in_type(item) for item in found.items]
        return None if None in parts else [info for part in parts if part for info in part]
    return None


def _without_virtual(classes: list[TypeInfo]) -> list[TypeInfo] | None:
    """Return these classes; None where one of them may have instances that do not derive from it."""
    for info in classes:
        meta = info.metaclass_type
        virtual = info.is_protocol or (meta is not None and meta.type.has_base("abc.ABCMeta"))
        if virtual and not info.has_base(names.RECORDABLE):
            return None
    return classes


def _handles_nothing(default: FuncDef) -> bool:
    """Whether a method does nothing with its event: it always raises, or its body is empty."""
    body = default.body.body
    if body and isinstance(body[0], ExpressionStmt) and isinstance(body[0].expr, StrExpr):
        body = body[1:]
    if not body:
        return True
    if len(body) == 1 and isinstance(body[0], ExpressionStmt):
        return isinstance(body[0].expr, EllipsisExpr)
    return isinstance(body[-1], RaiseStmt) and not any(
        isinstance(node, ReturnStmt) for node in mypy_api.walk(default.body)
    )


# --- what methods set -------------------------------------------------------------------------------------------


def _read_method(found: Body, method: FuncDef) -> Body:
    found.sets.add(method.name)
    if method.name in names.GETATTR_METHODS:
        found = found._replace(sets_more=True)
    arguments = method.arguments
    if method.is_static or not arguments:
        return found
    reader = _Method(arguments[0].variable.name, found.sets)
    reader.read(method.body)
    return found._replace(
        is_open=found.is_open or _mentions_register(method.body), sets_more=found.sets_more or reader.passes_self_on
    )


def _mentions_register(node: Node) -> bool:
    return any(_is_register(inside) for inside in mypy_api.walk(node))


class _Method:
    """The attributes of `self` that a method sets."""

    def __init__(self, self_name: str, sets: set[str]) -> None:
        self._self = self_name
        self._sets = sets
        self.passes_self_on = False
        """Whether other code may set more attributes."""

    def read(self, node: Node) -> None:
        """Add the attributes that a node and everything under it sets."""
        targets: list[Expression] = []
        if isinstance(node, AssignmentStmt) and not _is_bare(node):
            targets = list(node.lvalues)
        elif isinstance(node, ForStmt):
            targets = [node.index]
        elif isinstance(node, WithStmt):
            targets = [target for target in node.target if target is not None]
        for target in targets:
            for name in mypy_api.assigned_parts(target):
                if isinstance(name, MemberExpr) and self._is_self(name.expr):
                    self._sets.add(name.name)
        if isinstance(node, MemberExpr) and self._is_self(node.expr):
            self.passes_self_on = self.passes_self_on or node.name in ("__dict__", "__setattr__", "__init__")
        elif self._is_self(node):
            self.passes_self_on = True
        else:
            for child in mypy_api.children(node):
                self.read(child)

    def _is_self(self, node: Node) -> bool:
        return isinstance(node, NameExpr) and node.name == self._self


def _is_bare(statement: AssignmentStmt) -> bool:
    """Whether a statement is an annotation without a value."""
    return isinstance(statement.rvalue, TempNode) and statement.rvalue.no_rhs
