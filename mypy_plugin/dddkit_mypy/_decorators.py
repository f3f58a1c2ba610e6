"""Which decorators of a class may make a dataclass of it."""

from __future__ import annotations

from typing import Final

from mypy.nodes import CallExpr, ClassDef, Expression, RefExpr

# Any other one may, for all we know.
_MAKE_NONE: Final = frozenset(
    {
        "typing.final",
        "typing_extensions.final",
        "functools.total_ordering",
        "warnings.deprecated",
        "typing_extensions.deprecated",
    }
)


def making_dataclasses(defn: ClassDef) -> list[Expression]:
    """The decorators that may write the constructor of the class."""
    return [decorator for decorator in defn.decorators if name_of(decorator) not in _MAKE_NONE]


def name_of(decorator: Expression) -> str:
    """The full name of what decorates, called or not; empty where it has none."""
    called = decorator.callee if isinstance(decorator, CallExpr) else decorator
    return called.fullname if isinstance(called, RefExpr) else ""
