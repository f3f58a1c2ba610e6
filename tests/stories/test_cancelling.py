"""Runs that are cancelled, closed, or interrupted."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dddkit.stories import I, StepExecutionInfo, StepStatus, Story, StoryExecutionContext, inject_hooks
from tests.stories.recording import AsyncRecorder, Recorder
from tests.stories.shop import Notes, checkout, perform


class Waiting(Story):
    I.wait

    async def wait(self, state: asyncio.Event) -> None:
        state.set()
        await asyncio.sleep(3600)


def new_waiting() -> type[Story]:
    class NewWaiting(Waiting):
        pass

    return NewWaiting


@dataclass
class Kept:
    """Stores the context of each run for the assertions."""

    contexts: list[StoryExecutionContext] = field(default_factory=list["StoryExecutionContext"])

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.contexts.append(context)
        yield

    def statuses(self) -> list[StepStatus]:
        [context] = self.contexts
        return [context.status, *[step.status for step in context.steps]]


def cancel(story: type[Story]) -> None:
    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.ensure_future(story()(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_s11_a_cancelled_step_is_cancelled_and_neither_failed_nor_completed() -> None:
    story, kept = new_waiting(), Kept()
    inject_hooks(story)
    inject_hooks(story, [kept])
    cancel(story)
    assert kept.statuses() == [StepStatus.CANCELLED] * 2
    assert isinstance(kept.contexts[0].steps[0].error, asyncio.CancelledError)
    assert str(kept.contexts[0]) == "NewWaiting:\n    ⊘I.wait"


def test_after_hooks_run_on_cancellation_and_error_hooks_do_not() -> None:
    log: list[str] = []
    story = new_waiting()
    inject_hooks(story, [Recorder("a", log), AsyncRecorder("b", log)])
    cancel(story)
    assert log == [
        "a enter story",
        "a enter wait",
        "a before wait",
        "b before wait",
        "a after wait",
        "b after wait",
        "a leave wait",
        "a leave story",
    ]


def test_a_cancelled_run_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    story = new_waiting()
    inject_hooks(story)
    with caplog.at_level(logging.DEBUG):
        cancel(story)
    records = [record for record in caplog.records if record.name == "dddkit.stories.story"]
    assert {record.levelno for record in records} == {logging.DEBUG}
    assert records[-1].getMessage() == "NewWaiting:\n    ⊘I.wait"


def test_ctrl_c_in_a_step_of_a_sync_story_cancels_it() -> None:
    log: list[str] = []
    story, kept = checkout("sync"), Kept()
    inject_hooks(story, [kept, Recorder("a", log)])
    with pytest.raises(KeyboardInterrupt):
        perform(story, Notes(charge=KeyboardInterrupt()))
    assert kept.statuses() == [
        StepStatus.CANCELLED,
        StepStatus.COMPLETED,
        StepStatus.CANCELLED,
        StepStatus.PENDING,
    ]
    assert "a after charge" in log
    assert "a error charge" not in log


def test_ctrl_c_in_an_around_story_hook_before_the_first_step_cancels_the_run() -> None:
    class Interrupting:
        def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
            raise KeyboardInterrupt
            yield

    story, kept = checkout("sync"), Kept()
    inject_hooks(story, [kept, Interrupting()])
    with pytest.raises(KeyboardInterrupt):
        perform(story, Notes())
    assert kept.statuses() == [StepStatus.CANCELLED, *[StepStatus.PENDING] * 3]


# Closed coroutines


class Sleepy:
    """An awaitable that waits once and needs no event loop."""

    def __await__(self) -> Generator[Any, Any, None]:
        yield


def closing(story: type[Story], context: contextvars.Context | None = None) -> None:
    """Start a run and close it while it waits."""
    coroutine: Any = story()(asyncio.Event())
    (context.run(coroutine.send, None) if context is not None else coroutine.send(None))
    coroutine.close()


class Dozing(Story):
    I.doze

    async def doze(self, state: object) -> None:
        await Sleepy()


def new_dozing(name: str = "NewDozing") -> type[Story]:
    class NewDozing(Dozing):
        pass

    NewDozing.__name__ = name
    return NewDozing


def test_a_closed_run_is_cancelled_and_its_hooks_get_to_their_end() -> None:
    log: list[str] = []
    story, kept = new_dozing(), Kept()
    inject_hooks(story, [kept, Recorder("a", log)])
    closing(story)
    assert kept.statuses() == [StepStatus.CANCELLED] * 2
    assert log[-3:] == ["a after doze", "a leave doze", "a leave story"]
    assert not [entry for entry in log if "error" in entry]


def test_a_run_closed_from_another_context_is_no_error() -> None:
    story, kept = new_dozing(), Kept()
    inject_hooks(story, [kept])
    closing(story, contextvars.copy_context())
    assert kept.statuses() == [StepStatus.CANCELLED] * 2


def test_a_run_that_was_closed_from_another_context_leaves_nothing_to_be_drawn_under() -> None:
    story, kept = new_dozing(), Kept()
    inject_hooks(story, [kept])
    context = contextvars.copy_context()
    closing(story, context)
    sale = checkout("sync")
    inject_hooks(sale)
    context.run(sale(), Notes())
    assert kept.contexts[0].steps[0].nested == []


def test_a_coroutine_closed_before_it_started_runs_no_hook() -> None:
    log: list[str] = []
    story = new_dozing()
    inject_hooks(story, [Recorder("a", log)])
    coroutine: Any = story()(None)
    coroutine.close()
    assert log == []


def test_an_async_hook_of_a_closed_run_runs_when_it_does_not_wait() -> None:
    log: list[str] = []

    async def note() -> None:
        log.append("after")

    story = new_dozing()
    story.register_hook("after", lambda context, step: note())
    closing(story)
    assert log == ["after"]


def test_an_async_hook_of_a_closed_run_that_waits_is_stopped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []

    async def wait(context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        log.append("started")
        try:
            await Sleepy()
        finally:
            log.append("closed")

    story = new_dozing()
    story.register_hook("after", wait)
    story.register_hook("after", lambda context, step: log.append("next"))
    closing(story)
    assert log == ["started", "closed", "next"]
    assert "wait could not wait: the coroutine of the run was closed" in caplog.text


@pytest.mark.parametrize("fails", [False, True], ids=["completed", "failed"])
def test_a_run_closed_while_a_hook_waits_ends_the_others_without_waiting(
    fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []

    def waiting(name: str) -> Callable[[StoryExecutionContext, StepExecutionInfo], Awaitable[None]]:
        async def wait(context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            log.append(name)
            await Sleepy()

        return wait

    class Quick(Story):
        I.go

        async def go(self, state: object) -> None:
            if fails:
                raise LookupError("go")

    kept = Kept()
    inject_hooks(Quick, [kept])
    Quick.register_hook("after", waiting("first"))
    Quick.register_hook("after", waiting("second"))
    closing(Quick)
    assert log == ["first", "second"]
    assert kept.statuses() == [StepStatus.CANCELLED, StepStatus.FAILED if fails else StepStatus.COMPLETED]
    assert "wait could not wait" in caplog.text


def test_a_run_cancelled_while_a_hook_waits_is_cancelled_and_the_others_run() -> None:
    log: list[str] = []

    class Quick(Story):
        I.go

        async def go(self, state: asyncio.Event) -> None: ...

    async def wait(context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        context.state.set()
        await asyncio.sleep(3600)

    kept = Kept()
    inject_hooks(Quick, [kept])
    Quick.register_hook("after", wait)
    inject_hooks(Quick, [AsyncRecorder("a", log)])
    cancel(Quick)
    assert log == ["a before go", "a after go"]
    assert kept.statuses() == [StepStatus.CANCELLED, StepStatus.COMPLETED]
