"""What a relay has messages published by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from dddkit.messages import Message

    Publish: TypeAlias = Callable[[Message], Awaitable[object]]

__all__ = ["TakesTurns", "TryAgainError"]


class TryAgainError(Exception):
    """Raised by a publisher of ours: the message goes later, and the attempt does not count.

    Its text says who and why, and may be logged; without a text its cause does.
    """


class TakesTurns(ABC):
    """The base of a publisher whose handlers write to the database.

    SQLite has one writer at a time: messages that are published at once would wait for each other, and their time would
    be over before it is their turn.
    """

    __slots__ = ()

    @abstractmethod
    async def __call__(self, message: Message) -> None:
        """Publish the message."""
