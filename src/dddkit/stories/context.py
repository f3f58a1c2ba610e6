"""The facts of one run: which story, which state, and how each step went."""

from dddkit.stories._engine.facts import StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.status import StepStatus

__all__ = ["StepExecutionInfo", "StepStatus", "StoryExecutionContext"]
