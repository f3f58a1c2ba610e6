"""The parts of an event: its id, its time, the base classes that both flavours share."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timezone
from typing import Final
from uuid import UUID, SafeUUID

__all__ = ["AnyAggregateEvent", "AnyDomainEvent", "current_time", "new_event_id"]


class AnyAggregateEvent:
    """The base of what an aggregate records: the AggregateEvent of both flavours."""

    __slots__ = ()


class AnyDomainEvent:
    """The base of what has an id and a version of its own: the DomainEvent of both flavours."""

    __slots__ = ()


def current_time() -> datetime:
    """Return the current time, aware, in UTC; needs no time-zone database."""
    return datetime.now(timezone.utc)  # looked up at each call, as what freezes the time in tests replaces `datetime`


if sys.version_info >= (3, 14):
    from uuid import uuid7 as new_event_id
else:
    _VERSION: Final = 0x7 << 76
    _VARIANT: Final = 0b10 << 62
    _RANDOM: Final = (1 << 80) - 1 & ~(0xF << 76 | 0b11 << 62)

    def new_event_id() -> UUID:
        """Return a new UUIDv7 (RFC 9562, section 5.7). The id of a later millisecond is greater."""
        milliseconds = time.time_ns() // 1_000_000
        random = int.from_bytes(os.urandom(10), "big") & _RANDOM
        # As the standard library does from 3.14 on; UUID(...) takes twice as long.
        made = UUID.__new__(UUID)
        object.__setattr__(made, "int", milliseconds << 80 | _VERSION | _VARIANT | random)
        object.__setattr__(made, "is_safe", SafeUUID.unknown)
        return made
