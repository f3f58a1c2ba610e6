"""Coroutines that run the handlers of an event one after the other; the first error propagates.

A handler may return a future, and a future holds its error, which holds these frames: so they let go of it at the end
(see Dispatcher).
"""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from dddkit._awaitables import is_unfinished

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from typing import TypeAlias

    from dddkit._core.selectors import Handler

    Run: TypeAlias = Callable[[object], Coroutine[Any, Any, None]]

__all__ = ["await_rest", "runner"]


def runner(handlers: tuple[Handler, ...], name: str) -> Run:
    """Return a function whose coroutine runs the handlers; the warning where nobody awaits it shows the name."""

    async def run(event: object) -> None:
        try:
            for handler in handlers:
                if (result := handler(event)) is not None and (type(result) is CoroutineType or is_unfinished(result)):
                    await result
        finally:
            result = None

    run.__qualname__ = name
    return run


async def await_rest(started: Awaitable[Any], handler: Handler, handlers: Iterable[Handler], event: object) -> None:
    """Await what this handler has returned, then run those that follow it; each is there once."""
    result: Any = started
    try:
        await started
        rest = iter(handlers)
        for other in rest:
            if other is handler:
                break
        for other in rest:
            if (result := other(event)) is not None and is_unfinished(result):
                await result
    finally:
        del started
        result = None
