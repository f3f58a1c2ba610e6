"""A story as a callable among callables: partial, map, sorted keys, registries, threads, handlers."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from typing import Protocol

from dddkit.stories import I, Story, StoryState


class Task(StoryState):
    name: str
    done: list[str] = []


class Do(Story):
    I.do

    State = Task

    def do(self, state: Task) -> None:
        state.done.append(state.name)


class DoLater(Story):
    I.do

    class State(Task):
        pass

    async def do(self, state: State) -> None:
        await asyncio.sleep(0)
        state.done.append("later")


class Handler(Protocol):
    def __call__(self, task: Task, /) -> object: ...


@dataclass(frozen=True)
class All(Story):
    I.first
    I.second
    I.third

    State = Task
    first: Callable[[Task], None]
    second: Handler
    third: Callable[[Task], object] = Do()


registry: dict[str, Callable[[Task], None]] = {"do": Do(), "all": All(Do(), Do())}
handlers: list[Handler] = [Do(), str]
later: Callable[[DoLater.State], Awaitable[None]] = DoLater()


def call(function: Callable[[Task], None], task: Task) -> Task:
    function(task)
    return task


tasks = [Task(name=name) for name in "abc"]
assert len(list(map(Do(), tasks))) == 3
partial(Do(), tasks[0])()
registry["all"](tasks[1])
for handler in handlers:
    handler(tasks[2])
assert [len(task.done) for task in tasks] == [2, 4, 2]
reduce(lambda task, story: call(story, task), [Do(), Do()], tasks[0])
with ThreadPoolExecutor() as pool:
    list(pool.map(Do(), tasks))
    pool.submit(Do(), tasks[0]).result()
thread = threading.Thread(target=Do(), args=(tasks[0],))
thread.start()
thread.join()
bound = Do().__call__
bound(tasks[0])
assert len(tasks[0].done) == 8
one = DoLater.State(name="x")


async def wait() -> None:
    await later(one)
    await asyncio.gather(*map(DoLater(), [one, one]))


asyncio.run(wait())
assert one.done == ["later"] * 3
