"""Stories that are async because a compensation is, and those that stop being so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from dddkit.stories import FINISHED, I, Story, StoryState, compensates


class Failed(Exception):
    pass


class Base(Story):
    I.take
    I.fail

    class State(StoryState):
        log: list[str] = []

    def take(self, state: State) -> Awaitable[None] | None:
        state.log.append("take")
        return None

    @compensates("take")
    def give(self, state: State) -> Awaitable[None] | None:
        state.log.append("give")
        return None

    def fail(self, state: State) -> None:
        raise Failed


class Slow(Base):
    async def give(self, state: Base.State) -> None:
        await asyncio.sleep(0)
        state.log.append("give slowly")


class Replaced(Base):
    @compensates(Base.take)
    async def hand_over(self, state: Base.State) -> None:
        await asyncio.sleep(0)
        state.log.append("hand over")


class Finished(Base):
    async def take(self, state: Base.State) -> None:
        state.log.append("take")

    def give(self, state: Base.State) -> Awaitable[None]:
        state.log.append("give at once")
        return FINISHED


class Passed(Base):
    async def take(self, state: Base.State) -> None:
        state.log.append("take")

    @compensates("take")
    def pass_on(self, state: Base.State) -> Coroutine[Any, Any, None]:
        return self._pass(state)

    async def _pass(self, state: Base.State) -> None:
        state.log.append("passed on")


class Short(Slow):
    I.fail


async def run() -> list[str]:
    state = Base.State()
    for story in (Slow(), Replaced(), Finished(), Passed()):
        try:
            await story(state)
        except Failed:
            continue
    return state.log


def run_short() -> None:
    try:
        Short()(Base.State())
    except Failed:
        return
    raise AssertionError


done = asyncio.run(run())
assert done == ["take", "give slowly", "take", "hand over", "take", "give at once", "take", "passed on"], done
run_short()
