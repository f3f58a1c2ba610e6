"""What checkers say about `run_until` and `run_failing`. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_type

from dddkit.stories import I, Story, StoryState
from dddkit.testing import run_failing, run_until


class Press(Story):
    """Sync."""

    I.ink
    I.print

    class State(StoryState):
        copies: int

    def ink(self, state: State) -> None: ...
    def print(self, state: State) -> None: ...


@dataclass(frozen=True, slots=True)
class Bindery(Story):
    """Async, with a nested story."""

    I.press
    I.bind

    press: Press

    class State(Press.State):
        glue: str = "bone"

    async def bind(self, state: State) -> None: ...


class ByHand(Press):
    async def __call__(self, state: Press.State, /) -> None: ...


class AnAwaitable(Press):
    def __call__(self, state: Press.State, /) -> Awaitable[None]:
        raise NotImplementedError


byhand, awaitable = ByHand(), AnAwaitable()
press, bindery = Press(), Bindery(Press())
sheet, book = Press.State(copies=1), Bindery.State(copies=1)

run_until(press, sheet, "print")
run_failing(press, sheet, at="ink", error=TimeoutError())
run_until(press, book, "print")  # of a class that is derived from its State


async def main() -> None:
    await run_until(bindery, book, "press.print")
    await run_failing(bindery, book, at="bind", error=TimeoutError())
    run_until(bindery, book, "bind")  # type: ignore[unused-coroutine]  # only mypy's plugin knows that it is async
    run_failing(bindery, book, at="bind", error=TimeoutError())  # type: ignore[unused-coroutine]
    await run_until(press, sheet, "ink")  # type: ignore[misc]  # it runs, but there is nothing to await
    await run_until(byhand, sheet, "ink")
    await run_until(awaitable, sheet, "ink")


assert_type(run_until(press, sheet, "ink"), None)  # pyright: ignore[reportAssertTypeFailure]
assert_type(run_until(awaitable, sheet, "ink"), Awaitable[None])
assert_type(run_failing(awaitable, sheet, at="ink", error=TimeoutError()), Awaitable[None])
coroutine: Coroutine[Any, Any, None] = run_until(byhand, sheet, "ink")
coroutine = run_failing(byhand, sheet, at="ink", error=TimeoutError())
until: Coroutine[Any, Any, None] = run_until(bindery, book, "bind")
failing: Coroutine[Any, Any, None] = run_failing(bindery, book, at="bind", error=KeyboardInterrupt())

run_until(press, sheet)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
run_until(press, sheet, 1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
run_until(Press, sheet, "ink")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]  # a class
run_until(bindery, sheet, "bind")  # type: ignore[arg-type]  # only mypy's plugin knows the State
run_until(press, 1, "ink")  # type: ignore[arg-type]
run_failing(press, sheet, "ink", TimeoutError())  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # by keyword
run_failing(press, sheet, at="ink")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
run_failing(press, sheet, at="ink", error=TimeoutError)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


def any_story(story: Callable[[Press.State], Any]) -> None:
    run_until(story, sheet, "ink")
