"""How a step, or a whole run, stands."""

from __future__ import annotations

from enum import Enum

__all__ = ["StepStatus", "Suspended", "status_of"]


class StepStatus(Enum):
    """How a step, or a whole run, stands.

    `.value` and `str()` are the glyph of the execution tree; `.name.lower()` is the word for metrics.
    """

    PENDING = ""
    """It has not begun."""
    RUNNING = "⟳"
    """It has begun, and has not ended."""
    COMPLETED = "✓"
    """It returned."""
    FAILED = "✗"
    """It raised an `Exception`."""
    CANCELLED = "⊘"
    """It ended by an exception that is no `Exception`, as a cancelled task, a closed coroutine and Ctrl-C do."""

    def __str__(self) -> str:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self._value_, spec)


class Suspended(BaseException):
    """What leaves the hooks around a durable run that goes on later: it has not ended, so nothing is counted."""


def status_of(error: BaseException | None) -> StepStatus:
    """Return the status of a step, or a run, that ended with this exception, or with none."""
    if error is None:
        return StepStatus.COMPLETED
    # `isinstance` would also ask for `__class__`, which an error may define.
    return StepStatus.FAILED if issubclass(type(error), Exception) else StepStatus.CANCELLED
