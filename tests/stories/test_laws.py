"""Laws that hold for stories with any steps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dddkit._awaitables import FINISHED
from dddkit.stories import I, StepExecutionInfo, StepStatus, Story, StoryExecutionContext, inject_hooks
from tests.stories.recording import AsyncRecorder, Recorder
from tests.stories.shop import Declined, finish, listed

STEPS = st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), min_size=1, max_size=8)


def story_of(steps: list[tuple[str, bool]], fails: int | None = None) -> type[Story]:
    """Return a story with these steps: (name, whether it is async). The step at position `fails` raises."""
    modes = dict(steps)

    def sync_step(name: str) -> Any:
        def step(self: Story, state: list[str]) -> None:
            run(name, state)

        return step

    def async_step(name: str) -> Any:
        async def step(self: Story, state: list[str]) -> None:
            await asyncio.sleep(0)
            run(name, state)

        return step

    def run(name: str, state: list[str]) -> None:
        state.append(name)
        if fails is not None and len(state) == fails + 1:
            raise Declined(name)

    class Listed(Story):
        for name, _ in steps:
            listed(I, name)
            locals()[name] = (async_step if modes[name] else sync_step)(name)

    return Listed


def is_async(steps: list[tuple[str, bool]]) -> bool:
    return any(dict(steps).values())


def performed(story: type[Story]) -> tuple[list[str], bool]:
    """Run the story; return the steps that ran, and whether it failed."""
    state: list[str] = []
    try:
        finish(story()(state))
    except Declined:
        return state, True
    return state, False


@given(STEPS)
def test_a_story_is_its_steps_in_order(steps: list[tuple[str, bool]]) -> None:
    story = story_of(steps)
    names = [name for name, _ in steps]
    assert story.I.__steps__ == names
    assert performed(story) == (names, False)


@given(STEPS)
def test_a_story_is_async_when_any_of_its_steps_is(steps: list[tuple[str, bool]]) -> None:
    called = story_of(steps)()([])
    assert (called is FINISHED) == (not is_async(steps))
    finish(called)


@given(STEPS, st.integers(0, 9))
def test_hooks_change_nothing_about_what_runs(steps: list[tuple[str, bool]], fails: int) -> None:
    bare = performed(story_of(steps, fails))
    hooked = story_of(steps, fails)
    inject_hooks(hooked)
    inject_hooks(hooked, [Recorder("a", [])])
    assert performed(hooked) == bare == ([name for name, _ in steps][: fails + 1], fails < len(steps))


@given(STEPS, st.integers(0, 9))
def test_the_facts_say_what_happened(steps: list[tuple[str, bool]], fails: int) -> None:
    contexts: list[StoryExecutionContext] = []

    class Keeping:
        def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
            contexts.append(context)
            yield

    story = story_of(steps, fails)
    inject_hooks(story, [Keeping()])
    ran, failed = performed(story)
    [context] = contexts
    completed = len(ran) - failed
    assert [step.step_name for step in context.steps] == [name for name, _ in steps]
    assert [step.status for step in context.steps] == (
        [StepStatus.COMPLETED] * completed
        + [StepStatus.FAILED] * failed
        + [StepStatus.PENDING] * (len(steps) - completed - failed)
    )
    assert context.status is (StepStatus.FAILED if failed else StepStatus.COMPLETED)


@given(STEPS, st.integers(0, 9), st.lists(st.booleans(), max_size=4))
def test_hooks_run_in_the_order_of_registration_and_leave_in_reverse(
    steps: list[tuple[str, bool]], fails: int, kinds: list[bool]
) -> None:
    log: list[str] = []
    story = story_of(steps, fails)
    hooks = [
        (AsyncRecorder if use_async and is_async(steps) else Recorder)(str(number), log)
        for number, use_async in enumerate(kinds)
    ]
    inject_hooks(story, hooks)
    ran, failed = performed(story)

    around = [str(number) for number, hook in enumerate(hooks) if isinstance(hook, Recorder)]
    every = [str(number) for number in range(len(kinds))]
    expected = [f"{hook} enter story" for hook in around]
    for position, name in enumerate(ran):
        expected += [f"{hook} enter {name}" for hook in around]
        expected += [f"{hook} before {name}" for hook in every]
        if failed and position == len(ran) - 1:
            expected += [f"{hook} error {name}" for hook in every]
        expected += [f"{hook} after {name}" for hook in every]
        expected += [f"{hook} leave {name}" for hook in reversed(around)]
    expected += [f"{hook} leave story" for hook in reversed(around)]
    assert log == expected


@given(STEPS, st.integers(0, 9), st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3)))
def test_every_hook_that_was_entered_gets_to_its_end(
    steps: list[tuple[str, bool]], fails: int, before: set[int], after: set[int]
) -> None:
    log: list[str] = []
    story = story_of(steps, fails)

    class Counting:
        def __init__(self, number: int) -> None:
            self.number = number

        def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
            if self.number in before:
                raise Declined(step.step_name)
            log.append(f"enter {self.number}")
            try:
                yield
            finally:
                log.append(f"leave {self.number}")
                if self.number in after:
                    raise Declined(step.step_name)

    inject_hooks(story, [Counting(number) for number in range(4)])
    with suppress(Declined):
        finish(story()([]))
    for number in range(4):
        assert log.count(f"enter {number}") == log.count(f"leave {number}")
