"""The story that most tests run: a checkout of three steps, sync or async, that fails at a step of choice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from contextlib import suppress
from types import new_class
from typing import Any, Literal, TypeAlias

import pytest

from dddkit._awaitables import FINISHED
from dddkit.stories import I, Story

Mode: TypeAlias = Literal["sync", "async"]

both_modes = pytest.mark.parametrize("mode", ["sync", "async"])


class Declined(Exception):
    """The business error of these tests."""


class Notes:
    """A state that records the steps, and makes a step raise the error given for it."""

    def __init__(self, **errors: BaseException) -> None:
        self.log: list[str] = []
        self._errors = errors

    def take(self, step: str) -> None:
        self.log.append(step)
        if step in self._errors:
            raise self._errors[step]


def checkout(mode: Mode) -> type[Story]:
    """Return a new story class, so that the hooks of one test never reach another test."""
    if mode == "sync":

        class Checkout(Story):
            I.reserve
            I.charge
            I.ship

            def reserve(self, state: Notes) -> None:
                state.take("reserve")

            def charge(self, state: Notes) -> None:
                state.take("charge")

            def ship(self, state: Notes) -> None:
                state.take("ship")

        return Checkout

    class AsyncCheckout(Story):
        I.reserve
        I.charge
        I.ship

        async def reserve(self, state: Notes) -> None:
            await asyncio.sleep(0)
            state.take("reserve")

        async def charge(self, state: Notes) -> None:
            await asyncio.sleep(0)
            state.take("charge")

        def ship(self, state: Notes) -> None:
            state.take("ship")

    AsyncCheckout.__name__ = "Checkout"
    return AsyncCheckout


def finish(called: Awaitable[None]) -> None:
    """Await what calling a story returned, unless it is finished."""
    if called is FINISHED:
        return

    async def wait() -> None:
        await called

    asyncio.run(wait())


def perform(story: type[Story] | Story, state: Any) -> None:
    """Run a story, sync or async, to its end. Its error propagates."""
    finish((story() if isinstance(story, type) else story)(state))


def run_alone(story: type[Story], state: Any) -> None:
    """Run without an event loop, because a loop handles Ctrl-C itself."""
    called: Any = story()(state)
    if called is FINISHED:
        return
    with suppress(StopIteration):
        while True:
            called.send(None)


def listed(steps: Any, *names: str) -> None:
    """List steps dynamically, for mistakes that the plugin would report: `listed(I, "reserve")` in a class body."""
    for name in names:
        getattr(steps, name)


needs_threads = pytest.mark.skipif(sys.platform == "emscripten", reason="no threads in WebAssembly")


def derived(base: type[Story], **body: object) -> type[Story]:
    """Return a new child of a story class, with these attributes."""
    made: Any = new_class(base.__name__, (base,), exec_body=lambda namespace: namespace.update(body))
    story: type[Story] = made
    return story
