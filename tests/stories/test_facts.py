"""The facts of one run, which the engine records and hooks read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from dddkit.stories import (
    ExecutionTimeTracker,
    I,
    LoggingHook,
    StatusTracker,
    StepExecutionInfo,
    StepStatus,
    Story,
    StoryExecutionContext,
    inject_hooks,
)
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform

PENDING, RUNNING, COMPLETED, FAILED, CANCELLED = StepStatus


@dataclass
class Kept:
    contexts: list[StoryExecutionContext] = field(default_factory=list["StoryExecutionContext"])

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.contexts.append(context)
        yield


def run_kept(mode: Mode, state: Notes) -> StoryExecutionContext:
    story, kept = checkout(mode), Kept()
    inject_hooks(story, [kept])
    with suppress(Declined):
        perform(story, state)
    [context] = kept.contexts
    return context


def test_a_status_is_a_glyph_and_a_word() -> None:
    assert [(status.value, str(status), f"{status}", status.name.lower()) for status in StepStatus] == [
        ("", "", "", "pending"),
        ("⟳", "⟳", "⟳", "running"),
        ("✓", "✓", "✓", "completed"),
        ("✗", "✗", "✗", "failed"),
        ("⊘", "⊘", "⊘", "cancelled"),
    ]


@both_modes
def test_a_completed_run(mode: Mode) -> None:
    state = Notes()
    context = run_kept(mode, state)

    assert context.state is state
    assert context.story_name == "Checkout"
    assert context.status is COMPLETED
    assert [(step.step_name, step.step_index, step.status, step.error) for step in context.steps] == [
        ("reserve", 0, COMPLETED, None),
        ("charge", 1, COMPLETED, None),
        ("ship", 2, COMPLETED, None),
    ]
    assert all(step.duration > 0 for step in context.steps)
    assert context.duration >= sum(step.duration for step in context.steps)
    assert repr(context) == "<run of Checkout completed>"
    assert repr(context.steps[0]) == "<step reserve completed>"


@both_modes
def test_s10_a_failed_run_keeps_the_very_exception(mode: Mode) -> None:
    error = Declined("card")
    context = run_kept(mode, Notes(charge=error))

    str(context)
    assert context.status is FAILED
    assert [step.status for step in context.steps] == [COMPLETED, FAILED, PENDING]
    assert context.steps[1].error is error
    assert context.steps[1].duration > 0
    assert context.steps[2].duration == 0.0
    assert context.duration > 0


def test_the_story_of_a_run_is_the_object_that_was_called() -> None:
    story, kept = checkout("sync"), Kept()
    inject_hooks(story, [kept])
    called = story()
    perform(called, Notes())
    assert kept.contexts[0].story is called


@both_modes
def test_facts_as_hooks_see_them(mode: Mode) -> None:
    seen: list[tuple[str, StepStatus, StepStatus, bool]] = []

    class Watching:
        def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
            seen.append(("story", context.status, context.steps[0].status, context.duration > 0))
            yield
            seen.append(("story", context.status, context.steps[0].status, context.duration > 0))

        def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            seen.append((step.step_name, context.status, step.status, step.duration > 0))

        def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            seen.append((step.step_name, context.status, step.status, step.duration > 0))

    story = checkout(mode)
    inject_hooks(story, [Watching()])
    perform(story, Notes())
    assert seen[:3] == [
        ("story", RUNNING, PENDING, False),
        ("reserve", RUNNING, RUNNING, False),
        ("reserve", RUNNING, COMPLETED, True),
    ]
    assert seen[-1] == ("story", COMPLETED, COMPLETED, True)


def test_the_duration_of_a_step_is_seconds_without_its_hooks() -> None:
    class Slow(Story):
        I.work

        def work(self, state: object) -> None:
            time.sleep(0.02)

    class Slower:
        def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            time.sleep(0.1)

        def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            time.sleep(0.1)

    kept = Kept()
    inject_hooks(Slow, [kept, Slower()])
    perform(Slow, None)
    [context] = kept.contexts
    assert 0.02 <= context.steps[0].duration < 0.1
    assert context.duration >= 0.22


def test_meta_belongs_to_one_step_of_one_run() -> None:
    class Marking:
        def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
            assert step.meta == {}
            step.meta["seen"] = step.step_index

    story, kept = checkout("sync"), Kept()
    inject_hooks(story, [Marking(), kept])
    perform(story, Notes())
    perform(story, Notes())
    assert [[step.meta for step in context.steps] for context in kept.contexts] == [
        [{"seen": 0}, {"seen": 1}, {"seen": 2}]
    ] * 2


def test_a_repeated_step_has_facts_of_its_own() -> None:
    class Knock(Story):
        I.knock
        I.knock

        def knock(self, state: list[str]) -> None:
            state.append("knock")
            if len(state) == 2:
                raise Declined

    kept = Kept()
    inject_hooks(Knock, [kept])
    with pytest.raises(Declined):
        perform(Knock, [])
    assert [(step.step_name, step.step_index, step.status) for step in kept.contexts[0].steps] == [
        ("knock", 0, COMPLETED),
        ("knock", 1, FAILED),
    ]


def test_a_failing_async_step_has_the_duration_of_what_it_awaited() -> None:
    class Slow(Story):
        I.work

        async def work(self, state: object) -> None:
            await asyncio.sleep(0.02)
            raise Declined

    kept = Kept()
    inject_hooks(Slow, [kept])
    with pytest.raises(Declined):
        perform(Slow, None)
    assert kept.contexts[0].steps[0].duration >= 0.019


def test_facts_are_fixed_where_they_cannot_change() -> None:
    context: Any = run_kept("sync", Notes())
    step = context.steps[0]
    for target in (context, step):
        with pytest.raises(AttributeError):
            target.unknown = 1
    with pytest.raises(TypeError):
        context.steps[0] = step


# Facts made by hand, to test a hook without running a story


class Pay(Story):
    I.authorize
    I.capture

    def authorize(self, state: object) -> None: ...
    def capture(self, state: object) -> None: ...


def test_a_step_made_by_hand_is_pending_at_position_0() -> None:
    step = StepExecutionInfo("capture")

    assert (step.step_name, step.step_index) == ("capture", 0)
    assert (step.status, step.duration, step.error, step.meta, step.nested) == (PENDING, 0.0, None, {}, [])
    assert str(step) == "    I.capture"


@pytest.mark.parametrize(
    ("error", "status"), [(None, PENDING), (ValueError("no"), FAILED), (KeyboardInterrupt(), CANCELLED)]
)
def test_the_error_of_a_step_made_by_hand_says_its_status(error: BaseException | None, status: StepStatus) -> None:
    step = StepExecutionInfo("capture", 1, error=error)

    assert (step.status, step.error) == (status, error)


@pytest.mark.parametrize("status", [COMPLETED, FAILED, CANCELLED])
def test_a_step_made_by_hand_that_has_ended_has_a_duration(status: StepStatus) -> None:
    step = StepExecutionInfo("capture", status=status, duration=2)

    assert (step.status, step.duration, type(step.duration), step.error) == (status, 2.0, float, None)


@pytest.mark.parametrize("status", [PENDING, RUNNING])
def test_a_step_that_has_not_ended_has_no_duration(status: StepStatus) -> None:
    with pytest.raises(ValueError, match=r"has no duration yet, not 0\.5 seconds"):
        StepExecutionInfo("capture", status=status, duration=0.5)


@pytest.mark.parametrize("status", [PENDING, RUNNING, COMPLETED])
def test_a_step_that_has_not_failed_has_no_error(status: StepStatus) -> None:
    with pytest.raises(ValueError, match="is failed or cancelled, not"):
        StepExecutionInfo("capture", status=status, error=KeyError("x"))


def test_a_run_made_by_hand_has_the_steps_that_its_story_lists() -> None:
    story = Pay()
    context = StoryExecutionContext(story, "state")

    assert (context.story, context.state, context.story_name) == (story, "state", "Pay")
    assert (context.status, context.duration) == (PENDING, 0.0)
    assert [(step.step_name, step.step_index, step.status) for step in context.steps] == [
        ("authorize", 0, PENDING),
        ("capture", 1, PENDING),
    ]
    assert str(context) == "Pay:\n    I.authorize\n    I.capture"


def test_a_run_made_by_hand_can_be_of_any_object_and_any_steps() -> None:
    steps = [StepExecutionInfo("bake", status=COMPLETED, duration=1.5)]
    context = StoryExecutionContext(object(), steps=steps, status=COMPLETED, duration=2.0)

    assert (context.steps, context.duration) == (tuple(steps), 2.0)
    assert str(context) == "object:\n    I.bake"


def test_the_default_hooks_render_and_log_a_run_made_by_hand(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("no")
    done = StepExecutionInfo("authorize", 0, status=COMPLETED, duration=0.25)
    failed = StepExecutionInfo("capture", 1, error=error)
    context = StoryExecutionContext(Pay(), steps=[done, failed], status=FAILED)

    for step in context.steps:
        StatusTracker().after(context, step)
        ExecutionTimeTracker().after(context, step)
    LoggingHook().error(context, failed)

    [record] = caplog.records
    assert record.getMessage() == "Pay:\n    ✓I.authorize [0.250s]\n    ✗I.capture"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_logging_needs_no_story_class(caplog: pytest.LogCaptureFixture) -> None:
    step = StepExecutionInfo("bake", error=ValueError("burnt"))
    LoggingHook().error(StoryExecutionContext(object(), steps=[step]), step)

    assert [record.getMessage() for record in caplog.records] == ["object:\n    I.bake"]


def test_logging_needs_no_step_that_the_story_lists(caplog: pytest.LogCaptureFixture) -> None:
    step = StepExecutionInfo("refund", 5, error=ValueError("no"))
    LoggingHook().error(StoryExecutionContext(Pay(), steps=[step]), step)

    assert [record.getMessage() for record in caplog.records] == ["Pay:\n    I.refund"]
