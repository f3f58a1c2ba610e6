"""Finding the runs that nobody executes any more, and having them executed."""

from __future__ import annotations

import time
from asyncio import AbstractEventLoop
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Event
from typing import Final

from dbos import DBOS, WorkflowStatus

from dddkit.stories.dbos._leases import Lease
from dddkit.stories.dbos._log import LOGGER
from dddkit.stories.dbos._private import active_workflows, registered_workflows, target_loop
from dddkit.stories.dbos._told import saying, told_of
from dddkit.stories.durable.status import RunStatus

__all__ = ["TakeOver", "ask_before_taking", "hand_over"]

_SETTLED: Final = 3.0
"""Seconds after which a process that has just got its lease takes over: after an outage, others get theirs back too."""
_STRAY: Final = 5.0
"""Seconds after which a run of this process that nothing executes is begun again, at first; then ever later."""
_LONGEST: Final = 300.0
_MOST: Final = 5000
"""Ids in one statement; SQLite takes 32,766 parameters, PostgreSQL 65,535."""

CanContinue = Callable[[WorkflowStatus], bool]


class TakeOver:
    """What one worker has seen so far."""

    def __init__(self, lease: Lease, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease: Final = lease
        self._clock: Final = clock
        self._pulse: Final = _Pulse()
        self._without_lease: set[str] = set()
        self._strays: dict[str, _Stray] = {}
        self._looked = 0.0
        """When it has looked for strays the last time."""
        self._cannot: dict[str, int | None] = {}
        """The runs that this process cannot continue, as it has found out, and when they were changed last."""
        self._missing: Final[set[str]] = set()
        """The stories that this process does not have, of which it got runs."""

    def look(self) -> None:
        """Look at all runs that somebody should be executing."""
        if self._lease.held_for() < _SETTLED:
            self._without_lease.clear()
            return
        own, others, handed_back = self._executed()
        self._begin_strays(own)
        self._take_from_dead({str(run.executor_id) for run in others})
        self._take_handed_back(handed_back)

    def _executed(self) -> tuple[list[WorkflowStatus], list[WorkflowStatus], list[WorkflowStatus]]:
        """Return the runs of this process, those of others, and those of others that cannot continue them."""
        own: list[WorkflowStatus] = []
        others: list[WorkflowStatus] = []
        handed_back: list[WorkflowStatus] = []
        for run in _pending():
            if run.executor_id == self._lease.executor_id:
                own.append(run)
            else:
                others.append(run)
                if _is_handed_back(run):
                    handed_back.append(run)
        return own, others, handed_back

    def _take_from_dead(self, executors: set[str]) -> None:
        """Take the runs of executors without a lease. Seen twice: a connection may be lost and made again."""
        seen, self._without_lease = self._without_lease, set()
        for executor in sorted(executors):
            with self._lease.borrowed(executor) as is_dead:
                if not is_dead:
                    continue
                if executor not in seen:
                    self._without_lease.add(executor)
                    continue
                runs = _pending(executor)  # again: another worker may have taken them a moment ago
                _resume(runs)
                if runs:
                    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
                    LOGGER.warning("took over %s of %s, which is not running any more", count, executor)

    def _begin_strays(self, own: Iterable[WorkflowStatus]) -> None:
        """Begin again what this process has, and does not execute: an execution has ended and left its run."""
        active, known, now = active_workflows(), registered_workflows(), self._clock()
        before, last, self._looked = self._strays, self._looked, now
        if not self._pulse.beats():
            for stray in before.values():
                stray.since = stray.seen = now
            return
        for run in own:
            if run.workflow_id in active or _is_handed_back(run):
                continue
            if run.name not in known:  # another version of the application has it
                self._hand_back(run)
                continue
            stray = before.setdefault(run.workflow_id, _Stray(now))
            if stray.seen < last:  # it was executed since then: what was claimed a moment ago only begins
                stray.since = now
            stray.seen = now
            if now - stray.since >= stray.pause:
                _resume([run])
                stray.since, stray.pause = now, min(stray.pause * 2, _LONGEST)
        # One that was begun again is remembered for a while: it may soon be left again.
        self._strays = {run_id: stray for run_id, stray in before.items() if now - stray.seen < stray.pause * 2}

    def _hand_back(self, run: WorkflowStatus) -> None:
        if run.name not in self._missing:
            self._missing.add(run.name)
            LOGGER.warning(
                "this process got runs of %s, which it does not have, as %s; another worker may continue them",
                run.name,
                run.workflow_id,
            )
        _say(run, RunStatus.CHANGED)

    def _take_handed_back(self, runs: Iterable[WorkflowStatus]) -> None:
        """Take what another worker could not continue, where this one can."""
        known, before, self._cannot = registered_workflows(), self._cannot, {}
        for run in runs:
            if before.get(run.workflow_id, -1) == run.updated_at:
                self._cannot[run.workflow_id] = run.updated_at
            elif run.name in known and (run.name not in _asked or _asked[run.name](run)):
                self._take(run)
            else:
                self._cannot[run.workflow_id] = run.updated_at

    def _take(self, run: WorkflowStatus) -> None:
        with self._lease.borrowed(f"run {run.workflow_id}") as is_free:
            again = [found for found in _pending(str(run.executor_id)) if found.workflow_id == run.workflow_id]
            if is_free and again and _is_handed_back(again[0]):
                _say(run, RunStatus.PENDING)
                _resume(again)


def hand_over(lease: Lease) -> None:
    """Leave the runs of this process, which executes none any more, to whoever begins them next.

    They need not wait until somebody finds that this process does not run any more, and nobody takes it for dead.
    """
    if lease.held:  # else others may have taken them over
        _resume(_pending(lease.executor_id))


class _Pulse:
    """Whether the loop of this process goes on: in one that stands still, what was claimed for it cannot begin."""

    def __init__(self) -> None:
        self._loop: AbstractEventLoop | None = None
        self._answer = Event()

    def beats(self) -> bool:
        """Return whether the loop has answered what it was asked here the last time; ask it again."""
        loop = target_loop()
        if loop is not None and loop is self._loop and not self._answer.is_set():
            return False
        self._loop, self._answer = loop, Event()
        if loop is not None:
            with suppress(RuntimeError):  # it has ended, and DBOS has another one
                loop.call_soon_threadsafe(self._answer.set)
        return True


class _Stray:
    """A run that nothing executes."""

    def __init__(self, since: float) -> None:
        self.since = self.seen = since
        self.pause = _STRAY


_asked: Final[dict[str, CanContinue]] = {}


def ask_before_taking(names: Iterable[str], can_continue: CanContinue) -> None:
    """Have this asked whether a run of these workflows can be continued here which another worker could not continue.

    Of a workflow that nobody is asked about, all can: it is no durable story, and another worker does not have it.
    """
    _asked.update(dict.fromkeys(names, can_continue))


def _pending(executor: str | None = None) -> list[WorkflowStatus]:
    """Return what executors are executing, as far as the database knows, in this version's processes alone."""
    return DBOS.list_workflows(
        status="PENDING",
        executor_id=executor,
        app_version=DBOS.application_version,
        load_input=False,
        load_output=False,
    )


def _resume(runs: Iterable[WorkflowStatus]) -> None:
    by_queue: defaultdict[str | None, list[str]] = defaultdict(list)
    for run in runs:
        by_queue[run.queue_name].append(run.workflow_id)
    for queue, ids in by_queue.items():
        for start in range(0, len(ids), _MOST):
            DBOS.resume_workflows(ids[start : start + _MOST], queue_name=queue)


def _is_handed_back(run: WorkflowStatus) -> bool:
    return told_of(run).get("status") == RunStatus.CHANGED.value


def _say(run: WorkflowStatus, status: RunStatus) -> None:
    DBOS.update_workflow_attributes(run.workflow_id, saying(status), merge=True)
