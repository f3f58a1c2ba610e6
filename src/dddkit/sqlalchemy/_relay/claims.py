"""Taking batches of an outbox, one relay at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit.sqlalchemy._relay.postgresql import PostgreSQLClaim
from dddkit.sqlalchemy._relay.sqlite import SQLiteClaim
from dddkit.sqlalchemy.engines import is_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Table

    from dddkit.sqlalchemy._relay.rows import Record, Row
    from dddkit.sqlalchemy._relay.statements import Statements, Wanted

__all__ = ["Claim", "claim_of"]

T = TypeVar("T")


class Claim(Protocol):
    """The right to publish what is in an outbox, which at most one relay has at a time."""

    async def take(self, wanted: Wanted) -> list[Row] | None:
        """Return the messages of a batch, in order; None where another relay has the right."""
        ...

    async def record(self, record: Record) -> None:
        """Store what has become of messages, also where the right was lost meanwhile; it may be repeated."""
        ...

    async def read(self, function: Callable[[Connection], T]) -> T:
        """Return what the function reads, with or without the right."""
        ...

    async def leave(self) -> None:
        """Give up the right, and whatever it needs."""
        ...


def claim_of(engine: AsyncEngine, table: Table, statements: Statements) -> Claim:
    kind = SQLiteClaim if is_sqlite(engine) else PostgreSQLClaim
    return kind(engine, table, statements)
