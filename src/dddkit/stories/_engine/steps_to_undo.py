"""What a stopped run has to undo: its steps that have a compensation, and those of the stories that were its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from dddkit.stories._engine.compensations import compensations_of, steps_of
from dddkit.stories._engine.facts import StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.registry import hooks_of
from dddkit.stories._engine.status import StepStatus
from dddkit.stories._engine.story_steps import story_of_step

__all__ = ["Step", "completed_steps", "interrupted_step"]


class Step(NamedTuple):
    """A step to undo."""

    label: str
    """Its name; `pay.authorize` for the step of a story that is the step `pay`."""
    story: object
    name: str
    method: str
    """The name of its compensation."""
    position: int
    is_completed: bool
    run: StoryExecutionContext | None
    """The facts of the run of that story, where there are any."""


def completed_steps(
    story: object, state: Any, names: list[str], run: StoryExecutionContext | None, prefix: str
) -> Iterator[Step]:
    """Yield the steps to undo of a story, of which these have completed: the last first, nested ones in their place."""
    compensations = compensations_of(type(story))
    if run is None and (hooks := hooks_of(type(story))) is not None and hooks.around_compensation:
        run = _facts_of(story, state, len(names))
    for index in reversed(range(len(names))):
        name = names[index]
        own = compensations.get(name)
        if own is not None:
            yield Step(prefix + name, story, name, own.method, index, is_completed=True, run=run)
            continue
        nested = story_of_step(story, name)
        if nested is not None:
            inner = steps_of(type(nested))
            yield from completed_steps(nested, state, inner, _nested_run(run, index, nested, state), f"{prefix}{name}.")


def interrupted_step(story: object, name: str, index: int, run: StoryExecutionContext | None) -> Iterator[Step]:
    own = compensations_of(type(story)).get(name)
    if own is not None and own.even_if_failed:
        yield Step(name, story, name, own.method, index, is_completed=False, run=run)


def _nested_run(
    run: StoryExecutionContext | None, index: int, nested: object, state: Any
) -> StoryExecutionContext | None:
    """Return the facts of the last run of a nested story inside a step, with its state."""
    if run is None:
        return None
    found = next((one for one in reversed(run.steps[index].nested) if one.story is nested), None)
    if found is not None:
        cast("Any", found).state = state  # nested runs that have ended keep none
    return found


def _facts_of(story: object, state: Any, completed: int) -> StoryExecutionContext:
    """Make the facts of a run without hooks, for the hooks around its undoing."""
    names = steps_of(type(story))
    steps = [
        StepExecutionInfo(name, index, status=StepStatus.COMPLETED if index < completed else StepStatus.PENDING)
        for index, name in enumerate(names)
    ]
    return StoryExecutionContext(story, state, steps, status=StepStatus.RUNNING)
