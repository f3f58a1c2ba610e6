"""Counting the runs that have not ended, for metrics."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Final, Protocol

from dbos import DBOS, WorkflowStatus

from dddkit.stories.dbos._worker import look_each
from dddkit.stories.dbos._workflow import durable_names
from dddkit.stories.dbos.runs import status_of
from dddkit.stories.durable.backlog import Backlog
from dddkit.stories.durable.status import RunStatus

__all__ = ["watch"]

_EVERY: Final = 5.0  # seconds
_PAGE: Final = 200
_OVERLAP: Final = timedelta(minutes=5)
"""The clocks of machines differ, and what has ended may be seen late."""
_STANDING: Final = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.UNDOING, RunStatus.CHANGED)


class Metrics(Protocol):
    """What shows backlogs, as `dddkit.stories.durable.prometheus.RunMetrics` does."""

    def set(self, backlogs: Iterable[Backlog], /) -> None: ...


def watch(metrics: Metrics) -> None:
    """Have the runs of all durable stories of this process shown by these metrics, as long as DBOS is launched.

        watch(RunMetrics(registry))

    The runs are counted every five seconds, whatever process executes them, by a thread beside the runs. Where there
    are so many that counting takes long, it happens less often.
    """
    look_each(_EVERY, _Watcher(metrics).look, "the metrics of runs")


class _Watcher:
    """What one kind of metrics was shown last."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics: Final = metrics
        self._undo_failed: Final[set[str]] = set()
        self._looked: datetime | None = None
        """When the runs that have ended were looked through."""

    def look(self) -> None:
        """Count, and show it."""
        stories = durable_names()
        counts: defaultdict[str, Counter[RunStatus]] = defaultdict(Counter)
        since: defaultdict[str, list[int]] = defaultdict(list)
        for row in self._not_ended(stories):
            story, status = stories[row.name], status_of(row)
            counts[story][status] += 1
            if status in _STANDING:
                since[story].append(row.updated_at or row.created_at or 0)
        for row in self._not_undone(stories):
            counts[stories[row.name]][RunStatus.UNDO_FAILED] += 1
        now = time.time()
        self._metrics.set(
            Backlog(story, counts[story], now - min(since[story]) / 1000 if since[story] else 0.0)
            for story in sorted({*stories.values()})
        )

    def _not_ended(self, stories: Mapping[str, str]) -> list[WorkflowStatus]:
        return DBOS.list_workflows(
            name=list(stories), status=["PENDING", "ENQUEUED", "DELAYED"], load_input=False, load_output=False
        )

    def _not_undone(self, stories: Mapping[str, str]) -> Iterator[WorkflowStatus]:
        """Return the runs whose undoing has failed: of what has ended since the last look, and those known before."""
        now, after = datetime.now(timezone.utc), self._looked
        for row in _failed(stories, None if after is None else after - _OVERLAP):
            if status_of(row) is RunStatus.UNDO_FAILED:
                self._undo_failed.add(row.workflow_id)
        self._looked = now
        known = sorted(self._undo_failed)
        for start in range(0, len(known), _PAGE):
            page = known[start : start + _PAGE]
            rows = DBOS.list_workflows(workflow_ids=page, load_input=False)
            still = {row.workflow_id: row for row in rows if status_of(row) is RunStatus.UNDO_FAILED}
            self._undo_failed.difference_update({*page} - {*still})  # somebody has retried them meanwhile
            yield from still.values()


def _failed(stories: Mapping[str, str], after: datetime | None) -> Iterator[WorkflowStatus]:
    offset = 0
    while True:
        rows = DBOS.list_workflows(
            name=list(stories),
            status="ERROR",
            completed_after=None if after is None else after.isoformat(),
            limit=_PAGE,
            offset=offset,
            load_input=False,
        )
        yield from rows
        offset += len(rows)
        if len(rows) < _PAGE:
            return
