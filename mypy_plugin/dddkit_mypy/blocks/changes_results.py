"""The NamedTuple that a changes handler returns."""

from __future__ import annotations

from typing import Final

from mypy.nodes import ARG_POS, FuncDef, TypeInfo
from mypy.types import (
    CallableType,
    Instance,
    LiteralType,
    NoneType,
    TupleType,
    Type,
    TypeAliasType,
    UnionType,
    get_proper_type,
)


def named_tuple_of(result: TypeInfo) -> TypeInfo | None:
    """Return the NamedTuple that a class is, or derives from; None for any other class."""
    return next((base for base in result.mro if base.is_named_tuple), None)


def class_of(type_: Instance | TupleType) -> TypeInfo:
    """Return the class of a type."""
    return type_.partial_fallback.type if isinstance(type_, TupleType) else type_.type


def required_fields(named_tuple: TypeInfo) -> dict[str, Type]:
    """Return the fields that have no default, in order, with their types."""
    symbol = named_tuple.names.get("__new__")
    new = symbol.node.type if symbol is not None and isinstance(symbol.node, FuncDef) else None
    if not isinstance(new, CallableType):
        return {}
    fields = zip(new.arg_names[1:], new.arg_kinds[1:], new.arg_types[1:], strict=True)
    return {name: type_ for name, kind, type_ in fields if name and kind == ARG_POS}


def cannot_change(type_: Type) -> bool:
    """Whether a value of this type certainly stays as it is, so that all results may share one as their default."""
    if isinstance(type_, TypeAliasType) and type_.is_recursive:
        return False  # it has no end to look for
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        return all(map(cannot_change, found.items))
    if isinstance(found, LiteralType):
        return True
    if isinstance(found, TupleType):
        return not found.partial_fallback.type.is_named_tuple and all(map(cannot_change, found.items))
    if isinstance(found, Instance):
        return found.type.is_enum or (found.type.fullname in _CANNOT_CHANGE and all(map(cannot_change, found.args)))
    return isinstance(found, NoneType)


_CANNOT_CHANGE: Final = frozenset(
    {
        *(f"builtins.{name}" for name in ("int", "float", "complex", "bool", "str", "bytes", "tuple", "frozenset")),
        *(f"datetime.{name}" for name in ("date", "time", "datetime", "timedelta")),
        "decimal.Decimal",
        "_decimal.Decimal",
        "uuid.UUID",
    }
)


def empty_value(type_: Type) -> str | None:
    """Return the empty value of a type, as source; None for a type that has no obvious one."""
    found = get_proper_type(type_)
    if isinstance(found, UnionType):
        return "None" if any(isinstance(get_proper_type(item), NoneType) for item in found.items) else None
    if isinstance(found, NoneType):
        return "None"
    return _EMPTY_VALUES.get(found.type.fullname) if isinstance(found, Instance) else None


_EMPTY_VALUES: Final = {
    "builtins.bool": "False",
    "builtins.bytes": "b''",
    "builtins.dict": "{}",
    "builtins.float": "0.0",
    "builtins.frozenset": "frozenset()",
    "builtins.int": "0",
    "builtins.list": "[]",
    "builtins.set": "set()",
    "builtins.str": "''",
    "builtins.tuple": "()",  # of any length; another is no Instance
}
