"""Whether a class may declare compensations, as far as it shows before mypy has analysed it."""

from __future__ import annotations

from mypy.nodes import CallExpr, ClassDef, Decorator


def may_compensate(defn: ClassDef) -> bool:
    """Whether the body of a class may have a `@compensates`."""
    for statement in defn.defs.body:
        if isinstance(statement, Decorator):
            for expr in statement.original_decorators:
                if isinstance(expr, CallExpr):
                    return True
    return False
