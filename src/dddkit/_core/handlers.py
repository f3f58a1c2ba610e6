"""What the broker must know of a handler: whether it can be one, and whether its result has to be awaited."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from dddkit._awaitables import Finished, is_awaitable
from dddkit._callables import display_name, without_partials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias, TypeGuard

    Handler: TypeAlias = Callable[[Any], Any]  # of any event, with any result: both are the user's

__all__ = ["check_handler", "is_unfinished"]


def check_handler(handler: Handler) -> None:
    """Refuse what cannot be called with an event, or would not run when it is."""
    if not callable(handler):
        raise TypeError(f"a handler is called with the event, and {handler!r} cannot be called")
    for function in _functions(handler):
        is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        if is_generator and not _is_generator_coroutine(function):
            raise TypeError(f"{display_name(handler)} is a generator: called with an event, its body would not run")


def is_unfinished(result: object) -> TypeGuard[Awaitable[Any]]:
    """Whether a handler has returned something that has to be awaited."""
    return type(result) is not Finished and is_awaitable(result)


def _functions(handler: Handler) -> tuple[Handler, Handler]:
    """What may hold the handler's code: the function without its partials, and the `__call__` of an object."""
    function = without_partials(handler)
    call: Handler = type(function).__call__
    return function, without_partials(call)


def _is_generator_coroutine(function: Handler) -> bool:
    flags: object = getattr(getattr(function, "__code__", None), "co_flags", 0)
    return isinstance(flags, int) and bool(flags & inspect.CO_ITERABLE_COROUTINE)  # by `types.coroutine`
