"""What the broker must know of a handler: can it be one, is it the same one, its name, is its result to be awaited."""

from __future__ import annotations

import inspect
from functools import partial
from types import BuiltinMethodType, MethodType, MethodWrapperType
from typing import TYPE_CHECKING, Any

from dddkit._colour import is_awaitable
from dddkit._finished import Finished

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias, TypeGuard

    Handler: TypeAlias = Callable[[Any], Any]  # of any event, with any result: both are the user's

__all__ = ["check_handler", "identity", "is_unfinished", "name_of"]


def check_handler(handler: Handler) -> None:
    """Refuse what cannot be called with an event, or would not run when it is."""
    if not callable(handler):
        raise TypeError(f"a handler is called with the event, and {handler!r} cannot be called")
    for function in _functions(handler):
        is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        if is_generator and not _is_generator_coroutine(function):
            raise TypeError(f"{name_of(handler)} is a generator: called with an event, its body would not run")


def identity(function: Handler) -> tuple[int, object]:
    """What makes two callables the same one: a method is made anew each time it is read from its object."""
    if isinstance(function, MethodType):
        return id(function.__self__), id(function.__func__)
    if isinstance(function, (BuiltinMethodType, MethodWrapperType)):
        return id(function.__self__), function.__name__
    return id(function), None


def is_unfinished(result: object) -> TypeGuard[Awaitable[Any]]:
    """Whether a handler has returned something that has to be awaited."""
    return type(result) is not Finished and is_awaitable(result)


def name_of(handler: Handler) -> str:
    """The name for messages; it says which one of those without a name."""
    function = _unwrapped(handler)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    if name.rpartition(".")[2] in {"_", "<lambda>"}:  # says nothing: where it stands does
        name += f" ({function.__module__}, line {function.__code__.co_firstlineno})"
    return name


def _unwrapped(handler: Handler) -> Handler:
    while isinstance(handler, partial):
        handler = handler.func
    return handler


def _functions(handler: Handler) -> tuple[Handler, Handler]:
    """What may hold the handler's code: the function without its partials, and the `__call__` of an object."""
    function = _unwrapped(handler)
    call: Handler = type(function).__call__
    return function, _unwrapped(call)


def _is_generator_coroutine(function: Handler) -> bool:
    flags: object = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return isinstance(flags, int) and bool(flags & inspect.CO_ITERABLE_COROUTINE)  # by `types.coroutine`
