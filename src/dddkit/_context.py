"""Setting a context variable where a finalizer may set one too.

Before Python 3.12, the garbage collector may run inside `ContextVar.set` and `reset`. A finalizer that sets a variable
there frees what the first call works on, which is a crash; a copy of the context keeps it alive.
"""

from __future__ import annotations

from contextvars import ContextVar, Token, copy_context
from typing import TypeVar

__all__ = ["reset_variable", "set_variable"]

T = TypeVar("T")


def set_variable(variable: ContextVar[T], value: T) -> Token[T]:
    """Set the variable; return what `reset_variable` takes."""
    _kept = copy_context()
    return variable.set(value)


def reset_variable(variable: ContextVar[T], token: Token[T]) -> None:
    """Give the variable the value that it had before.

    Raises:
        ValueError: it was set in another context.
        RuntimeError: it was reset by this token before.
    """
    _kept = copy_context()
    variable.reset(token)
