"""The NamedTuple that a changes handler returns."""

from __future__ import annotations

from mypy.nodes import ARG_POS, FuncDef, TypeInfo
from mypy.types import CallableType, Instance, TupleType


def named_tuple_of(result: TypeInfo) -> TypeInfo | None:
    """Return the NamedTuple that a class is, or derives from; None for any other class."""
    return next((base for base in result.mro if base.is_named_tuple), None)


def class_of(type_: Instance | TupleType) -> TypeInfo:
    """Return the class of a type."""
    return type_.partial_fallback.type if isinstance(type_, TupleType) else type_.type


def required_fields(named_tuple: TypeInfo) -> list[str]:
    """Return the fields that have no default, in order."""
    symbol = named_tuple.names.get("__new__")
    new = symbol.node.type if symbol is not None and isinstance(symbol.node, FuncDef) else None
    if not isinstance(new, CallableType):
        return []
    return [name for name, kind in zip(new.arg_names[1:], new.arg_kinds[1:], strict=True) if name and kind == ARG_POS]
