"""What a class may declare, as far as it shows before mypy has analysed it."""

from __future__ import annotations

from typing import Final

from mypy.nodes import AssignmentStmt, CallExpr, ClassDef, Decorator
from mypy.types import Type, UnboundType, UnionType, get_proper_type


def may_compensate(defn: ClassDef) -> bool:
    """Whether the body of a class may have a `@compensates`."""
    for statement in defn.defs.body:
        if isinstance(statement, Decorator):
            for expr in statement.original_decorators:
                if isinstance(expr, CallExpr):
                    return True
    return False


def may_hide_types(defn: ClassDef) -> bool:
    """Whether a field in the body of a class may have an annotation that mypy shortens: an alias, or `Annotated`."""
    for statement in defn.defs.body:
        if isinstance(statement, AssignmentStmt) and not _is_plain(statement.unanalyzed_type):
            return True
    return False


def _is_plain(written: Type | None) -> bool:
    if isinstance(written, UnboundType):
        return written.name in _PLAIN and all(map(_is_plain, written.args))
    found = get_proper_type(written)
    return found is None or (isinstance(found, UnionType) and all(map(_is_plain, found.items)))


_PLAIN: Final = frozenset(
    {
        *("int", "str", "bool", "float", "bytes", "list", "dict", "set", "frozenset", "tuple", "None", "Optional"),
        *("UUID", "Decimal", "datetime", "date", "timedelta"),
    }
)
"""Names that are as good as never those of aliases."""
