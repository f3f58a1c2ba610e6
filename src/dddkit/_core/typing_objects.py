"""Typing objects given where a class is needed: recognised, described, with what to write instead."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeGuard, Union

from dddkit._callables import display_name

__all__ = ["described", "is_class", "is_typing_object", "replacement"]

_MODULES: Final = frozenset({"annotationlib", "typing", "typing_extensions"})
_ALIASES: Final = (types.GenericAlias, types.UnionType)
_FUNCTIONS: Final = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def is_class(value: object) -> TypeGuard[type]:
    """Return whether it is a class; Python 3.10 says of `list[int]` too that it is an instance of `type`."""
    return issubclass(type(value), type)


def is_typing_object(value: object) -> bool:
    """Return whether it is for type checkers, and the class of no event: `list[int]`, `A | B`, a NewType, Any, ...

    Most of them can be called, so they would pass for predicates and handlers.
    """
    if is_class(value):
        return value is Any or _is_typed_dict(value)
    if isinstance(value, types.FunctionType):
        return value.__module__ in _MODULES  # NamedTuple
    return isinstance(value, _ALIASES) or type(value).__module__ in _MODULES


def replacement(value: object) -> str:
    """Return what to write instead of a typing object."""
    if typing.get_origin(value) is Literal:
        return "a predicate"
    if is_class(value) and _is_typed_dict(value):
        return "dict, or a predicate"
    try:
        names = [found.__qualname__ for found in _event_classes(value)]
    except RecursionError:  # type A = A | int
        names = []
    if len(names) > 1:
        return f"handle({', '.join(names)})"
    return names[0] if names else "an event class"


def described(value: object) -> str:
    """Return what to call it in a message: a class or a function by its name, all else by its class.

    A repr could show secrets: the values of an event, of a Literal, of what an Annotated holds.
    """
    if is_class(value) or isinstance(value, _FUNCTIONS):
        return display_name(value)
    if isinstance(value, str) and value.replace(".", "_").isidentifier():
        return repr(value)  # the name of a class
    if not is_typing_object(value):
        return f"an instance of {type(value).__qualname__}"
    kind, name = type(value).__name__, getattr(value, "__name__", type(value).__name__)
    origin, arguments = typing.get_origin(value), typing.get_args(value)
    if origin is Annotated or origin is Literal:
        return "Annotated[...]" if origin is Annotated else "Literal[...]"
    if origin in (Union, types.UnionType):
        return " | ".join(map(_inside, arguments))
    if origin is not None and arguments:
        return f"{display_name(origin)}[{', '.join(map(_inside, arguments))}]"
    if kind == "TypeAliasType":
        return f"the type alias {name}"
    return f"the {kind} {name}" if kind in {"NewType", "ParamSpec", "TypeVar", "TypeVarTuple"} else name


def _inside(argument: object) -> str:
    if argument is None or argument is type(None):
        return "None"
    return described(argument) if is_class(argument) or is_typing_object(argument) else "..."


def _event_classes(value: object) -> list[type]:
    """Return the classes of the objects for which the typing object stands, as far as it tells."""
    if is_class(value):
        return [object] if value is Any else [value]
    if value is Any:  # before Python 3.11
        return [object]
    origin, arguments = typing.get_origin(value), typing.get_args(value)
    if origin is Annotated or origin is type:
        return _event_classes(arguments[0]) if arguments else [type]
    if origin in (Union, types.UnionType):
        return _all_classes(argument for argument in arguments if argument is not type(None))
    if origin is not None:
        return _event_classes(origin)
    for attribute in ("__supertype__", "__bound__", "__value__"):  # a NewType, a TypeVar, a `type` statement
        try:
            inner = getattr(value, attribute, None)
        except Exception:  # the statement names what is not there: it is evaluated now
            return []
        if inner not in (None, type(None)):  # what an unbound ParamSpec is bound to, from 3.13 on
            return _event_classes(inner)
    return []


def _all_classes(values: Iterable[object]) -> list[type]:
    found = [_event_classes(value) for value in values]
    return [each for classes in found for each in classes] if all(found) else []


def _is_typed_dict(value: type) -> bool:
    return type(value).__name__ == "_TypedDictMeta" and type(value).__module__ in _MODULES
