"""The ends of runs that this process executes: who waits for one need not ask the database."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Final, NamedTuple

__all__ = ["note_task", "outcome_of_task", "task_here"]


class _Task(NamedTuple):
    """What a run is executed by."""

    story: str
    task: asyncio.Future[str]
    """When it is done, the end of the run is recorded."""


_tasks: Final[dict[str, _Task]] = {}
"""By the id of the run."""


def note_task(run_id: str, story: str, task: asyncio.Future[str] | None) -> None:
    """Remember until it is done which task executes a run of this story."""
    if task is None:
        return
    _tasks[run_id] = noted = _Task(story, task)

    def forget(task: asyncio.Future[str]) -> None:
        if _tasks.get(run_id) is noted:
            del _tasks[run_id]

    task.add_done_callback(forget)


def task_here(run_id: str, stories: Container[str]) -> asyncio.Future[str] | None:
    """Return the task that executes a run of one of these stories in this loop, if one does."""
    noted = _tasks.get(run_id)
    if noted is None or noted.story not in stories or noted.task.get_loop() is not asyncio.get_running_loop():
        return None
    return noted.task


async def outcome_of_task(task: asyncio.Future[str], timeout: float) -> str | None:
    """Wait for the end of the run, at most for so many seconds; return the JSON of its outcome.

    None where it has not ended, or the database knows it better: another process goes on with it, perhaps.
    """
    done, _ = await asyncio.wait([task], timeout=timeout)
    if not done or task.cancelled():
        return None
    error = task.exception()
    outcome: object = task.result() if error is None else getattr(error, "data", None)
    return outcome if isinstance(outcome, str) else None
