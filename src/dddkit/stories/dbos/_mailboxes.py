"""What others send to a run: signals, and the wish that it is cancelled. Each is kept once, and the first one counts.

A mailbox is a tiny workflow of its own, whose id is made of the run's: DBOS keeps the first that takes an id, and
refuses all others, in whatever process they come. Its input is what was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final
from urllib.parse import quote

from dbos import DBOS, SetWorkflowID, WorkflowSerializationFormat, WorkflowStatus, error

from dddkit.stories.dbos._private import registered_workflows, task_of

__all__ = [
    "BOXES",
    "MAILBOX",
    "TOO_LATE",
    "cancel_box",
    "contents",
    "first_in",
    "forget",
    "input_of",
    "register_mailboxes",
    "run_of",
    "signal_box",
    "stop_box",
]

MAILBOX: Final = "dddkit.mailbox"
"""The name of the workflow."""
BOXES: Final = f"{MAILBOX}/"
"""What the ids of mailboxes begin with, and no id of a run: else a run could have the id of the box of another one."""
TOO_LATE: Final = ""
"""What a run itself puts into the box of a signal that it waits for no longer; no JSON, as all signals are."""

_kept_by: Any = None


async def _keep(sent: str) -> None:
    """Nothing is to be done: the input is there to be read."""


def register_mailboxes() -> None:
    """Let DBOS know the workflow, unless it does; it forgets all with its registry."""
    global _kept_by
    if MAILBOX not in registered_workflows():
        _kept_by = DBOS.workflow(
            name=MAILBOX, max_recovery_attempts=None, serialization_type=WorkflowSerializationFormat.PORTABLE
        )(_keep)


def signal_box(run_id: str, signal: str) -> str:
    return f"{BOXES}signal/{quote(signal, safe='')}/{run_id}"


def cancel_box(run_id: str) -> str:
    return f"{BOXES}cancel/{run_id}"


def stop_box(run_id: str) -> str:
    """Return the box that says that a run was cancelled, and is not to be undone.

    DBOS's own status says so too, until a worker that takes the run over at this moment gives it another one.
    """
    return f"{BOXES}stop/{run_id}"


def run_of(box: str) -> str:
    """Return the id of the run that a mailbox belongs to."""
    kind, _, rest = box.removeprefix(BOXES).partition("/")
    return rest.partition("/")[2] if kind == "signal" else rest


async def first_in(box: str, sent: str) -> str | None:
    """Put it into the box, unless there is something; return what was there before."""
    with SetWorkflowID(box, workflow_id_reuse_policy="reject"):
        try:
            handle = await DBOS.start_workflow_async(_kept_by, sent)
        except error.DBOSWorkflowIDInUseError:
            return (await contents([box])).get(box)
    if (task := task_of(handle)) is not None:
        await asyncio.wait([task])  # or DBOS would log an error where the box is emptied before its end is recorded
    return None


async def contents(boxes: Sequence[str]) -> dict[str, str]:
    """Return what is in those of the boxes that have something, by one query."""
    if not boxes:
        return {}
    found = await DBOS.list_workflows_async(workflow_ids=list(boxes), name=MAILBOX, load_output=False)
    return {row.workflow_id: input_of(row) for row in found}


async def forget(boxes: Collection[str]) -> None:
    """Empty the boxes."""
    if boxes:
        await DBOS.delete_workflows_async(list(boxes))


def input_of(row: WorkflowStatus) -> str:
    """Return the one argument that all workflows of ours have: a text."""
    arguments: Any = row.input
    text: str = arguments["args"][0]
    return text
