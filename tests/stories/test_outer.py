"""A hook knows which run its run is part of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from dddkit.stories import I, StepExecutionInfo, Story, StoryExecutionContext, inject_hooks
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform


def names(context: StoryExecutionContext) -> list[str]:
    """Return the stories around a run, the outermost first, and its own."""
    outer = context.outer
    return [*([] if outer is None else names(outer)), context.story_name]


@dataclass
class Nesting:
    """Remembers where each run has stood whenever a hook was called."""

    seen: list[str] = field(default_factory=list[str])
    runs: list[StoryExecutionContext] = field(default_factory=list[StoryExecutionContext])

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.note("begin", context)
        self.runs.append(context)
        try:
            yield
        finally:
            self.note("end", context)

    def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self.note("error", context)

    def note(self, what: str, context: StoryExecutionContext) -> None:
        self.seen.append(f"{what} {'.'.join(names(context))}")


class Trip(Story):
    I.book

    def __init__(self, book: Any) -> None:
        self.book = book


class Season(Trip):
    pass


@both_modes
def test_the_outer_run_of_a_nested_story_is_known_from_its_beginning_to_its_end(mode: Mode) -> None:
    nesting = Nesting()
    inner = checkout(mode)
    inject_hooks(inner, [nesting])
    with inject_hooks(Trip, [nesting]), suppress(Declined):
        perform(Season(Trip(inner())), Notes(charge=Declined()))
    assert nesting.seen == [
        "begin Season",
        "begin Season.Trip",
        "begin Season.Trip.Checkout",
        "error Season.Trip.Checkout",
        "end Season.Trip.Checkout",
        "error Season.Trip",
        "end Season.Trip",
        "error Season",
        "end Season",
    ]
    assert [run.outer for run in nesting.runs] == [None, None, None]


def test_a_run_without_hooks_is_left_out() -> None:
    nesting = Nesting()
    inner = checkout("sync")
    inject_hooks(inner, [nesting])
    with inject_hooks(Season, [nesting]):
        perform(Season(Trip(inner())), Notes())
    assert nesting.seen == ["begin Season", "begin Season.Checkout", "end Season.Checkout", "end Season"]


def test_a_run_that_outlives_the_one_around_it_is_an_outermost_run_from_then_on() -> None:
    nesting = Nesting()

    class Slow(Story):
        I.wait

        async def wait(self, state: asyncio.Event) -> None:
            await state.wait()

    async def run() -> None:
        ended = asyncio.Event()
        tasks: list[asyncio.Task[None]] = []

        async def start(state: object) -> None:
            tasks.append(asyncio.create_task(Slow()(ended)))
            await asyncio.sleep(0)

        await Trip(start)(None)
        ended.set()
        await tasks[0]

    inject_hooks(Slow, [nesting])
    with inject_hooks(Trip, [nesting]):
        asyncio.run(run())
    assert nesting.seen == ["begin Trip", "begin Trip.Slow", "end Trip", "end Slow"]


def test_facts_made_by_hand_are_of_an_outermost_run() -> None:
    assert StoryExecutionContext(Trip(print)).outer is None
