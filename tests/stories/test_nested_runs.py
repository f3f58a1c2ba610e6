"""What a step keeps of the stories that run inside it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest

from dddkit.stories import I, StepExecutionInfo, StepStatus, Story, StoryExecutionContext, inject_hooks
from tests.stories.shop import Mode, both_modes, derived, perform

RUNS = 100


class Message:
    """A state that is gone as soon as nobody refers to it."""


class Handle(Story):
    I.work

    def work(self, state: Message) -> None: ...


class AsyncHandle(Handle):
    async def work(self, state: Message) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point
        await asyncio.sleep(0)


def handling(mode: Mode, error: BaseException | None = None) -> type[Story]:
    """Return a new story class that handles a message, or fails with the error."""
    if error is not None:

        def fail(self: object, state: Message) -> None:
            raise error

        async def fail_async(self: object, state: Message) -> None:
            raise error

        return derived(Handle, work=fail if mode == "sync" else fail_async)
    return derived(Handle if mode == "sync" else AsyncHandle)


class Step:
    """A hook that keeps the step of the consumer while it runs."""

    def __init__(self) -> None:
        self.context: StoryExecutionContext | None = None

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.context = context

    @property
    def step(self) -> StepExecutionInfo:
        assert self.context is not None
        return self.context.steps[0]


def consumer(mode: Mode, consume: Callable[[], Any]) -> tuple[type[Story], Step]:
    """Return a story whose only step consumes messages, and the hook that keeps its step."""

    class Consume(Story):
        I.consume

        def consume(self, state: object) -> None:
            consume()

    class AsyncConsume(Story):
        I.consume

        async def consume(self, state: object) -> None:
            await consume()

    story: type[Story] = Consume if mode == "sync" else AsyncConsume
    hook = Step()
    inject_hooks(story)
    inject_hooks(story, [hook])
    return story, hook


def consuming(mode: Mode, handle: type[Story], after_each: Callable[[Message], object]) -> Callable[[], Any]:
    """Return a function that runs a story for many messages, and then looks at each."""

    def consume() -> None:
        for _ in range(RUNS):
            message = Message()
            with contextlib.suppress(ValueError, KeyboardInterrupt):
                handle()(message)
            after_each(message)

    async def consume_async() -> None:
        for _ in range(RUNS):
            message = Message()
            with contextlib.suppress(ValueError, asyncio.CancelledError):
                await handle()(message)
            after_each(message)

    return consume if mode == "sync" else consume_async


@both_modes
@pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("are_read", [False, True])
def test_fr3_a_step_keeps_the_last_twenty_runs_inside_it_without_their_state(
    mode: Mode, outcome: str, are_read: bool
) -> None:
    errors: dict[str, BaseException] = {"failed": ValueError("no stock"), "cancelled": KeyboardInterrupt()}
    if mode == "async":
        errors["cancelled"] = asyncio.CancelledError()
    handle = handling(mode, errors.get(outcome))
    inject_hooks(handle)
    messages: list[ref[Message]] = []
    shown: list[int] = []

    def after_each(message: Message) -> None:
        messages.append(ref(message))
        if are_read:
            str(hook.context)
        shown.append(len(hook.step.nested))

    story, hook = consumer(mode, consuming(mode, handle, after_each))
    perform(story, None)
    assert shown == [*range(1, 20), *[20] * (RUNS - 19)]
    nested = hook.step.nested
    assert [run.state for run in nested] == [None] * 20
    assert {run.status.name.lower() for run in nested} == {outcome}
    assert {run.steps[0].status.name.lower() for run in nested} == {outcome}
    assert {run.story_name for run in nested} == {handle.__name__}
    if outcome == "completed":
        assert all(run.duration > 0 and run.steps[0].duration > 0 for run in nested)
        assert [message() for message in messages] == [None] * RUNS
    else:
        assert {run.steps[0].error for run in nested} == {errors[outcome]}


@both_modes
def test_fr3_the_states_of_runs_inside_a_step_are_freed_while_it_runs(mode: Mode) -> None:
    handle = handling(mode)
    inject_hooks(handle)
    last: list[ref[Message]] = []
    alive: list[bool] = []

    def after_each(message: Message) -> None:
        alive.extend(earlier() is not None for earlier in last[:-1])
        last[:] = [*last[-1:], ref(message)]

    story, _ = consumer(mode, consuming(mode, handle, after_each))
    gc.disable()
    try:
        perform(story, None)
    finally:
        gc.enable()
    assert alive == [False] * (RUNS - 2)


@both_modes
def test_fr3_the_tree_counts_the_runs_that_are_not_kept(mode: Mode) -> None:
    handle = handling(mode)
    inject_hooks(handle)
    story, hook = consumer(mode, consuming(mode, handle, lambda message: None))
    perform(story, None)
    head, count, *rest = str(hook.context).splitlines()[1:]
    assert re.fullmatch(r"    ✓I\.consume \[\d\.\d{3}s\]", head)
    assert count == "        … 80 more"
    assert rest[0] == f"        {handle.__name__}:"
    assert len(rest) == 40


def test_fr3_a_large_count_is_easy_to_read() -> None:
    def consume() -> None:
        for _ in range(1_234 + 20):
            handle()(Message())

    handle = handling("sync")
    inject_hooks(handle, [Step()])
    story, hook = consumer("sync", consume)
    perform(story, None)
    assert "… 1,234 more" in str(hook.context)


@both_modes
def test_fr3_without_hooks_nothing_is_kept(mode: Mode) -> None:
    story, hook = consumer(mode, consuming(mode, handling(mode), lambda message: None))
    perform(story, None)
    assert hook.step.nested == []
    assert len(str(hook.context).splitlines()) == 2


def test_fr3_every_run_under_way_is_shown_with_its_state() -> None:
    async def consume() -> None:
        messages = [Message() for _ in range(RUNS)]
        tasks = [asyncio.ensure_future(handle()(message)) for message in messages]
        await asyncio.sleep(0)
        under_way = hook.step.nested
        assert [run.state for run in under_way] == messages
        assert {run.status for run in under_way} == {StepStatus.RUNNING}
        await asyncio.gather(*tasks)
        assert [run.status for run in hook.step.nested] == [StepStatus.COMPLETED] * 20

    handle = handling("async")
    inject_hooks(handle)
    story, hook = consumer("async", consume)
    perform(story, None)


def test_fr3_a_run_that_goes_on_is_shown_before_those_that_started_later_and_have_ended() -> None:
    async def consume() -> None:
        wait = asyncio.Event()

        class Slow(Story):
            I.work

            async def work(self, state: object) -> None:
                await wait.wait()

        inject_hooks(Slow)
        task = asyncio.ensure_future(Slow()(None))
        await asyncio.sleep(0)
        for _ in range(RUNS):
            await handle()(Message())
        assert [run.story_name for run in hook.step.nested] == ["Slow"] + [handle.__name__] * 20
        assert "… 80 more" in str(hook.context)
        wait.set()
        await task
        assert [run.story_name for run in hook.step.nested] == ["Slow"] + [handle.__name__] * 19

    handle = handling("async")
    inject_hooks(handle)
    story, hook = consumer("async", consume)
    perform(story, None)


@both_modes
def test_fr3_the_list_of_nested_runs_belongs_to_the_caller(mode: Mode) -> None:
    handle = handling(mode)
    inject_hooks(handle)
    story, hook = consumer(mode, consuming(mode, handle, lambda message: hook.step.nested.clear()))
    perform(story, None)
    assert len(hook.step.nested) == 20
