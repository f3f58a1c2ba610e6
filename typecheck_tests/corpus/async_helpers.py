"""Async generators, context managers and comprehensions inside steps; awaited and gathered work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from dddkit.stories import I, Story, StoryState, variable


@contextlib.asynccontextmanager
async def transaction(log: list[str]) -> AsyncIterator[list[str]]:
    log.append("begin")
    try:
        yield log
    except BaseException:
        log.append("rollback")
        raise
    else:
        log.append("commit")


async def pages(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        await asyncio.sleep(0)
        yield number


@dataclass(frozen=True)
class Crawl(Story):
    I.begin
    I.collect
    I.collect_more
    I.notify
    I.defer

    class State(StoryState):
        upto: int
        log: list[str] = []
        found: list[int] = variable()
        total: int = variable()

    notify: Callable[["Crawl.State"], Awaitable[None]]
    deferred: list[Coroutine[Any, Any, None]] = field(default_factory=list)

    async def begin(self, state: State) -> None:
        async with transaction(state.log) as log:
            log.append("work")
            state.found = []

    async def collect(self, state: State) -> None:
        async for number in pages(state.upto):
            state.found.append(number)
        state.found.extend([number async for number in pages(state.upto) if number])

    async def collect_more(self, state: State) -> None:
        results = await asyncio.gather(*(self._square(number) for number in state.found))
        state.total = sum(results)

    async def _square(self, number: int) -> int:
        return number * number

    def defer(self, state: State) -> None:
        self.deferred.append(self._later(state))

    async def _later(self, state: State) -> None:
        state.log.append(f"later {state.total}")


async def notify(state: Crawl.State) -> None:
    state.log.append(f"total {state.total}")


async def main() -> None:
    story = Crawl(notify)
    state = Crawl.State(upto=3)
    await story(state)
    for coroutine in story.deferred:
        await coroutine
    assert state.log == ["begin", "work", "commit", "total 10", "later 10"]
    first, second = Crawl.State(upto=1), Crawl.State(upto=2)
    tasks = [asyncio.create_task(story(one)) for one in (first, second)]
    await asyncio.wait_for(asyncio.gather(*tasks), timeout=5)
    for coroutine in story.deferred[1:]:
        coroutine.close()
    assert (first.total, second.total) == (0, 2)


asyncio.run(main())
