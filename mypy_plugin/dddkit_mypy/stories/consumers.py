"""Which calls run the generators and functions that they are given, before they return."""

from __future__ import annotations

from typing import Final

from mypy.nodes import Expression, MemberExpr, RefExpr, StrExpr

_CONSUMING: Final = frozenset(
    {
        *(
            f"builtins.{name}"
            for name in (
                *("all", "any", "bytearray", "bytes", "dict", "frozenset", "list", "max", "min", "next", "set"),
                *("sorted", "sum", "tuple"),
            )
        ),
        "functools.reduce",
        "math.fsum",
        "math.prod",
        "statistics.fmean",
        "statistics.mean",
        "collections.Counter",
        "collections.deque",
    }
)
_LAZY: Final = frozenset(f"builtins.{name}" for name in ("enumerate", "filter", "iter", "map", "reversed", "zip"))


def consumes(callee: Expression) -> bool:
    """Whether the call of a function takes all, or the first, of what its arguments yield: `sum`, `", ".join`."""
    if isinstance(callee, MemberExpr) and callee.name == "join" and isinstance(callee.expr, StrExpr):
        return True
    return isinstance(callee, RefExpr) and callee.fullname in _CONSUMING


def is_lazy(callee: Expression) -> bool:
    """Whether the call of a function runs its arguments when its own result is consumed: `map`, `zip`."""
    return isinstance(callee, RefExpr) and callee.fullname in _LAZY


def is_builtin(callee: Expression) -> bool:
    """Whether a function of the language is called, which changes nothing and raises nothing of its own accord."""
    return isinstance(callee, RefExpr) and callee.fullname.startswith("builtins.")
