"""Showing the backlog, not more often than it may cost."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit._database_errors import shown_of_database
from dddkit.sqlalchemy._relay.outage_log import LOGGER
from dddkit.sqlalchemy.engines import READ_ONLY, is_sqlite

if TYPE_CHECKING:
    from sqlalchemy import Table

    from dddkit.sqlalchemy._relay.claims import Claim
    from dddkit.sqlalchemy._relay.dead import Backlog, BacklogMetrics, People

__all__ = ["Gauges", "backlog_of"]

_SHARE: Final = 20
"""Counting a backlog takes longer the more waits: at most one part in so many of the time."""


class Gauges:
    """Keeps the metrics of a relay up to date. Where that fails, messages go all the same."""

    def __init__(self, table: Table, people: People, metrics: BacklogMetrics | None, poll: float) -> None:
        self._table: Final = table
        self._people: Final = people
        self._metrics: Final = metrics
        self._poll: Final = poll
        self._next = inf if metrics is None else -inf
        self._has_failed = False

    def is_due(self, now: float) -> bool:
        return now >= self._next

    async def refresh(self, claim: Claim) -> None:
        """Count by the connection of the relay: its host may need all those of the pool."""
        clock = asyncio.get_running_loop().time
        began = clock()
        backlog: Backlog | None = None
        try:
            backlog = await claim.read(self._people.backlog)
        except ValueError:  # written by hand, on SQLite
            LOGGER.warning("the metrics of a relay could not be set: a time in the column recorded_at is none")
        except Exception as error:  # it may take longer than a statement may; where the database is away, others say so
            if not self._has_failed:
                LOGGER.warning("%s: the metrics could not be set (%s)", self._table.fullname, shown_of_database(error))
        self._has_failed = backlog is None
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
