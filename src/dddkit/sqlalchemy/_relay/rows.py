"""A message in the outbox, and what has become of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

    Key: TypeAlias = str | int
    """What has an order of its own: a subject, or the number of a message without one."""

__all__ = ["Attempt", "Change", "Record", "Row"]


class Row(NamedTuple):
    """What a relay reads of a message. The fields are in the order in which the statements select them."""

    number: int
    id: str
    type: str
    subject: str | None
    message: str
    attempts: int
    """How often it has failed in a way that counts."""
    has_failed: bool
    """Whether it has failed in any way, for this relay or for another one."""

    @property
    def key(self) -> Key:
        return self.number if self.subject is None else self.subject


class Attempt(NamedTuple):
    """A failed attempt to publish a message."""

    row: Row
    error: BaseException
    published_before: int
    """How many messages of its batch had got through by then."""
    task: asyncio.Task[Any] | None = None
    """What still tries, though it was cancelled."""


class Change(NamedTuple):
    """What is stored of a message that has failed."""

    row: Row
    attempts: int
    error: str
    died_at: datetime | None


class Record(NamedTuple):
    """What has become of a batch, to be stored."""

    published: list[Row]
    changed: list[Change]
