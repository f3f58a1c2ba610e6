"""How a durable run stands."""

from __future__ import annotations

from enum import Enum

__all__ = ["RunStatus"]


class RunStatus(Enum):
    """How a durable run stands; `.value` is the word of metrics and dashboards."""

    PENDING = "pending"
    """It is recorded, and no worker has begun it."""
    RUNNING = "running"
    """A worker carries it out."""
    WAITING = "waiting"
    """For a signal, or the end of a delay."""
    COMPLETED = "completed"
    """All steps have returned."""
    FAILED = "failed"
    """A step has failed, and nothing had to be undone."""
    UNDOING = "undoing"
    """A step has failed, or the run was cancelled, and compensations run."""
    UNDONE = "undone"
    """A step has failed, and what was done before it is undone."""
    UNDO_FAILED = "undo_failed"
    """Something is left that could not be undone, and a person has to look."""
    CANCELLED = "cancelled"
    """Somebody has called `cancel`."""
    CHANGED = "changed"
    """What is recorded does not fit the story as this worker has it; the run stays as it is."""

    @property
    def is_finished(self) -> bool:
        """Whether the run has ended, so that it does nothing more by itself."""
        return self in _FINISHED

    def __str__(self) -> str:
        return self.value


_FINISHED = frozenset(
    {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.UNDONE, RunStatus.UNDO_FAILED, RunStatus.CANCELLED}
)
