"""The outbox: the messages of a unit of work, in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, Connection, DateTime, Integer, MetaData, Table, Text

from dddkit._callables import kind_of
from dddkit._core.events import AnyAggregateEvent, current_time
from dddkit.exceptions import UnnamedEventError
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy._tables import check_new_table

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

    Raises:
        TypeError: the metadata has such a table.
    """

    def __init__(self, metadata: MetaData, catalog: EventCatalog, *, table: str = "dddkit_outbox") -> None:
        if not isinstance(catalog, EventCatalog):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"Outbox takes the EventCatalog that names the events, and got {kind_of(catalog)}")
        check_new_table("Outbox", metadata, table)
        self.catalog: Final = catalog
        self.table: Final = Table(
            table,
            metadata,
            Column("number", _NUMBER, primary_key=True),
            Column("id", Text(), nullable=False),
            Column("type", Text(), nullable=False),
            Column("subject", Text()),
            Column("recorded_at", DateTime(timezone=True), nullable=False),
            Column("message", Text(), nullable=False),
        )
        self._insert: Final = self.table.insert().inline()

    def _check(self, aggregates: Iterable[type]) -> None:
        """Raise UnnamedEventError for the events that the aggregates declare, and the catalog does not know."""
        catalog = self.catalog
        unnamed = [
            event
            for event in _declared_events(aggregates)
            if catalog._name_of(event) is None and not catalog._is_private(event)  # pyright: ignore[reportPrivateUsage]  # for units
        ]
        if unnamed:
            raise UnnamedEventError(unnamed)

    def _write(self, connection: Connection, messages: Sequence[Message]) -> None:
        if messages:
            connection.execute(self._insert, [_row_of(message) for message in messages])


def _declared_events(aggregates: Iterable[type]) -> Iterable[type]:
    """Return the event classes that stand in the bodies of the aggregates; none that is only the base of others."""
    found = {
        value: None
        for aggregate in aggregates
        for base in aggregate.__mro__
        for value in vars(base).values()
        if isinstance(value, type) and issubclass(value, AnyAggregateEvent)
    }
    return [event for event in found if not any(event in other.__bases__ for other in found)]


def _row_of(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "type": message.type,
        "subject": message.subject,
        "recorded_at": current_time(),  # UTC, since SQLite keeps no zone
        "message": message.to_json().decode(),
    }
