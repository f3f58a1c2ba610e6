"""Hooks: sync and async, generators, classes, modules' functions, removed and nested."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from dddkit.stories import (
    I,
    StepExecutionInfo,
    Story,
    StoryExecutionContext,
    StoryHook,
    StoryState,
    inject_hooks,
)


class Go(Story):
    I.one
    I.two

    class State(StoryState):
        n: int = 0

    def one(self, state: State) -> None:
        state.n += 1

    async def two(self, state: State) -> None:
        await asyncio.sleep(0)
        state.n += 1


class GoSync(Story):
    I.one

    State = Go.State

    def one(self, state: Go.State) -> None:
        state.n += 10


@dataclass
class Recording:
    seen: list[str] = field(default_factory=list)

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.seen.append(f"before {step.step_name}")

    async def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.seen.append(f"after {step.step_name}")

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.seen.append(context.story_name)
        yield


class Timing:
    def __init__(self) -> None:
        self.steps = 0

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        try:
            yield
        finally:
            self.steps += 1


recording, timing = Recording(), Timing()
hooks: list[StoryHook] = [recording, timing]
with inject_hooks(Go, hooks):
    asyncio.run(Go()(Go.State()))
registration = inject_hooks(GoSync, [timing])
GoSync()(state := Go.State())
registration.remove()
GoSync()(state)
handle = GoSync.register_hook("after", lambda context, step: recording.seen.append("registered"))
GoSync()(state)
handle.remove()
assert recording.seen == ["Go", "before one", "after one", "before two", "after two", "registered"]
assert (timing.steps, state.n) == (3, 30)
