"""What is a class, and what is only for type checkers."""

from __future__ import annotations

import types
from typing import Any, Final, TypeGuard

__all__ = ["is_class", "is_typed_dict", "is_typing_object"]

_MODULES: Final = frozenset({"annotationlib", "typing", "typing_extensions"})
_ALIASES: Final = (types.GenericAlias, types.UnionType)


def is_class(value: object) -> TypeGuard[type]:
    """Return whether it is a class; Python 3.10 says of `list[int]` too that it is an instance of `type`."""
    return issubclass(type(value), type)


def is_typing_object(value: object) -> bool:
    """Return whether it is for type checkers, and the class of no event: `list[int]`, `A | B`, a NewType, Any, ...

    Most of them can be called, so they would pass for predicates and handlers.
    """
    if is_class(value):
        return value is Any or is_typed_dict(value)
    if isinstance(value, types.FunctionType):
        return value.__module__ in _MODULES  # NamedTuple
    return isinstance(value, _ALIASES) or type(value).__module__ in _MODULES


def is_typed_dict(value: type) -> bool:
    """Return whether it is a TypedDict, whose objects are dicts."""
    return type(value).__name__ == "_TypedDictMeta" and type(value).__module__ in _MODULES
