"""What is told about runs: how one stands, and what became of a signal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from dbos import WorkflowStatus

from dddkit.stories.dbos._told import told_of
from dddkit.stories.durable.status import RunStatus

__all__ = ["Run", "SignalReceipt", "outcome_in", "status_of"]


@dataclass(frozen=True, slots=True)
class Run:
    """How a run stands, at the moment it was asked for."""

    id: str
    """The id that its caller gave it."""
    status: RunStatus
    """How it stands."""
    step: str | None
    """The step that it waits in, or that its record does not fit; None where there is nothing to tell."""
    started: datetime
    """When it was recorded; in UTC."""
    updated: datetime
    """When its status changed last; in UTC."""


@dataclass(frozen=True, slots=True)
class SignalReceipt:
    """What became of a signal."""

    accepted: bool
    """Whether it is the one that counts, so that the run gets its value, or has got it."""
    first: Any
    """The value of the one that came first; None where the signal was accepted, or came too late."""
    status: RunStatus
    """How the run stood when the signal came. One that has finished takes none."""


_TOLD: Final = {status.value for status in (RunStatus.WAITING, RunStatus.UNDOING, RunStatus.CHANGED)}
"""What only the run itself knows."""


def outcome_in(row: WorkflowStatus) -> str | None:
    """Return the JSON of the outcome; None where the run has none, or it was not loaded."""
    if row.status == "SUCCESS":
        return row.output
    data: object = getattr(row.error, "data", None)
    return data if isinstance(data, str) else None


def status_of(row: WorkflowStatus) -> RunStatus:
    """Return how a run stands; of one that failed, its output was loaded."""
    if row.status == "SUCCESS":
        return RunStatus.COMPLETED
    if row.status == "ERROR":
        outcome = outcome_in(row)
        return RunStatus.FAILED if outcome is None else RunStatus(json.loads(outcome)["status"])
    if row.status == "CANCELLED":
        return RunStatus.CANCELLED
    told = told_of(row).get("status")
    if told in _TOLD:
        return RunStatus(told)
    return RunStatus.RUNNING if row.status == "PENDING" else RunStatus.PENDING


def run_in(row: WorkflowStatus) -> Run:
    started, status = row.created_at or 0, status_of(row)
    step = told_of(row).get("step") if status.value in _TOLD else None
    return Run(row.workflow_id, status, step, _time(started), _time(row.updated_at or started))


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
