"""Dead messages, and how much waits: what people look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, Protocol

from sqlalchemy import Connection, Table, bindparam, case, func, select

from dddkit.exceptions import MessageRejectedError
from dddkit.messages import Message

__all__ = ["Backlog", "BacklogMetrics", "DeadMessage", "People"]


@dataclass(frozen=True)
class DeadMessage:
    """A message that is not tried any more. The later ones of its subject wait until it is retried or discarded.

    Attributes:
        id: the id of the message.
        message: the message; None where what is stored cannot be read.
        error: the last error.
        attempts: how many attempts have counted.
    """

    id: str
    message: Message | None
    error: str
    attempts: int


@dataclass(frozen=True)
class Backlog:
    """How much an outbox holds.

    Attributes:
        waiting: how many messages are to be published, those behind a dead one included.
        dead: how many are dead.
        oldest: when the oldest waiting one was recorded, in UTC; None where none waits.
    """

    waiting: int
    dead: int
    oldest: datetime | None


class BacklogMetrics(Protocol):
    """Shows the backlog to who watches: OutboxMetrics of `dddkit.sqlalchemy.prometheus`, or one of your own."""

    def set(self, backlog: Backlog, /) -> None:
        """Show this from now on."""
        ...


class People:
    """The statements for people."""

    def __init__(self, table: Table) -> None:
        columns = table.c
        is_waiting, is_dead = columns.died_at.is_(None), columns.died_at.is_not(None)
        self._backlog: Final = select(
            func.count(), func.count(columns.died_at), func.min(case((is_waiting, columns.recorded_at)))
        ).select_from(table)
        self._dead: Final = (
            select(columns.id, columns.message, columns.error, columns.attempts).where(is_dead).order_by(columns.number)
        )
        this = columns.id == bindparam("the_id")
        self._retry: Final = table.update().where(this, is_dead).values(attempts=0, error=None, died_at=None)
        self._discard: Final = table.delete().where(this, is_dead)

    def backlog(self, connection: Connection) -> Backlog:
        number, dead, oldest = connection.execute(self._backlog).one()
        return Backlog(number - dead, dead, None if oldest is None else _in_utc(oldest))

    def dead(self, connection: Connection) -> list[DeadMessage]:
        return [
            DeadMessage(id_, _message_of(text), error or "", attempts)
            for id_, text, error, attempts in connection.execute(self._dead)
        ]

    def retry(self, connection: Connection, id_: str) -> bool:
        return connection.execute(self._retry, {"the_id": id_}).rowcount > 0

    def discard(self, connection: Connection, id_: str) -> bool:
        return connection.execute(self._discard, {"the_id": id_}).rowcount > 0


def _in_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)


def _message_of(text: str) -> Message | None:
    try:
        return Message.from_json(text)
    except MessageRejectedError:
        return None
