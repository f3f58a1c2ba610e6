"""What DBOS does not tell publicly, read in this one place: which instance there is, whether it was launched, its loop.

A test holds each of these to what DBOS does.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Collection, Container
from threading import Event

from dbos import DBOS, WorkflowHandleAsync
from dbos import _dbos as state_of_dbos
from dbos._utils import GlobalParams

__all__ = [
    "active_workflows",
    "at_launch",
    "configured_version",
    "has_ended",
    "instance",
    "is_ending",
    "is_launched",
    "registered_workflows",
    "set_executor_id",
    "target_loop",
    "task_of",
]

# pyright: reportPrivateUsage=false


def instance() -> DBOS | None:
    """Return the DBOS of this process, None before `DBOS(config=...)` and after `DBOS.destroy()`."""
    return state_of_dbos._dbos_global_instance


def is_launched() -> bool:
    """Whether `DBOS.launch()` was called, and not `DBOS.destroy()` after it."""
    dbos = instance()
    return dbos is not None and dbos._launched and dbos._sys_db_field is not None


def is_ending() -> bool:
    """Whether `DBOS.destroy()` is under way, which cancels what runs, or has been called."""
    dbos = instance()
    return dbos is None or not dbos._initialized


def configured_version() -> str:
    """Return the application version that DBOS was given, empty where it is to compute one."""
    return GlobalParams.app_version


def registered_workflows() -> Collection[str]:
    """Return the names that are taken: a second function of the same name would take the place of the first."""
    found = state_of_dbos._dbos_global_registry
    return () if found is None else found.workflow_info_map.keys()


def task_of(handle: WorkflowHandleAsync[str]) -> Future[str] | None:
    """Return the task that executes a workflow which was started in this loop; it is done when the end is recorded."""
    task: Future[str] | None = getattr(handle, "task", None)
    return task


def target_loop() -> AbstractEventLoop | None:
    """Return the loop that DBOS runs async workflows on; None before it was launched.

    It is the loop that was running when DBOS was launched, and a loop in a thread of its own when there was none, or
    when that one has ended.
    """
    dbos = instance()
    return None if dbos is None else dbos._background_event_loop.target_loop()


def set_executor_id(mine: str, instead_of: Container[str | None]) -> None:
    """Call this process so, where it is called by one of the others. DBOS reads its configuration only once."""
    if GlobalParams.executor_id in instead_of:
        GlobalParams.executor_id = mine


def at_launch(work: Callable[[Event], None]) -> None:
    """Have this called once, in a thread of its own, when DBOS is launched next, unless it will be.

    DBOS sets the event when it begins to end, and waits up to 10 seconds for the thread.
    """
    pollers = state_of_dbos._get_or_create_dbos_registry().pollers
    if not any(found is work for _, found, _, _ in pollers):
        stop = Event()
        pollers.append((stop, work, (stop,), {}))


def has_ended(dbos: DBOS) -> bool:
    """Whether this DBOS, which has begun to end, has given up its loop and its threads: nothing runs there any more."""
    return not dbos._background_event_loop._running and dbos._executor_field is None


def active_workflows() -> Collection[str]:
    """Return the ids of the workflows that this process is executing."""
    dbos = instance()
    return () if dbos is None else dbos._active_workflows_set.activeList()
