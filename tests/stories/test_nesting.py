"""Stories nested in stories: each is validated once before a run, however many ways lead to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from dddkit.dataclasses import DomainEvent, EventBroker
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories import I, Story, inject_hooks
from tests.stories.shop import Declined, Mode, both_modes, finish


class Leaf(Story):
    """A story whose only step is read off a property, which counts."""

    I.note

    def __init__(self, mode: Mode) -> None:
        self.reads = 0
        self.mode = mode

    @property
    def note(self) -> Any:
        self.reads += 1
        return self.sync_note if self.mode == "sync" else self.async_note

    def sync_note(self, state: list[str]) -> None:
        state.append("leaf")

    async def async_note(self, state: list[str]) -> None:
        await asyncio.sleep(0)
        state.append("leaf")


@dataclass
class Both(Story):
    I.left
    I.right

    left: Any
    right: Any


class Guard:
    def before(self, context: object, step: object) -> None:
        raise Declined


def diamond(leaf: Leaf, depth: int) -> Story:
    story: Any = leaf
    for level in range(depth):
        story = Both(story, partial(story.__call__) if level % 2 else story)
    made: Story = story
    return made


@both_modes
def test_fr18_a_guard_stops_a_deep_diamond_after_each_story_was_validated_once(mode: Mode) -> None:
    leaf = Leaf(mode)
    story = diamond(leaf, 16)
    with inject_hooks(Both, [Guard()]), pytest.raises(Declined):
        finish(story([]))
    assert leaf.reads == 1


@both_modes
def test_fr18_a_broker_asks_each_story_of_a_diamond_once(mode: Mode) -> None:
    @dataclass(frozen=True)
    class Paid(DomainEvent):
        pass

    leaf = Leaf(mode)
    EventBroker().subscribe(Paid, diamond(leaf, 16))
    assert leaf.reads <= 1


@both_modes
def test_fr18_all_steps_of_a_diamond_run(mode: Mode) -> None:
    state: list[str] = []
    finish(diamond(Leaf(mode), 4)(state))
    assert state == ["leaf"] * 16


def test_fr18_a_story_inside_itself_is_found_beside_one_that_is_reached_twice() -> None:
    leaf = Leaf("sync")
    inner = Both(leaf, leaf)
    outer = Both(inner, Both(inner, None))
    outer.right.right = outer
    with pytest.raises(StoryDefinitionError, match=r"Both -> I\.right -> Both -> I\.right -> Both;"):
        outer([])


def test_fr18_a_property_that_makes_a_story_each_time_is_not_mistaken_for_another() -> None:
    """A story that is collected gives its id to the next one."""

    class Making(Story):
        I.first
        I.second

        @property
        def first(self) -> Any:
            return Leaf("sync")

        @property
        def second(self) -> Any:
            return Leaf("async")

    state: list[str] = []
    asyncio.run(Making()(state))
    assert state == ["leaf", "leaf"]
