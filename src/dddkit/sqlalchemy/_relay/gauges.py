"""Showing the backlog, not more often than it may cost."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit.sqlalchemy._relay.outage_log import LOGGER
from dddkit.sqlalchemy.engines import READ_ONLY, is_sqlite

if TYPE_CHECKING:
    from dddkit.sqlalchemy._relay.dead import Backlog, BacklogMetrics, People

__all__ = ["Gauges", "backlog_of"]

_SHARE: Final = 20
"""Counting a backlog takes longer the more waits: at most one part in so many of the time."""


class Gauges:
    """Keeps the metrics of a relay up to date."""

    def __init__(self, engine: AsyncEngine, people: People, metrics: BacklogMetrics | None, poll: float) -> None:
        self._engine: Final = engine
        self._people: Final = people
        self._metrics: Final = metrics
        self._poll: Final = poll
        self._next = inf if metrics is None else -inf

    def is_due(self, now: float) -> bool:
        return now >= self._next

    async def refresh(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        backlog: Backlog | None = None
        try:
            backlog = await backlog_of(self._engine, self._people)
        except ValueError:  # written by hand, on SQLite; messages go all the same
            LOGGER.warning("the metrics of a relay could not be set: a time in the column recorded_at is none")
        now = clock()
        self._next = now + max(self._poll, (now - began) * _SHARE)
        if self._metrics is not None and backlog is not None:
            try:
                self._metrics.set(backlog)
            except Exception:  # somebody's own metrics must not stop messages
                LOGGER.exception("the metrics of a relay could not be set")


async def backlog_of(engine: AsyncEngine, people: People) -> Backlog:
    async with engine.connect() as connection:
        if is_sqlite(engine):
            await connection.execution_options(**{READ_ONLY: True})
        return await connection.run_sync(people.backlog)
