"""What a relay has messages published by."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from dddkit.messages import Message

    Publish: TypeAlias = Callable[[Message], Awaitable[object]]

__all__ = ["TryAgainError"]


class TryAgainError(Exception):
    """Raised by a publisher of ours: the message goes later, and the attempt does not count.

    Its text says who and why, and may be logged; without a text its cause does.
    """
