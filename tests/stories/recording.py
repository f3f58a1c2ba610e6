"""Hooks that record their calls and raise the errors they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from dddkit.stories import StepExecutionInfo, StoryExecutionContext


class Recorder:
    """All five hooks. Each records its name, and raises its error in `errors` if there is one."""

    def __init__(self, name: str, log: list[str], **errors: BaseException) -> None:
        self.name = name
        self.log = log
        self.errors = errors

    def record(self, kind: str, step: StepExecutionInfo | None = None) -> None:
        self.log.append(f"{self.name} {kind}" + (f" {step.step_name}" if step is not None else ""))
        key = kind.replace(" ", "_")
        if key in self.errors:
            raise self.errors[key]

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.record("before", step)

    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.record("after", step)

    def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.record("error", step)

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.record("enter story")
        try:
            yield
        finally:
            self.record("leave story")

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        self.record("enter", step)
        try:
            yield
        finally:
            self.record("leave", step)


class AsyncRecorder:
    """The three hooks that may be async, as async methods that yield to the loop once."""

    def __init__(self, name: str, log: list[str], **errors: BaseException) -> None:
        self._recorder = Recorder(name, log, **errors)

    async def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        await asyncio.sleep(0)
        self._recorder.record("before", step)

    async def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        await asyncio.sleep(0)
        self._recorder.record("after", step)

    async def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        await asyncio.sleep(0)
        self._recorder.record("error", step)
