"""Where a diagnostic is reported."""

from __future__ import annotations

from typing import Any

from mypy.checker import TypeChecker
from mypy.errorcodes import ErrorCode
from mypy.nodes import ClassDef, Context, FuncDef


def head_of(context: Context) -> Context:
    """Return the location of the `class Checkout` or `def charge` of a definition; any other node as it is."""
    if isinstance(context, ClassDef):
        head = f"class {context.name}"
    elif isinstance(context, FuncDef):
        head = f"{'async ' if context.is_coroutine else ''}def {context.name}"
    else:
        return context
    location = Context(context.line, context.column)
    location.end_line, location.end_column = context.line, context.column + len(head)
    return location


def fail_at(checker: TypeChecker, message: str, context: Context, code: ErrorCode, is_filtered: bool) -> None:
    """Report a message, also where mypy is filtering its errors at the moment."""
    watchers: list[Any] = checker.msg.errors._watchers  # pyright: ignore[reportPrivateUsage]  # there is no other way
    innermost = watchers.pop() if is_filtered and watchers else None
    try:
        checker.fail(message, context, code=code)
    finally:
        if innermost is not None:
            watchers.append(innermost)
