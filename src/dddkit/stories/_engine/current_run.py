"""The run under way in this context, so that a story inside one of its steps is shown under that step."""

# pyright: reportPrivateUsage=false
# The engine writes the facts of a run, which belong to `facts.py`.

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, TypeAlias

from dddkit._context import set_variable
from dddkit.stories._engine.facts import StoryExecutionContext, without_state
from dddkit.stories._engine.nested import NestedRuns
from dddkit.stories._engine.status import StepStatus

__all__ = ["CURRENT_RUN", "CurrentRun", "end_nested", "leave_run", "nest_run"]

CurrentRun: TypeAlias = "StoryExecutionContext | tuple[StoryExecutionContext, int]"
_Nesting: TypeAlias = "tuple[NestedRuns, int]"

# The innermost run with hooks. A sync run executes one step at a time. A task that a step of an async run has started
# may outlive the step, so there the index of the step comes with the run.
CURRENT_RUN: Final[ContextVar[CurrentRun | None]] = ContextVar("dddkit_step", default=None)


def nest_run(context: StoryExecutionContext, current: CurrentRun) -> _Nesting | None:
    """Show a run that starts inside a step under that step, unless the step has ended meanwhile.

    Returns:
        What `end_nested` takes; None if the step has ended.
    """
    outer, index = current if isinstance(current, tuple) else (current, None)
    if outer.status is StepStatus.RUNNING:
        for step in outer.steps:
            if step.status is StepStatus.RUNNING and index in (None, step.step_index):
                context._outer = outer
                runs = step._nested_runs()
                return runs, runs.start(context)
    return None


def end_nested(nesting: _Nesting, context: StoryExecutionContext) -> None:
    """Keep only the facts of a run that has ended: its state may be large, and the step may run for days."""
    runs, key = nesting
    runs.end(key, without_state(context))
    context._outer = None


def leave_run(context: StoryExecutionContext, outer: CurrentRun | None) -> None:
    """Make the outer run the current one, if the run is it.

    An interrupt may have lost the token; and a coroutine may end in another context, which never had our value.
    """
    current = CURRENT_RUN.get()
    if (current[0] if isinstance(current, tuple) else current) is context:
        set_variable(CURRENT_RUN, outer)
