"""Hooks that record what happened to them, and fail where they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from dddkit.stories import StepExecutionInfo, StoryExecutionContext


class Recorder:
    """All five hooks; each notes its name, and raises what `errors` holds for it."""

    def __init__(self, name: str, log: list[str], **errors: BaseException) -> None:
        self.name = name
        self.log = log
        self.errors = errors

    def note(self, kind: str, step: StepExecutionInfo | None = None) -> None:
        self.log.append(f"{self.name} {kind}" + (f" {step.step_name}" if step is not None else ""))
        key = kind.replace(" ", "_")
        if key in self.errors:
            raise self.errors[key]

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.note("before", step)

    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.note("after", step)

    def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.note("error", step)

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.note("enter story")
        try:
            yield
        finally:
            self.note("leave story")

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        self.note("enter", step)
        try:
            yield
        finally:
            self.note("leave", step)


class AsyncRecorder:
    """The three that may be async, async; each waits a moment."""

    def __init__(self, name: str, log: list[str], **errors: BaseException) -> None:
        self._notes = Recorder(name, log, **errors)

    async def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        await asyncio.sleep(0)
        self._notes.note("before", step)

    async def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        await asyncio.sleep(0)
        self._notes.note("after", step)

    async def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        await asyncio.sleep(0)
        self._notes.note("error", step)
