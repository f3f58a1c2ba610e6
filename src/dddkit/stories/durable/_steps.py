"""The steps of a durable story, flattened: what is recorded, in order, under which labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dddkit.stories.durable.retry import Retry
from dddkit.stories.durable.waiting import Delay, Signal

__all__ = ["PlannedStep", "StoryPlan", "check_retries", "plan_of"]


class PlannedStep(NamedTuple):
    """A step that is recorded."""

    label: str
    waits_for: Signal | Delay | None


class StoryPlan(NamedTuple):
    """What is known of a durable story before it runs."""

    name: str
    story: object
    is_async: bool
    steps: tuple[PlannedStep, ...]


def plan_of(story: object, name: str, state_class: type) -> StoryPlan:
    """Flatten a story, and reject what a durable run cannot do.

    Raises:
        TypeError: no story, or its class.
        StoryDefinitionError: as a plain call would.
        ValueError: by name: a Signal in a sync story, one whose `into` is no field of the State, ...
    """
    raise NotImplementedError


def check_retries(plan: StoryPlan, retries: Mapping[str, Retry]) -> None:
    """Reject retries for what is no step, or cannot be repeated.

    Raises:
        ValueError: by name.
    """
    raise NotImplementedError
