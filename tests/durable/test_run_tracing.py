"""The spans of a durable run: one for each execution, and those of the steps that really ran in it."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("opentelemetry.sdk", reason="needs the SDK")

from opentelemetry.trace import get_current_span

from dddkit.stories import I, Story, StoryState, compensates, inject_hooks
from dddkit.testing._journal import Crash, Place
from tests.durable.running import Running
from tests.observing.test_tracing import Tracing
from tests.stories.shop import Declined


def traced() -> tuple[Tracing, Story, type[StoryState]]:
    class Checkout(Story):
        I.reserve
        I.charge

        class State(StoryState):
            pass

        async def reserve(self, state: State) -> None:
            await asyncio.sleep(0)

        @compensates(reserve)
        async def free(self, state: State) -> None: ...

        async def charge(self, state: State) -> None:
            raise Declined

    tracing = Tracing()
    inject_hooks(Checkout, [tracing.hook])
    return tracing, Checkout(), Checkout.State


def test_the_steps_and_the_undoing_of_an_execution_are_inside_its_span() -> None:
    tracing, story, state = traced()
    with pytest.raises(Declined):
        Running(story, state()).once()
    inside = dict.fromkeys(["Checkout.reserve", "Checkout.charge", "Checkout.free"], "Checkout")
    assert tracing.parents() == {**inside, "Checkout": None}
    assert tracing.statuses()["Checkout"] == "failed"


def test_an_execution_whose_process_ends_leaves_a_span_that_says_running_and_no_current_one() -> None:
    tracing, story, state = traced()
    running = Running(story, state(), crashes=[Place(1, "before")])

    async def crash() -> bool:
        with pytest.raises(Crash):
            await running.execute()
        return get_current_span().get_span_context().is_valid

    assert not asyncio.run(crash())
    assert tracing.statuses() == {"Checkout.reserve": "completed", "Checkout": "running"}


def test_a_resumed_run_has_spans_only_for_what_runs_again() -> None:
    tracing, story, state = traced()
    running = Running(story, state(), crashes=[Place(1, "before")])
    with pytest.raises(Declined):
        running.to_the_end()
    names = [span.name for span in tracing.spans()]
    assert names == ["Checkout.reserve", "Checkout", "Checkout.charge", "Checkout.free", "Checkout"]
