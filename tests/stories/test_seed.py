"""The examples of the first documentation run unchanged."""

# pyright: reportMissingParameterType=false, reportUnknownParameterType=false, reportUnknownMemberType=false
# pyright: reportMissingTypeArgument=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# mypy: disable-error-code="no-untyped-def, no-untyped-call, type-arg, dddkit-mutable-default"
# The examples have few annotations on purpose: they must run unchanged.

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from dddkit.stories import (
    ExecutionTimeTracker,
    I,
    LoggingHook,
    StatusTracker,
    StepExecutionInfo,
    Story,
    StoryExecutionContext,
    inject_hooks,
)


def test_basic_usage() -> None:
    with pytest.warns(UserWarning, match="items of .*State is one object that all its runs share"):

        @dataclass(frozen=True, slots=True)
        class ShoppingCartStory(Story):
            # Define the steps in the story
            I.add_item
            I.apply_discount
            I.calculate_total

            class State(SimpleNamespace):
                items: list = []
                discount: float = 0.0
                total: float = 0.0

            def add_item(self, state: State):
                state.items.append({"name": "Product A", "price": 10.0})

            def apply_discount(self, state: State):
                if len(state.items) > 1:
                    state.discount = 0.1  # 10% discount

            def calculate_total(self, state: State):
                subtotal = sum(item["price"] for item in state.items)
                state.total = subtotal * (1 - state.discount)

    # Execute the story
    story = ShoppingCartStory()
    state = story.State()
    story(state)

    assert state.items == [{"name": "Product A", "price": 10.0}]
    assert (state.discount, state.total) == (0.0, 10.0)


def test_async_operations() -> None:
    @dataclass(frozen=True, slots=True)
    class AsyncProcessingStory(Story):
        I.fetch_data
        I.process_data
        I.save_result

        class State(SimpleNamespace):
            raw_data: str = ""
            processed_data: str = ""
            saved: bool = False

        async def fetch_data(self, state: State):
            # Simulate async data fetching
            await asyncio.sleep(0.01)
            state.raw_data = "some raw data"

        def process_data(self, state: State):
            state.processed_data = state.raw_data.upper()

        async def save_result(self, state: State):
            # Simulate async saving
            await asyncio.sleep(0.005)
            state.saved = True

    # Execute the async story
    async def run_async_story():
        story = AsyncProcessingStory()
        state = story.State()
        await story(state)
        return state

    state = asyncio.run(run_async_story())
    assert (state.raw_data, state.processed_data, state.saved) == ("some raw data", "SOME RAW DATA", True)


@dataclass(frozen=True, slots=True)
class HookedStory(Story):
    I.step_one
    I.step_two
    I.step_three

    class State(SimpleNamespace):
        step_one_completed: bool = False
        step_two_completed: bool = False
        step_three_completed: bool = False

    def step_one(self, state: State):
        state.step_one_completed = True

    def step_two(self, state: State):
        state.step_two_completed = True

    def step_three(self, state: State):
        state.step_three_completed = True


class YourException(Exception):
    pass


@dataclass(frozen=True, slots=True)
class FailingStory(HookedStory):
    def step_three(self, state: HookedStory.State):
        raise YourException


FailingStory.__name__ = "HookedStory"


def formatted(caplog: pytest.LogCaptureFixture) -> str:
    formatter = logging.Formatter("%(message)s")
    text = "\n".join(formatter.format(record) for record in caplog.records)
    return re.sub(r"\d\.\d{3}s", "0.000s", text)


def test_hooks_draw_the_tree_to_the_letter(caplog: pytest.LogCaptureFixture) -> None:
    with inject_hooks(HookedStory), caplog.at_level(logging.DEBUG):
        story_class = HookedStory
        story = story_class()
        state = story.State()
        story(state)
    assert (
        formatted(caplog)
        == """\
HookedStory:
    ⟳I.step_one
    I.step_two
    I.step_three
HookedStory:
    ✓I.step_one [0.000s]
    ⟳I.step_two
    I.step_three
HookedStory:
    ✓I.step_one [0.000s]
    ✓I.step_two [0.000s]
    ⟳I.step_three
HookedStory:
    ✓I.step_one [0.000s]
    ✓I.step_two [0.000s]
    ✓I.step_three [0.000s]"""
    )


def test_an_error_is_drawn_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    story = FailingStory()
    handle = inject_hooks(FailingStory, hooks=[StatusTracker(), ExecutionTimeTracker(), LoggingHook()])
    with handle, caplog.at_level(logging.ERROR), pytest.raises(YourException):
        story(story.State())
    text = formatted(caplog)
    assert text.startswith(
        """\
HookedStory:
    ✓I.step_one [0.000s]
    ✓I.step_two [0.000s]
    ✗I.step_three
Traceback (most recent call last):
  File "
"""[:-1]
    )
    assert text.endswith("YourException")


def test_custom_hooks(capsys: pytest.CaptureFixture[str]) -> None:
    class CustomHook:
        def before(self, context: StoryExecutionContext, step_info: StepExecutionInfo):
            print(f"Starting step: {step_info.step_name}")

        def after(self, context: StoryExecutionContext, step_info: StepExecutionInfo):
            print(f"Completed step: {step_info.step_name}")

        def error(self, context: StoryExecutionContext, step_info: StepExecutionInfo):
            print(f"Error in step: {step_info.step_name}, Error: {step_info.error}")

    with inject_hooks(FailingStory, hooks=[CustomHook()]), pytest.raises(YourException):
        FailingStory()(FailingStory.State())
    assert capsys.readouterr().out.splitlines() == [
        "Starting step: step_one",
        "Completed step: step_one",
        "Starting step: step_two",
        "Completed step: step_two",
        "Starting step: step_three",
        "Error in step: step_three, Error: ",
        "Completed step: step_three",
    ]


def test_the_promised_import_paths() -> None:
    from dddkit.stories import hooks, story

    assert story.Story is Story
    assert story.I is I
    assert hooks.inject_hooks is inject_hooks
    assert hooks.LoggingHook is LoggingHook
