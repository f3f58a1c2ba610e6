"""Looking, once a second, what other processes have sent to the runs that are executed here."""

from __future__ import annotations

from typing import Final

from dbos import DBOS

from dddkit.stories.dbos._executions import Execution, executions_here
from dddkit.stories.dbos._mailboxes import MAILBOX, cancel_box

__all__ = ["deliver", "look_for_mail"]


_MOST: Final = 5000
"""Ids in one query; SQLite takes 32,766 parameters."""


def look_for_mail() -> None:
    """Tell the executions of this process what has come for them, by few queries; in a thread without a loop."""
    wanted: dict[str, list[Execution]] = {}
    for execution in executions_here():
        for found in (execution.run_id, cancel_box(execution.run_id), execution.awaits):
            if found is not None:
                wanted.setdefault(found, []).append(execution)
    ids = list(wanted)
    for start in range(0, len(ids), _MOST):
        # Of the runs only those that were cancelled: the others are pending, and mailboxes are never for long.
        page, said = ids[start : start + _MOST], ["CANCELLED", "SUCCESS"]
        for row in DBOS.list_workflows(workflow_ids=page, status=said, load_input=False, load_output=False):
            for execution in wanted[row.workflow_id]:
                if row.name == MAILBOX:
                    deliver(execution, row.workflow_id)
                elif row.status == "CANCELLED":
                    execution.stop()


def deliver(execution: Execution, box: str) -> None:
    """Let an execution know that there is something in a mailbox."""
    if box == cancel_box(execution.run_id):
        execution.cancel_requested = True
    execution.wake()
