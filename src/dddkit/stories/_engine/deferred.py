"""Hooks that need not be called at every step, such as the default ones while nothing is logged.

A hook that only copies a step's facts into its `meta` and `template` can wait until somebody reads the steps of the
run, or until a step fails. A run whose `before` and `after` hooks are all of this kind records timestamps only, which
takes a third of the time. `DeferredHooks.catch_up` then calls the hooks as if they had been called at every step.
"""

# pyright: reportPrivateUsage=false
# The facts of a run belong to the engine, of which this is a part.

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from types import FunctionType, MethodType
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

from dddkit.stories._engine.facts import StepExecutionInfo, StepRecord, StoryExecutionContext
from dddkit.stories._engine.lock import LOCK
from dddkit.stories._engine.registry import Callback, Hooks
from dddkit.stories._engine.status import StepStatus

__all__ = [
    "Condition",
    "DeferredHooks",
    "advance",
    "condition_of",
    "deferrable",
    "is_deferrable",
    "only_if",
    "running_step",
    "show_duration",
    "show_status",
]

C = TypeVar("C", bound=Callback)

Condition: TypeAlias = "tuple[Callable[[int], bool], int]"
"""A function, and what to call it with."""

_PENDING: Final = StepStatus.PENDING
_RUNNING: Final = StepStatus.RUNNING


# Marks of hooks


def deferrable(callback: C) -> C:
    """Mark a hook that only copies facts of a step into its `meta` and `template`."""
    callback.__deferrable__ = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]  # ours to read
    return callback


def only_if(find: Callable[[], Condition]) -> Callable[[C], C]:
    """Mark a hook that does nothing in a run at whose start a condition is false, so that it need not be called.

    Args:
        find: returns the condition, when the first story with the hook runs.
    """

    def mark(callback: C) -> C:
        callback.__only_if__ = find  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]  # ours to read
        return callback

    return mark


def is_deferrable(callback: Callback) -> bool:
    return getattr(_function(callback), "__deferrable__", False)


def condition_of(callback: Callback) -> Callable[[], Condition] | None:
    return getattr(_function(callback), "__only_if__", None)


def _function(callback: Callback) -> FunctionType | None:
    """Return the function of a method; other callables carry no marks (a mock would have any attribute)."""
    function = callback.__func__ if isinstance(callback, MethodType) else None
    return function if isinstance(function, FunctionType) else None


# What the default hooks call: it leaves the tree line of the step unshared


def show_status(step: StepExecutionInfo) -> None:
    """Render the step with its present status from now on."""
    (step._line or step._tree_line()).show_status(step.status)


def show_duration(step: StepExecutionInfo) -> None:
    """Render the step with its duration from now on, if it has completed."""
    progress = step._progress
    if type(progress) is float:
        (step._line or step._tree_line()).show_duration(progress)


# Runs whose hooks are deferred


class DeferredHooks(NamedTuple):
    """What a run needs to call its hooks later."""

    names: tuple[str, ...]
    """The steps that the story lists."""
    hooks: Hooks

    def catch_up(self, context: StoryExecutionContext) -> None:
        """Make the steps of the run, or bring them up to date, and call the hooks that have waited.

        Another thread may do this at any time, so the steps change only under the lock, and always to what the
        timestamps say.
        """
        with LOCK:
            steps = context._steps
            if not steps:
                steps.extend([_pending_step(index, name) for index, name in enumerate(self.names)])
            ended = _complete_steps(context, self.hooks)
            if context.status is not _RUNNING:
                context._catch_up = None
            elif 0 <= ended < len(steps) and steps[ended]._progress is _PENDING:
                steps[ended]._progress = _RUNNING
                _call(self.hooks.before, context, steps[ended])


def running_step(context: StoryExecutionContext) -> tuple[StepExecutionInfo | None, float]:
    """Return the step under way in a run whose hooks are deferred, None after the last; and when it started."""
    steps, ended = context.steps, _number_of_timestamps(context) - 1
    return steps[ended] if 0 <= ended < len(steps) else None, context._timestamps[ended] or 0.0


def advance(context: StoryExecutionContext) -> None:
    """Go from one step to the next, in a run whose hooks were deferred until somebody read its steps."""
    ended = _number_of_timestamps(context) - 1
    if len(context.steps) > ended:
        context._timestamps[ended] = perf_counter()  # the hooks are no part of the step


def _pending_step(index: int, name: str) -> StepExecutionInfo:
    made: Any = StepRecord.__new__(StepRecord)
    made.step_name = name
    made.step_index = index
    made._progress = _PENDING
    made._line = None
    step: StepExecutionInfo = made
    return step


def _complete_steps(context: StoryExecutionContext, hooks: Hooks) -> int:
    """Record the steps that have completed since the last time; return how many have completed in all."""
    steps = context._steps
    first = ended = _number_of_timestamps(context) - 1
    while first > 0 and type(steps[first - 1]._progress) is StepStatus:
        first -= 1
    for index in range(first, ended):
        step = steps[index]
        if step._progress is _PENDING:
            step._progress = _RUNNING
            _call(hooks.before, context, step)
        step._progress = _seconds(context, index)
        _call(hooks.after, context, step)
    return ended


def _number_of_timestamps(context: StoryExecutionContext) -> int:
    timestamps = context._timestamps
    return timestamps.index(None) if timestamps[-1] is None else len(timestamps)


def _seconds(context: StoryExecutionContext, index: int) -> float:
    return cast("float", context._timestamps[index + 1]) - cast("float", context._timestamps[index])


def _call(hooks: tuple[Callback, ...], context: StoryExecutionContext, step: StepExecutionInfo) -> None:
    for hook in hooks:
        hook(context, step)
