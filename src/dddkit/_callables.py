"""The identity of a callable; what messages show for it, and for other objects."""

from __future__ import annotations

from functools import partial
from types import BuiltinMethodType, FunctionType, MethodType, MethodWrapperType
from typing import Any, Final

__all__ = ["are_same", "display_name", "function_takes", "key_of", "kind_of", "without_partials"]

_VARARGS: Final = 0x04  # inspect.CO_VARARGS


def key_of(function: object) -> tuple[int, object]:
    """Return a key that is equal for two references to the same callable, and for no others.

    Python creates a new bound method each time one is read, so methods are compared by their object and function. The
    key contains ids: compare it only while the callable is alive.
    """
    if isinstance(function, MethodType):
        return id(function.__self__), id(function.__func__)
    if isinstance(function, (BuiltinMethodType, MethodWrapperType)):
        return id(function.__self__), function.__name__
    return id(function), None


def are_same(one: object, other: object) -> bool:
    """Return whether both are the same callable; a bound method is the same each time it is read."""
    return key_of(one) == key_of(other)


def display_name(function: object) -> str:
    """Return the name for messages; for a lambda, or a function called `_`, with the line where it is defined."""
    function = without_partials(function)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    code = getattr(function, "__code__", None)
    if name.rpartition(".")[2] in {"_", "<lambda>"} and code is not None:
        name += f" ({function.__module__}, line {code.co_firstlineno})"
    return name


def kind_of(value: object) -> str:
    """Return what messages say about an object that is wrong where it is: never its repr, which may contain secrets."""
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    name = type(value).__qualname__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def without_partials(function: Any) -> Any:
    """Return the callable inside any number of `functools.partial`."""
    while isinstance(function, partial):
        function = function.func
    return function


def function_takes(function: FunctionType, given: int) -> bool:
    """Whether a function takes so many positional arguments; asks the code object, far cheaper than `inspect`."""
    code = function.__code__
    required = code.co_argcount - len(function.__defaults__ or ())
    optional_keywords = function.__kwdefaults__ or {}
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return (
        required <= given
        and (given <= code.co_argcount or bool(code.co_flags & _VARARGS))
        and all(keyword in optional_keywords for keyword in keywords)
    )
