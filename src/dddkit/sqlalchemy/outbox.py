"""The outbox: the messages of a unit of work, in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timezone
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, Connection, DateTime, Integer, MetaData, Table, Text

from dddkit.messages import EventCatalog

if TYPE_CHECKING:
    from dddkit.messages import Message

__all__ = ["Outbox"]

_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")  # what SQLite numbers by itself


class Outbox:
    """Stores the events of a unit of work as messages, in a table of your metadata; a relay publishes them later.

    Args:
        metadata: where the table is declared, so that Alembic finds it.
        catalog: what the events are called outside of the process.
        table: the name of the table.
    """

    def __init__(self, metadata: MetaData, catalog: EventCatalog, *, table: str = "dddkit_outbox") -> None:
        self.catalog: Final = catalog
        self.table: Final = Table(
            table,
            metadata,
            Column("number", _NUMBER, primary_key=True),
            Column("id", Text(), nullable=False),
            Column("type", Text(), nullable=False),
            Column("subject", Text()),
            Column("time", DateTime(timezone=True), nullable=False),
            Column("message", Text(), nullable=False),
        )
        self._insert: Final = self.table.insert().inline()

    def _write(self, connection: Connection, messages: Sequence[Message]) -> None:
        if messages:
            connection.execute(self._insert, [_row_of(message) for message in messages])


def _row_of(message: Message) -> dict[str, Any]:
    text = message.to_json()
    return {
        "id": message.id,
        "type": message.type,
        "subject": message.subject,
        "time": message.time.astimezone(timezone.utc),
        "message": text if isinstance(text, str) else text.decode(),
    }
