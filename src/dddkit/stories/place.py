"""Where a run goes on, so that a story inside one of its steps can be drawn under that step."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final, TypeAlias

from dddkit.stories.context import StepStatus, StoryExecutionContext

__all__ = ["PLACE", "Left", "leave", "stand_under"]

_Place: TypeAlias = "tuple[StoryExecutionContext, int | None] | None"
Left: TypeAlias = Token[_Place]

# The run with hooks that goes on here, and the index of its step (None: whichever runs).
PLACE: Final[ContextVar[_Place]] = ContextVar("dddkit_step", default=None)


def stand_under(context: StoryExecutionContext, place: tuple[StoryExecutionContext, int | None]) -> None:
    """Let a run that starts inside a step be drawn under it; a task may have outlived the step that started it."""
    outer, index = place
    if outer.status is StepStatus.RUNNING:
        for step in outer.steps:
            if step.status is StepStatus.RUNNING and index in (None, step.step_index):
                step.nested.append(context)


def leave(token: Left) -> None:
    try:  # noqa: SIM105  # `suppress` would take as long as two steps
        PLACE.reset(token)
    except ValueError:
        pass  # the coroutine ends, or is closed, in another context, which never saw our value
