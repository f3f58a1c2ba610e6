"""How many runs of a durable story have not ended, and how they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dddkit.stories.durable.status import RunStatus

__all__ = ["Backlog"]


class Backlog(NamedTuple):
    """The runs of one story that have not ended, or that somebody has to look at."""

    story: str
    """The durable name."""
    runs: Mapping[RunStatus, int]
    """How many there are: PENDING, RUNNING, WAITING, UNDOING, CHANGED, and UNDO_FAILED, which have ended."""
    oldest: float
    """For how many seconds one stands as it does, of those that have not ended and do not wait; 0 without any."""
