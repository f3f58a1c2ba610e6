"""What DBOS logs while the database is away: each of its threads, each second, with tracebacks; here once a minute."""

from __future__ import annotations

import logging
import time
from typing import Final

__all__ = ["quieten"]

_PAUSE: Final = 60.0  # seconds
_SIGNS: Final = ("OperationalError", "InterfaceError", "connection is bad", "server closed the connection")


class OncePerMinute(logging.Filter):
    """Lets a line about a lost connection through once a minute, of each place in the code of DBOS."""

    def __init__(self) -> None:
        super().__init__()
        self._let_through: Final[dict[tuple[str, int], float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not _is_about_connections(record):
            return True
        place, now = (record.pathname, record.lineno), time.monotonic()
        if now - self._let_through.get(place, -_PAUSE) < _PAUSE:
            return False
        self._let_through[place] = now
        return True


def _is_about_connections(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    text = f"{type(error).__name__} {record.msg}"
    return any(sign in text for sign in _SIGNS)


def quieten() -> None:
    """Have the logger of DBOS do so; called again, it changes nothing."""
    logger = logging.getLogger("dbos")
    if not any(isinstance(found, OncePerMinute) for found in logger.filters):
        logger.addFilter(OncePerMinute())
