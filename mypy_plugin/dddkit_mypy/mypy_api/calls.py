"""Simulated calls: mypy checks an expression that is not in the source."""

from __future__ import annotations

from mypy.checker import TypeChecker
from mypy.nodes import ARG_POS, CallExpr, Context, Expression, MemberExpr, TempNode
from mypy.types import ProperType, Type, TypeVarType, UnionType, get_proper_type

from dddkit_mypy._record import Record


class CallError(Record):
    """An error that mypy would report if the expression were in the source."""

    message: str
    code: str


def check_call(
    checker: TypeChecker, receiver: Type, name: str, argument: Type, context: Context
) -> tuple[Type, list[CallError]]:
    """Check `receiver.name(argument)` as if it were at `context`; return its type, and the errors of mypy."""
    callee = MemberExpr(_node_of(receiver, context), name)
    call = CallExpr(callee, [_node_of(argument, context)], [ARG_POS], [None])
    for node in (callee, call):
        node.set_line(context)
    return _check(checker, call)


def check_call_of(
    checker: TypeChecker, callee: Type, arguments: list[Type], context: Context
) -> tuple[Type, list[CallError]]:
    """Check a call of an object of a type, with positional arguments, as `check_call` does."""
    given = [_node_of(argument, context) for argument in arguments]
    call = CallExpr(_node_of(callee, context), list(given), [ARG_POS] * len(given), [None] * len(given))
    call.set_line(context)
    return _check(checker, call)


def type_of_attribute(checker: TypeChecker, receiver: Type, name: str, context: Context) -> Type | None:
    """Return the type of `receiver.name` as mypy sees it at `context`; None where mypy reports an error."""
    member = MemberExpr(_node_of(receiver, context), name)
    member.set_line(context)
    found, errors = _check(checker, member)
    return None if errors else found


def value_of(type_: Type, context: Context) -> Expression:
    """Return an expression of a type, which is not in the source."""
    return _node_of(type_, context)


def type_in_context(checker: TypeChecker, expression: Expression, expected: Type | None) -> Type:
    """Return the type of an expression where `expected`, if any, is its context: `{}` may be a TypedDict there."""
    return _check(checker, expression, expected)[0]


def members_of_callee(checker: TypeChecker, call: CallExpr) -> list[ProperType]:
    """Return the types of a union of objects that is called here; none for anything but a union."""
    callee = call.callee
    if isinstance(callee, MemberExpr) and callee.name == "__call__":
        callee = callee.expr
    called = get_proper_type(checker.lookup_type_or_none(callee))
    if isinstance(called, TypeVarType):
        called = get_proper_type(called.upper_bound)
    return [get_proper_type(member) for member in called.items] if isinstance(called, UnionType) else []


def _node_of(type_: Type, context: Context) -> TempNode:
    return TempNode(type_, context=context)


def _check(checker: TypeChecker, expression: Expression, expected: Type | None = None) -> tuple[Type, list[CallError]]:
    options = checker.options
    before = options.raise_exceptions
    options.raise_exceptions = True  # the guard catches an internal error here
    try:
        # The frame keeps a call that never returns from making the rest of the module unreachable.
        with (
            checker.binder.frame_context(can_skip=True, fall_through=0),
            checker.msg.filter_errors(save_filtered_errors=True, filter_deprecated=True) as errors,
        ):
            found = checker.expr_checker.accept(expression, expected, allow_none_return=True)
    finally:
        options.raise_exceptions = before
    return found, [
        CallError(error.message, error.code.code if error.code is not None else "")
        for error in errors.filtered_errors()
        if error.severity == "error"
    ]
