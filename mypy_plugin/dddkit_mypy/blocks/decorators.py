"""The decorators of a class that may make it a dataclass."""

from __future__ import annotations

from typing import Final

from mypy.nodes import CallExpr, ClassDef, Expression, RefExpr

from dddkit_mypy import mypy_api

# Any other decorator may make a dataclass.
_MAKE_NO_DATACLASS: Final = frozenset(
    {
        "typing.final",
        "typing_extensions.final",
        "functools.total_ordering",
        "warnings.deprecated",
        "typing_extensions.deprecated",
    }
)


def making_dataclasses(defn: ClassDef) -> list[Expression]:
    """Return the decorators that may generate the constructor of the class."""
    return [decorator for decorator in defn.decorators if name_of(decorator) not in _MAKE_NO_DATACLASS]


def name_of(decorator: Expression) -> str:
    """Return the full name of a decorator, called or not; empty where it has none."""
    called = decorator.callee if isinstance(decorator, CallExpr) else decorator
    return called.fullname if isinstance(called, RefExpr) else ""


def text_of(decorator: Expression) -> str:
    """Return a decorator as the source names it, without its arguments: `attrs.define` of `@attrs.define()`."""
    return mypy_api.name_in_source(decorator.callee if isinstance(decorator, CallExpr) else decorator)
