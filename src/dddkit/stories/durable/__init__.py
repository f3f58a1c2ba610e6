"""Stories that survive their process: what is said of them; no engine is known here."""

from dddkit.exceptions import (
    RunCancelledError,
    SignalTimeoutError,
    StepFailedError,
    StoryChangedError,
    StoryNotRecordableError,
)
from dddkit.stories.durable.retry import Retry
from dddkit.stories.durable.status import RunStatus
from dddkit.stories.durable.waiting import Delay, Signal

__all__ = [
    "Delay",
    "Retry",
    "RunCancelledError",
    "RunStatus",
    "Signal",
    "SignalTimeoutError",
    "StepFailedError",
    "StoryChangedError",
    "StoryNotRecordableError",
]
