"""What an event is made of: an id that sorts by time, the time itself, the base of what aggregates record."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Final
from uuid import UUID, SafeUUID

__all__ = ["Recordable", "current_time", "new_event_id"]


class Recordable:
    """What an aggregate may record: the AggregateEvent of either flavour."""

    __slots__ = ()


current_time: Final[Callable[[], datetime]] = partial(datetime.now, timezone.utc)
"""Now, aware, in UTC; needs no time-zone database."""


if sys.version_info >= (3, 14):
    from uuid import uuid7 as new_event_id
else:
    _VERSION: Final = 0x7 << 76
    _VARIANT: Final = 0b10 << 62
    _RANDOM: Final = (1 << 80) - 1 & ~(0xF << 76 | 0b11 << 62)

    def new_event_id() -> UUID:
        """Make a UUIDv7 (RFC 9562, section 5.7): ids of later milliseconds are greater."""
        milliseconds = time.time_ns() // 1_000_000
        random = int.from_bytes(os.urandom(10), "big") & _RANDOM
        # As the standard library does it from 3.14 on: calling UUID takes twice as long.
        made = UUID.__new__(UUID)
        object.__setattr__(made, "int", milliseconds << 80 | _VERSION | _VARIANT | random)
        object.__setattr__(made, "is_safe", SafeUUID.unknown)
        return made
