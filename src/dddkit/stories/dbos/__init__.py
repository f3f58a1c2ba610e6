"""Durable stories on DBOS: they go on where they were when their process ends."""

from __future__ import annotations

from dddkit.stories.dbos import _requirements as _requirements  # isort: skip  # first: it says what to install
from dddkit.exceptions import DuplicateRunError, ExecutorInUseError, RunNotFoundError, RunStatusError
from dddkit.stories.dbos.durable import Durable
from dddkit.stories.dbos.runs import Run, SignalReceipt
from dddkit.stories.dbos.settings import settings
from dddkit.stories.dbos.watching import watch
from dddkit.stories.dbos.worker import Worker

__all__ = [
    "DuplicateRunError",
    "Durable",
    "ExecutorInUseError",
    "Run",
    "RunNotFoundError",
    "RunStatusError",
    "SignalReceipt",
    "Worker",
    "settings",
    "watch",
]
