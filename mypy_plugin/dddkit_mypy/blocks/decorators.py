"""The names of decorators."""

from __future__ import annotations

from mypy.nodes import CallExpr, Expression, RefExpr


def name_of(decorator: Expression) -> str:
    """Return the full name of a decorator, called or not; empty where it has none."""
    called = decorator.callee if isinstance(decorator, CallExpr) else decorator
    return called.fullname if isinstance(called, RefExpr) else ""
