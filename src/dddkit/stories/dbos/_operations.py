"""What can be done with the runs of a durable story: on DBOS's loop, outside of all runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from time import monotonic
from typing import Any, Final

from dbos import DBOS, WorkflowStatus, error

from dddkit.exceptions import (
    DuplicateRunError,
    RunCancelledError,
    RunNotFoundError,
    RunStatusError,
    StoryChangedError,
)
from dddkit.stories.dbos._ends import outcome_of_task, task_here
from dddkit.stories.dbos._executions import executions_of
from dddkit.stories.dbos._journal import entries_in, entries_of
from dddkit.stories.dbos._looking import deliver
from dddkit.stories.dbos._mailboxes import (
    MAILBOX,
    TOO_LATE,
    cancel_box,
    contents,
    first_in,
    forget,
    input_of,
    run_of,
    signal_box,
    stop_box,
)
from dddkit.stories.dbos._told import saying, told_of
from dddkit.stories.dbos._workflow import AGAIN, Prepared, Workflow, begin, row_of
from dddkit.stories.dbos.runs import Run, SignalReceipt, outcome_in, run_in, status_of
from dddkit.stories.durable._journal import UNDO, Entry
from dddkit.stories.durable._outcome import outcome_of
from dddkit.stories.durable._recorded_state import read_record
from dddkit.stories.durable._replay import first_entry_to_repeat, kept_entries
from dddkit.stories.durable.status import RunStatus

__all__ = ["Operations"]

_ACTIVE: Final = ["PENDING", "ENQUEUED", "DELAYED"]
_STATUSES: Final[Mapping[RunStatus, list[str]]] = {
    RunStatus.PENDING: ["ENQUEUED", "DELAYED"],
    RunStatus.RUNNING: ["PENDING"],
    RunStatus.COMPLETED: ["SUCCESS"],
    RunStatus.FAILED: ["ERROR"],
    RunStatus.UNDONE: ["ERROR"],
    RunStatus.UNDO_FAILED: ["ERROR"],
    RunStatus.CANCELLED: ["CANCELLED", "ERROR"],
}
"""Which statuses of DBOS a run of ours may have; _ACTIVE where there is nothing."""
_PAGE: Final = 200
_SHORTEST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 1.0
"""Seconds between two looks for the end of a run."""
_LONGEST_TRUST: Final = 10.0
"""Seconds between two looks for one that this process executes: another may have taken it over."""


class Operations:
    """The operations on the runs of one durable story, each a coroutine."""

    def __init__(self, prepared: Prepared, workflows: Mapping[str, Workflow]) -> None:
        self._prepared: Final = prepared
        self._workflows: Final = workflows
        self._name: Final = prepared.plan.name
        self._queue_exists = prepared.queue is None

    async def start(self, run_id: str, fields: dict[str, Any], trace: Any) -> None:
        queue = self._prepared.queue
        if not self._queue_exists and queue is not None:
            if await DBOS.retrieve_queue_async(queue) is None:
                raise ValueError(
                    f"{self._name}: there is no queue {queue!r}, and nobody would begin its runs; call "
                    f"DBOS.register_queue({queue!r}, ...) after DBOS.launch()"
                )
            self._queue_exists = True
        try:
            await begin(self._workflows[self._name], self._name, json.dumps(fields), run_id, queue, trace)
        except error.DBOSWorkflowIDInUseError as taken:
            if taken.workflow_name not in self._workflows:
                raise DuplicateRunError(self._name, run_id, str(taken.workflow_name)) from None
            row = await self._row(run_id, load_input=True)
            if not self._prepared.codec.same(json.loads(input_of(row)), fields):
                raise DuplicateRunError(self._name, run_id, self._name) from None

    async def result(self, run_id: str, timeout: float | None) -> Any:
        outcome = await self._outcome(run_id, timeout)
        return outcome_of(outcome, self._prepared.plan, self._prepared.codec, run_id)

    async def _outcome(self, run_id: str, timeout: float | None) -> str:
        deadline = None if timeout is None else monotonic() + timeout
        pause = _SHORTEST_PAUSE
        while True:
            left = None if deadline is None else deadline - monotonic()
            longest = _LONGEST_PAUSE if left is None else max(min(left, _LONGEST_PAUSE), 0)
            task = task_here(run_id, self._workflows)
            if task is not None:
                outcome = await outcome_of_task(task, _LONGEST_TRUST if left is None else min(left, _LONGEST_TRUST))
                if outcome is not None:
                    return outcome
            row = await self._row(run_id, load_output=True)
            if row.status not in _ACTIVE:
                return self._outcome_in(row)
            if left is not None and left <= 0:
                status = status_of(row)
                goes_on = "it goes on, ask again"
                if status is RunStatus.CHANGED:
                    goes_on = "it goes on where a worker has the story that it was started with"
                raise TimeoutError(f"{self._name}: the run {run_id!r} is {status} after {timeout:g} s; {goes_on}")
            if task is not None:
                continue
            here = executions_of(run_id)
            if here:  # begun by another process, or again by this one
                await here[-1].ended(longest)
                pause = _SHORTEST_PAUSE  # it is recorded in a moment
            else:
                await asyncio.sleep(min(pause, longest))
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _outcome_in(self, row: WorkflowStatus) -> str:
        outcome = outcome_in(row)
        if outcome is not None:
            return outcome
        if row.status == "CANCELLED":
            raise RunCancelledError(self._name, row.workflow_id)
        raise row.error or RunStatusError(self._name, row.workflow_id, status_of(row).value, "it has no result")

    async def status(self, run_id: str) -> RunStatus:
        return status_of(await self._row(run_id, load_output=True))

    async def signal(self, run_id: str, signal: str, text: str) -> SignalReceipt:
        status = status_of(await self._row(run_id, load_output=True))
        box = signal_box(run_id, signal)
        is_too_late = status.is_finished or status is RunStatus.UNDOING
        if is_too_late:
            before = (await contents([box])).get(box)
        else:
            before = await first_in(box, text)
            for execution in executions_of(run_id):
                deliver(execution, box)
        accepted = not is_too_late and before is None
        return SignalReceipt(accepted, None if before in (None, TOO_LATE) else self._value(signal, before), status)

    def _value(self, signal: str, text: str) -> Any:
        state_class: Any = self._prepared.state_class
        state, into = state_class.__new__(state_class), self._prepared.plan.signals[signal].into
        self._prepared.codec.set(state, {into: json.loads(text)}, ())
        return getattr(state, into)

    async def cancel(self, run_id: str, *, undo: bool) -> None:
        row = await self._row(run_id, load_output=True)
        status = status_of(row)
        if status is RunStatus.CANCELLED and not undo:
            return
        if status.is_finished:
            is_resumable = status is RunStatus.CANCELLED and outcome_in(row) is None
            advice = "resume it first, then cancel it" if is_resumable else "there is nothing to stop"
            undoing = "cancel(undo=True) undoes no run that has ended" if undo else "it has ended"
            raise RunStatusError(self._name, run_id, status.value, f"{undoing}; {advice}")
        if not undo:
            await first_in(stop_box(run_id), "{}")
            await DBOS.cancel_workflow_async(run_id)
            for execution in executions_of(run_id):
                execution.stop()
        elif status is not RunStatus.UNDOING:
            await first_in(cancel_box(run_id), "{}")
            for execution in executions_of(run_id):
                deliver(execution, cancel_box(run_id))

    async def resume(self, run_id: str) -> None:
        row = await self._row(run_id, load_output=True)
        status = status_of(row)
        if status is RunStatus.UNDOING or (status is RunStatus.CANCELLED and outcome_in(row) is None):
            if status is RunStatus.UNDOING or await self._is_being_undone(row):
                advice = "it goes on by itself" if status is RunStatus.UNDOING else "retry continues it"
                raise RunStatusError(self._name, run_id, status.value, f"its undoing has begun; {advice}")
            await forget([cancel_box(run_id), stop_box(run_id)])
        elif status is not RunStatus.CHANGED:
            if status.is_finished:
                advice = "start another run, under another id"
                if status in (RunStatus.FAILED, RunStatus.UNDO_FAILED):
                    advice = "retry repeats it from where it failed"
                raise RunStatusError(self._name, run_id, status.value, f"it cannot be resumed; {advice}")
            return  # somebody executes it, or is about to
        await DBOS.update_workflow_attributes_async(run_id, saying(RunStatus.PENDING), merge=True)
        await DBOS.resume_workflow_async(run_id, queue_name=self._prepared.queue)

    async def retry(self, run_id: str, *, new_keys: bool) -> None:
        row = await self._row(run_id, load_input=True, load_output=True)
        status = status_of(row)
        if status is RunStatus.CANCELLED and row.status == "CANCELLED" and await self._is_being_undone(row):
            await forget([stop_box(run_id)])
            await DBOS.resume_workflow_async(run_id, queue_name=self._prepared.queue)
            return
        if status not in (RunStatus.FAILED, RunStatus.UNDO_FAILED):
            advice = "nothing of it has failed"
            if status is RunStatus.UNDONE or (status is RunStatus.CANCELLED and outcome_in(row) is not None):
                advice = "all is undone; start another run, under another id"
            elif status is RunStatus.CANCELLED:
                advice = "resume continues it"
            elif status is RunStatus.UNDOING:
                advice = "it is being undone"
            raise RunStatusError(self._name, run_id, status.value, f"it cannot be retried; {advice}")
        entries = await entries_of(run_id)
        try:
            index = first_entry_to_repeat(entries, self._prepared.plan)
        except ValueError:  # the engine's own failure, not that of a step
            index = len(entries)
        self._check_fits(row, entries[:index])
        again: dict[str, Any] = (row.attributes or {}).get(AGAIN) or {}
        takes_over: dict[str, Any] = {
            "kept": {**(again.get("kept") or {}), **kept_entries(entries, index)},
            "keys": again.get("keys", 1) + new_keys,
        }
        await DBOS.update_workflow_attributes_async(run_id, {AGAIN: takes_over}, merge=True)
        await self._open_again(run_id, is_cancelled_no_more=status is RunStatus.FAILED)
        try:
            await DBOS.rewind_workflow_async(run_id, start_step=index + 1, queue_name=self._prepared.queue)
        except error.DBOSException as refused:
            raise RunStatusError(
                self._name, run_id, status.value, "somebody else retries it at this moment; look at its status"
            ) from refused

    async def _open_again(self, run_id: str, *, is_cancelled_no_more: bool) -> None:
        """Open the boxes of signals that did not come in time, and forget that somebody wanted the run cancelled."""
        sent = await contents([signal_box(run_id, signal) for signal in self._prepared.plan.signals])
        open_again = [box for box, text in sent.items() if text == TOO_LATE]
        await forget([*open_again, stop_box(run_id), *([cancel_box(run_id)] if is_cancelled_no_more else ())])

    def can_continue(self, row: WorkflowStatus) -> bool:
        """Whether what is recorded of a run fits the story as it is here; in a thread without a loop."""
        if row.name not in self._workflows:
            return False
        run_id = row.workflow_id
        entries = entries_in(DBOS.list_workflow_steps(run_id))
        started = DBOS.list_workflows(workflow_ids=[run_id], load_output=False)
        try:
            self._check_fits(started[0], entries)
        except StoryChangedError:
            return False
        return True

    def _check_fits(self, row: WorkflowStatus, entries: Sequence[Entry]) -> None:
        """Raise StoryChangedError where a run that was loaded with its input cannot go on here behind these entries."""
        prepared = self._prepared
        read_record(prepared.plan, prepared.codec, input_of(row), entries, row.workflow_id)

    async def _is_being_undone(self, row: WorkflowStatus) -> bool:
        """Whether a compensation has begun, perhaps the first one, of which nothing is recorded yet."""
        if told_of(row).get("status") == RunStatus.UNDOING.value:
            return True
        return any(entry.name.startswith(UNDO) for entry in await entries_of(row.workflow_id))

    async def runs(self, status: RunStatus | None, limit: int) -> list[Run]:
        found: dict[str, Run] = {}  # by id: a run that was started meanwhile moves the others to the next page
        offset = 0
        while len(found) < limit:
            rows = await DBOS.list_workflows_async(
                name=list(self._workflows),
                status=None if status is None else _STATUSES.get(status, _ACTIVE),
                limit=_PAGE if status is not None else min(limit - len(found), _PAGE),
                offset=offset,
                sort_desc=True,
                load_input=False,
                load_output=False,
            )
            offset += len(rows)
            found |= {run.id: run for run in await _as_runs(rows) if status in (None, run.status)}
            if len(rows) < _PAGE:
                break
        return list(found.values())[:limit]

    async def purge(self, older_than: timedelta) -> int:
        try:
            before = (datetime.now(timezone.utc) - older_than).isoformat()
        except OverflowError:  # nothing is older than time itself
            return 0
        offset = purged = 0
        while True:
            rows = await DBOS.list_workflows_async(
                name=list(self._workflows),
                status=["SUCCESS", "ERROR", "CANCELLED"],
                completed_before=before,
                limit=_PAGE,
                offset=offset,
                load_input=False,
                load_output=False,
            )
            done = [run.id for run in await _as_runs(rows) if run.status is not RunStatus.UNDO_FAILED]
            if done:
                await DBOS.delete_workflows_async(done)
            purged += len(done)
            offset += len(rows) - len(done)
            if len(rows) < _PAGE:
                break
        await _purge_mailboxes(before)
        return purged

    async def _row(self, run_id: str, *, load_input: bool = False, load_output: bool = False) -> WorkflowStatus:
        row = await row_of(run_id, load_input=load_input, load_output=load_output)
        if row is None:
            raise RunNotFoundError(self._name, run_id)
        if row.name not in self._workflows:
            raise RunNotFoundError(self._name, run_id, row.name)
        return row


async def _as_runs(rows: list[WorkflowStatus]) -> list[Run]:
    """Return how the runs stand; only what has ended by an error needs its output for that."""
    failed = [row.workflow_id for row in rows if row.status == "ERROR"]
    loaded = await DBOS.list_workflows_async(workflow_ids=failed, load_input=False) if failed else []
    by_id = {row.workflow_id: row for row in loaded}
    return [run_in(by_id.get(row.workflow_id, row)) for row in rows]


async def _purge_mailboxes(before: str) -> None:
    """Delete the mailboxes of runs that exist no more."""
    offset = 0
    while True:
        boxes = await DBOS.list_workflows_async(
            name=MAILBOX, end_time=before, limit=_PAGE, offset=offset, load_input=False, load_output=False
        )
        ids = list({run_of(box.workflow_id) for box in boxes})
        runs = await DBOS.list_workflows_async(workflow_ids=ids, load_input=False, load_output=False) if ids else []
        there = {row.workflow_id for row in runs}
        orphans = [box.workflow_id for box in boxes if run_of(box.workflow_id) not in there]
        await forget(orphans)
        offset += len(boxes) - len(orphans)
        if len(boxes) < _PAGE:
            return
