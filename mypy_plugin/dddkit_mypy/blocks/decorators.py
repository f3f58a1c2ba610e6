"""The names of decorators."""

from __future__ import annotations

from mypy.nodes import CallExpr, Expression, RefExpr

from dddkit_mypy import mypy_api


def name_of(decorator: Expression) -> str:
    """Return the full name of a decorator, called or not; empty where it has none."""
    called = decorator.callee if isinstance(decorator, CallExpr) else decorator
    return called.fullname if isinstance(called, RefExpr) else ""


def text_of(decorator: Expression) -> str:
    """Return a decorator as the source names it, without its arguments: `attrs.define` of `@attrs.define()`."""
    return mypy_api.name_in_source(decorator.callee if isinstance(decorator, CallExpr) else decorator)
