"""Taking batches of an outbox, one relay at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit.sqlalchemy._relay.postgresql import PostgreSQLClaim
from dddkit.sqlalchemy._relay.sqlite import SQLiteClaim
from dddkit.sqlalchemy._relay.statements import Statements
from dddkit.sqlalchemy.engines import is_sqlite

if TYPE_CHECKING:
    from dddkit.sqlalchemy._relay.rows import Record, Row
    from dddkit.sqlalchemy._relay.statements import Wanted
    from dddkit.sqlalchemy.outbox import Outbox

__all__ = ["Claim", "claim_of"]


class Claim(Protocol):
    """The right to publish what is in an outbox, which at most one relay has at a time."""

    async def take(self, wanted: Wanted) -> list[Row] | None:
        """Return the messages of a batch, in order; None where another relay has the right."""
        ...

    async def record(self, record: Record) -> None:
        """Store what has become of messages, also where the right was lost meanwhile; it may be repeated."""
        ...

    async def leave(self) -> None:
        """Give up the right, and whatever it needs."""
        ...


def claim_of(engine: AsyncEngine, outbox: Outbox) -> Claim:
    statements = Statements(outbox.table, engine.dialect)
    if is_sqlite(engine):
        return SQLiteClaim(engine, outbox.table, statements)
    return PostgreSQLClaim(engine, outbox.table, statements)
