"""Whether two callables are the same one, and the name to show for one."""

from __future__ import annotations

from functools import partial
from types import BuiltinMethodType, MethodType, MethodWrapperType
from typing import Any

__all__ = ["are_same", "display_name", "key_of", "without_partials"]


def key_of(function: object) -> tuple[int, object]:
    """Return what two callables have in common exactly if they are the same one.

    Python makes a bound method anew each time it is read, so methods count by their object and function. The key holds
    ids: compare it only while the callable lives.
    """
    if isinstance(function, MethodType):
        return id(function.__self__), id(function.__func__)
    if isinstance(function, (BuiltinMethodType, MethodWrapperType)):
        return id(function.__self__), function.__name__
    return id(function), None


def are_same(one: object, other: object) -> bool:
    return key_of(one) == key_of(other)


def display_name(function: object) -> str:
    """Return the name for messages, with its location where the name alone says nothing."""
    function = without_partials(function)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    code = getattr(function, "__code__", None)
    if name.rpartition(".")[2] in {"_", "<lambda>"} and code is not None:
        name += f" ({function.__module__}, line {code.co_firstlineno})"
    return name


def without_partials(function: Any) -> Any:
    while isinstance(function, partial):
        function = function.func
    return function
