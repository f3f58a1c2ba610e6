"""Whether a callable is async, the awaitable of work that is done, and what to do with an awaitable nobody awaits."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from functools import partial
from types import BuiltinFunctionType, CoroutineType, FunctionType, GeneratorType, MethodType, MethodWrapperType
from typing import TYPE_CHECKING, Any, Final, TypeGuard, final
from weakref import ref

__all__ = ["FINISHED", "Finished", "dispose", "is_async", "is_awaitable", "is_coroutine_function", "is_unfinished"]

# What `inspect` calls CO_COROUTINE and CO_ITERABLE_COROUTINE; importing it costs more than the rest of the kit.
_COROUTINE: Final = 0x80
_ITERABLE_COROUTINE: Final = 0x100


def is_async(call: object) -> bool:
    """Whether calling it gives an awaitable, as far as its definition tells.

    Async functions and methods, partials of them, objects with an async `__call__`, `AsyncMock`, and what
    `inspect.markcoroutinefunction` has marked. A function that merely returns an awaitable does not tell.
    An object whose class has an `__is_async__(call)` answers for itself, and for its bound `__call__`: a story does.
    """
    if type(call) is MethodType:  # a mock with a specification says that its class is this one
        answer = getattr(type(call.__self__), "__is_async__", None)
        if answer is not None and getattr(call.__func__, "__name__", None) == "__call__":
            return bool(answer(call.__self__, call.__func__))
        call = call.__func__
    if type(call) is FunctionType:
        return bool(call.__code__.co_flags & (_COROUTINE | _ITERABLE_COROUTINE)) or bool(
            getattr(call, "_is_coroutine_mark", None)
        )
    if isinstance(call, partial):
        return is_async(call.func)
    if isinstance(call, (BuiltinFunctionType, type)):
        return False
    if isinstance(call, MethodWrapperType):  # `method.__call__`
        return is_async(call.__self__) if call.__name__ == "__call__" else False
    own: object = getattr(type(call), "__call__", None)  # noqa: B004  # the function itself is wanted, not a yes or no
    answer = getattr(type(call), "__is_async__", None)
    if answer is not None:
        return bool(answer(call, own))
    if (type(own) in (FunctionType, partial) or hasattr(type(own), "__is_async__")) and is_async(own):
        return True
    if not isinstance(getattr(getattr(call, "__code__", None), "co_flags", 0), int):
        return False  # a mock of a function that is not async
    from inspect import iscoroutinefunction  # it knows all mocks and marks

    return iscoroutinefunction(call)


def is_coroutine_function(value: object) -> bool:
    """Whether it is an `async def` itself, so that calling it returns a coroutine in every case."""
    return isinstance(value, FunctionType) and bool(value.__code__.co_flags & _COROUTINE)


def is_awaitable(value: object) -> TypeGuard[Awaitable[Any]]:
    """Whether `await value` is possible; what `inspect.isawaitable` says, without importing it."""
    if isinstance(value, CoroutineType):
        return True
    if isinstance(value, GeneratorType):
        return bool(value.gi_code.co_flags & _ITERABLE_COROUTINE)
    return hasattr(type(value), "__await__")


def dispose(awaitable: Any) -> None:
    """Close a coroutine, or cancel a future, that nobody is going to await."""
    for way in ("close", "cancel"):
        end = getattr(awaitable, way, None)
        if callable(end):
            end()
            return


# A generator that has ended: awaiting it gives None at once, any number of times.
_ENDED: Final = (None for _ in "")
next(_ENDED, None)


@final
class Finished:
    """The work was sync and is done; awaiting it gives None at once.

    So `story(state)` has run when it returns if every step is sync, and `await story(state)` works as well. There is
    one object, FINISHED; it holds nothing.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __await__(self) -> Generator[Any, Any, None]: ...

    else:
        # `await` calls this and awaits the iterator that it returns. A Python function would take longer than three
        # steps of a story, and making an iterator as long as two; a weak reference returns the same one each time.
        __await__ = ref(_ENDED)

    def __repr__(self) -> str:
        return "FINISHED"

    def __reduce__(self) -> str:
        return "FINISHED"


FINISHED: Final = Finished()


def is_unfinished(result: object) -> TypeGuard[Awaitable[Any]]:
    """Whether what a callable has returned has to be awaited."""
    return type(result) is not Finished and is_awaitable(result)
