"""The run under way in this context, so that a story inside one of its steps is shown under that step."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final, TypeAlias

from dddkit.stories._engine.facts import StoryExecutionContext
from dddkit.stories._engine.status import StepStatus

__all__ = ["CURRENT_RUN", "RunToken", "nest_run", "reset_run"]

_CurrentRun: TypeAlias = "StoryExecutionContext | tuple[StoryExecutionContext, int]"
RunToken: TypeAlias = "Token[_CurrentRun | None]"

# The innermost run with hooks. A sync run executes one step at a time. A task that a step of an async run has started
# may outlive the step, so there the index of the step comes with the run.
CURRENT_RUN: Final[ContextVar[_CurrentRun | None]] = ContextVar("dddkit_step", default=None)


def nest_run(context: StoryExecutionContext, current: _CurrentRun) -> None:
    """Show a run that starts inside a step under that step, unless the step has ended meanwhile."""
    outer, index = current if isinstance(current, tuple) else (current, None)
    if outer.status is StepStatus.RUNNING:
        for step in outer.steps:
            if step.status is StepStatus.RUNNING and index in (None, step.step_index):
                step.nested.append(context)


def reset_run(token: RunToken) -> None:
    try:  # noqa: SIM105  # `suppress` would take as long as two steps
        CURRENT_RUN.reset(token)
    except ValueError:
        pass  # the coroutine ends, or is closed, in another context, which never had our value
