"""Undoing where the step that was stopped is a story itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dddkit.exceptions import CompensationError
from dddkit.stories import I, StepExecutionInfo, Story, StoryExecutionContext, StoryHook, compensates, inject_hooks
from tests.stories.shop import Declined, Mode, Notes, both_modes, finish
from tests.stories.test_undoing import fail, shop


class Plain(Story):
    """A story in which nothing can be undone."""

    I.look
    I.refuse

    def look(self, state: Notes) -> None:
        state.take("look")

    def refuse(self, state: Notes) -> None:
        state.take("refuse")


@dataclass(frozen=True)
class Unlucky(Story):
    I.reserve
    I.inner

    inner: Story

    def reserve(self, state: Notes) -> None:
        state.take("reserve")

    @compensates(reserve)
    def release(self, state: Notes) -> None:
        state.take("release")


@both_modes
def test_a_run_never_takes_what_an_earlier_one_has_undone_for_its_own(mode: Mode) -> None:
    error = Declined("an object that is raised again")
    fail(shop(mode), ship=error)
    state = Notes(refuse=error, release=ConnectionError())
    with pytest.raises(CompensationError) as caught:
        finish(Unlucky(Plain())(state))
    assert (caught.value.undone, caught.value.left) == ((), ("reserve",))
    with pytest.raises(CompensationError) as caught:
        finish(Unlucky(shop(mode)())(Notes(ship=error, release=ConnectionError())))
    assert (caught.value.undone, caught.value.left) == (("inner.charge",), ("inner.reserve", "reserve"))


class RefusesAfterStep:
    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        if step.step_name == "ship":
            raise Declined


class RefusesAfterStory:
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        yield
        raise Declined


@both_modes
@pytest.mark.parametrize("hook", [RefusesAfterStep(), RefusesAfterStory()])
def test_a_nested_story_whose_hook_fails_after_its_last_step_is_undone_by_the_outer_one(
    mode: Mode, hook: StoryHook
) -> None:
    @dataclass(frozen=True)
    class Outer(Story):
        I.look
        I.inner
        I.confirm

        inner: Story

        def look(self, state: Notes) -> None:
            state.take("look")

        @compensates(look)
        def forget(self, state: Notes) -> None:
            state.take("forget")

        def confirm(self, state: Notes) -> None:
            state.take("confirm")

    class Last(Outer):
        I.look
        I.inner

    inner = shop(mode)
    inject_hooks(inner, [hook])
    done = ["look", "reserve", "charge", "ship"]
    for has_hooks in (False, True):
        if has_hooks:
            inject_hooks(Outer)
        for story, undone in ((Outer, ["refund", "release", "forget"]), (Last, [])):
            state = Notes()
            with pytest.raises(Declined):
                finish(story(inner())(state))
            assert state.log == done + undone


def innermost(mode: Mode, depth: int, hook: StoryHook) -> Story:
    """Make a story with hooks in which nothing is undone, whose last step is such a story again, so many times."""

    class Shipping(Story):
        I.ship

        def ship(self, state: Notes) -> None:
            state.take("ship")

    class AsyncShipping(Story):
        I.ship

        async def ship(self, state: Notes) -> None:
            state.take("ship")

    @dataclass(frozen=True)
    class Around(Story):
        I.ship

        ship: Story

    found: Story = AsyncShipping() if mode == "async" else Shipping()
    for _ in range(depth):
        found = Around(found)
    for cls in (Shipping, AsyncShipping, Around):
        inject_hooks(cls, [hook])
    return found


@both_modes
@pytest.mark.parametrize("hook", [RefusesAfterStep(), RefusesAfterStory()])
@pytest.mark.parametrize("depth", [0, 2])
def test_so_is_one_in_which_nothing_is_undone(mode: Mode, hook: StoryHook, depth: int) -> None:
    @dataclass(frozen=True)
    class Outer(Story):
        I.pay
        I.send

        pay: Story

        @compensates("pay")
        def refund(self, state: Notes) -> None:
            state.take("refund")

        def send(self, state: Notes) -> None:
            state.take("send")

    state = Notes()
    with pytest.raises(Declined):
        finish(Outer(innermost(mode, depth, hook))(state))
    assert state.log == ["ship", "refund"]
