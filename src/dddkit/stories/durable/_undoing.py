"""What a stopped durable run has to undo, and in which order: the same as in a plain run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dddkit.stories.durable._steps import PlannedStep, StoryPlan

__all__ = ["Undo", "steps_to_undo"]


class Undo(NamedTuple):
    """A step to undo."""

    step: PlannedStep
    is_completed: bool
    """False: it was interrupted, and its compensation is for that too."""


def steps_to_undo(plan: StoryPlan, completed: int, *, interrupted: bool, guarded: str | None) -> list[Undo]:
    """Return the steps to undo, in the order in which that happens.

    Args:
        plan: the story.
        completed: how many recorded steps have completed.
        interrupted: whether the next one has failed.
        guarded: the label of the step, that one or one around it, that a hook has kept from running at all.
    """
    if completed == len(plan.steps):
        return list(_completed(plan.listed))
    found: list[Undo] = []
    is_guarded = guarded is not None
    for step in reversed(plan.steps[completed].chain):
        has_begun = step.position < completed or (interrupted and not is_guarded)
        is_guarded = is_guarded and step.label != guarded
        if has_begun and step.compensation is not None and step.compensation.even_if_failed:
            found.append(Undo(step, is_completed=False))
        siblings = plan.listed if step.around is None else step.around.parts
        found += _completed(siblings[: step.index])
    return found


def _completed(steps: Sequence[PlannedStep]) -> Iterator[Undo]:
    """Yield what undoes steps that have all completed; a story that is a step is undone by its own compensations."""
    for step in reversed(steps):
        if step.compensation is not None:
            yield Undo(step, is_completed=True)
        else:
            yield from _completed(step.parts)
