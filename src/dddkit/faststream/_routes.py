"""What brokers route a message by, and when they deliver it again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dddkit.messages import Message

__all__ = ["name_of", "pause_after"]

_TYPE: Final = re.compile(r"(.+)\.v[1-9][0-9]*", re.DOTALL)

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


def name_of(message: Message) -> str:
    """Return the type of the message without its version: who subscribes wants all versions."""
    found = _TYPE.fullmatch(message.type)
    return found[1] if found else message.type


def pause_after(deliveries: int) -> float:
    """Return in how many seconds a message is delivered again that could not be handled, after so many deliveries."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(deliveries - 1, 10))
