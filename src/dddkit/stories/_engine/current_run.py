"""Where a run goes on, so that a story inside one of its steps can be drawn under that step."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final, TypeAlias

from dddkit.stories._engine.facts import StoryExecutionContext
from dddkit.stories._engine.status import StepStatus

__all__ = ["PLACE", "Left", "leave", "stand_under"]

_Place: TypeAlias = "StoryExecutionContext | tuple[StoryExecutionContext, int]"
Left: TypeAlias = "Token[_Place | None]"

# The innermost run with hooks that goes on here. A sync one is at one place at a time; of an async one, a task that a
# step has started may go on when the step has long ended: so it comes with the index of the step.
PLACE: Final[ContextVar[_Place | None]] = ContextVar("dddkit_step", default=None)


def stand_under(context: StoryExecutionContext, place: _Place) -> None:
    """Let a run that starts inside a step be drawn under it; a task may have outlived the step that started it."""
    outer, index = place if isinstance(place, tuple) else (place, None)
    if outer.status is StepStatus.RUNNING:
        for step in outer.steps:
            if step.status is StepStatus.RUNNING and index in (None, step.step_index):
                step.nested.append(context)


def leave(token: Left) -> None:
    try:  # noqa: SIM105  # `suppress` would take as long as two steps
        PLACE.reset(token)
    except ValueError:
        pass  # the coroutine ends, or is closed, in another context, which never saw our value
