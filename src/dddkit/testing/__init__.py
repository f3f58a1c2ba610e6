"""Tests of a domain in a few lines."""

from dddkit.testing._given import given
from dddkit.testing._recorded import recorded
from dddkit.testing.contracts import RepositoryContract, SyncRepositoryContract
from dddkit.testing.events import assert_events
from dddkit.testing.rehearsal import rehearse
from dddkit.testing.runs import run_failing, run_until
from dddkit.testing.sameness import assert_same

__all__ = [
    "RepositoryContract",
    "SyncRepositoryContract",
    "assert_events",
    "assert_same",
    "given",
    "recorded",
    "rehearse",
    "run_failing",
    "run_until",
]
