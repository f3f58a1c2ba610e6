"""Business operations as a list of steps."""

from dddkit._awaitables import FINISHED
from dddkit.stories._engine.compensations import compensates
from dddkit.stories._engine.step_keys import step_key
from dddkit.stories.context import StepExecutionInfo, StepStatus, StoryExecutionContext
from dddkit.stories.hooks import (
    ExecutionTimeTracker,
    HookRegistration,
    LoggingHook,
    StatusTracker,
    StoryHook,
    inject_hooks,
)
from dddkit.stories.state import StoryState, variable
from dddkit.stories.story import I, Story, steps

__all__ = [
    "FINISHED",
    "ExecutionTimeTracker",
    "HookRegistration",
    "I",
    "LoggingHook",
    "StatusTracker",
    "StepExecutionInfo",
    "StepStatus",
    "Story",
    "StoryExecutionContext",
    "StoryHook",
    "StoryState",
    "compensates",
    "inject_hooks",
    "step_key",
    "steps",
    "variable",
]
