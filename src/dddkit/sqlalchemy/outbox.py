"""The outbox: the messages of a unit of work, in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import ref

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    text,
)

from dddkit._callables import kind_of
from dddkit._core.events import AnyAggregateEvent, current_time
from dddkit._locks import new_lock
from dddkit.exceptions import UnnamedEventError
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy._prepared import Prepared
from dddkit.sqlalchemy._tables import check_new_table

if TYPE_CHECKING:
    from dddkit.messages.catalog import EncodedMessage

__all__ = ["Listener", "Outbox"]

_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")  # what SQLite numbers by itself

_COLUMNS: Final[Sequence[str]] = ("id", "type", "subject", "message", "recorded_at")
"""What is inserted: an EncodedMessage, and the time."""


class Listener(Protocol):
    """What is told of new messages: a relay that runs."""

    def wake(self) -> None:
        """Look for messages. From any thread; never raises, and never waits."""
        ...


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
            # What a relay notes when a message fails; nothing of it is inserted.
            Column("attempts", Integer(), nullable=False, server_default=text("0")),
            Column("error", Text()),
            Column("died_at", DateTime(timezone=True)),
        )
        died = text("died_at IS NOT NULL")  # few, and each batch asks for them
        Index(f"{table}_dead", self.table.c.subject, postgresql_where=died, sqlite_where=died)
        self._listeners: tuple[ref[Listener], ...] = ()
        self._insert: Final = self.table.insert().inline()
        values = {name: bindparam(f"the_{name}", type_=self.table.c[name].type) for name in _COLUMNS}
        self._insert_one: Final = Prepared(self._insert.values(values))

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

    def _write(self, connection: Connection, messages: Sequence[EncodedMessage]) -> None:
        now = current_time()  # UTC, since SQLite keeps no zone
        if len(messages) == 1:
            id_, type_, subject, text = messages[0]
            self._insert_one.execute(
                connection,
                {"the_id": id_, "the_type": type_, "the_subject": subject, "the_recorded_at": now, "the_message": text},
            )
        elif messages:
            rows: list[dict[str, Any]] = [dict(zip(_COLUMNS, (*message, now), strict=True)) for message in messages]
            connection.execute(self._insert, rows)

    def _listen(self, listener: Listener) -> None:
        """Tell it when messages were committed in this process, as long as it exists."""
        with _listening:
            self._listeners = (*self._others(listener), ref(listener))

    def _forget(self, listener: Listener) -> None:
        with _listening:
            self._listeners = tuple(self._others(listener))

    def _others(self, listener: Listener) -> list[ref[Listener]]:
        return [other for other in self._listeners if other() not in (None, listener)]

    def _wake(self) -> None:
        for listener in self._listeners:
            if (listening := listener()) is not None:
                listening.wake()


_listening: Final = new_lock()


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
