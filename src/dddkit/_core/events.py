"""What an event is made of: an id that sorts by time, the time itself, the base of what aggregates record."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Final
from uuid import UUID

__all__ = ["Recordable", "current_time", "new_event_id"]


class Recordable:
    """What an aggregate may record: the AggregateEvent of either flavour."""

    __slots__ = ()


current_time: Final[Callable[[], datetime]] = partial(datetime.now, timezone.utc)
"""Now, aware, in UTC; needs no time-zone database."""


if sys.version_info >= (3, 14):
    from uuid import uuid7 as new_event_id
else:
    _VERSION_AND_VARIANT: Final = 0x7 << 76 | 0b10 << 62
    _RANDOM: Final = ~(0xF << 76 | 0b11 << 62)

    def new_event_id() -> UUID:
        """Make a UUIDv7 (RFC 9562, section 5.7): ids of later milliseconds are greater."""
        milliseconds = time.time_ns() // 1_000_000
        random = int.from_bytes(os.urandom(10), "big")
        return UUID(int=milliseconds << 80 | random & _RANDOM | _VERSION_AND_VARIANT)
