"""What functions take and return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from mypy.maptype import map_instance_to_supertype
from mypy.nodes import ARG_POS, FuncDef, SymbolNode
from mypy.types import CallableType, Instance, NoneType, Type, get_proper_type


def takes_exactly(method: SymbolNode | None, argument: Type | None) -> bool:
    """Whether a node is an undecorated method whose one parameter beside `self` has this very type.

    This is the common case, and mypy never reports such a call; everything else is for `check_call`.
    """
    given = get_proper_type(argument)
    return isinstance(method, FuncDef) and isinstance(given, Instance) and _takes_instance(method, given)


def _takes_instance(method: FuncDef, given: Instance) -> bool:
    """Whether the one parameter of a method beside `self` has this very type."""
    type_ = method.type
    return (
        isinstance(type_, CallableType)
        and type_.arg_kinds == SELF_AND_ONE
        and isinstance(taken := get_proper_type(type_.arg_types[1]), Instance)
        and taken.type is given.type
        and isinstance(own := get_proper_type(type_.arg_types[0]), Instance)
        and own.type is method.info
        and not (taken.args or own.args or type_.variables)
        and not (method.is_static or method.is_class or method.is_property)
    )


SELF_AND_ONE: Final = [ARG_POS, ARG_POS]


def returns_nothing(function: FuncDef) -> bool:
    """Whether a function, called or awaited, certainly runs its body and returns None."""
    type_ = function.type
    if function.is_generator or not isinstance(type_, CallableType):
        return False
    returned = get_proper_type(type_.ret_type)
    if isinstance(returned, Instance) and function.is_coroutine and returned.type.fullname == "typing.Coroutine":
        returned = get_proper_type(returned.args[2])
        return isinstance(returned, NoneType)
    return isinstance(returned, NoneType) and not function.is_coroutine


def return_type_of(type_: Type | None) -> Type | None:
    """Return the return type of a function type; None for any other type, overloads included."""
    called = get_proper_type(type_)
    return called.ret_type if isinstance(called, CallableType) else None


def with_argument_type(function: CallableType, argument: Type) -> CallableType:
    """Return the same function type with this one argument type."""
    copy = cast(
        "Callable[..., CallableType]",
        function.copy_modified,  # pyright: ignore[reportUnknownMemberType]  # mypy leaves its parameters untyped
    )
    return copy(arg_types=[argument])


def awaited_type(type_: Instance) -> Type | None:
    """Return the result of awaiting an object; None where its class has no `Awaitable` among its bases."""
    for base in type_.type.mro:
        if base.fullname == "typing.Awaitable":
            return map_instance_to_supertype(type_, base).args[0]
    return None
