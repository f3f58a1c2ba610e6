"""Calls in the source, as a hook sees them."""

from __future__ import annotations

from collections.abc import Iterator

from mypy.checker import TypeChecker
from mypy.nodes import CallExpr, Context, MemberExpr
from mypy.types import ProperType, Type, UnionType, get_proper_type


def receiver_types(checker: TypeChecker, call: Context) -> Iterator[ProperType]:
    """Yield the types that the object may have whose method is called; a hook gets them one by one."""
    if isinstance(call, CallExpr) and isinstance(call.callee, MemberExpr):
        yield from union_items(checker.lookup_type_or_none(call.callee.expr))


def union_items(type_: Type | None) -> Iterator[ProperType]:
    """Yield the members of a union, at any depth; any other type itself, and nothing for None."""
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        for item in found.items:
            yield from union_items(item)
    elif found is not None:
        yield found
