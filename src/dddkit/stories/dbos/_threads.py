"""The threads in which the steps of sync stories run."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final

__all__ = ["step_threads"]

_MOST: Final = 32

_executor: ThreadPoolExecutor | None = None


def step_threads() -> Executor:
    """Return the threads, others in a forked child.

    They are not DBOS's own: those write the records, also of runs that a step starts and waits for.
    """
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(_MOST, "dddkit-step")
    return _executor


def _forget() -> None:
    """The threads of the parent do not exist here."""
    global _executor
    _executor = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
