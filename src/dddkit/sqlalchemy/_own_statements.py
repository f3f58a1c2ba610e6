"""Which statements of the user's own, on the connection of a unit, have changed something."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Connection, event

__all__ = ["collect_changes"]

_FIRST: Final = r"(INSERT|UPDATE|DELETE|MERGE|REPLACE|CREATE|ALTER|DROP|TRUNCATE|COPY)\b"
_LATER: Final = (
    r"(?<!FOR )(?<!KEY )(INSERT(?=\s+INTO\b)|UPDATE(?=\b.*?\bSET\b)|DELETE(?=\s+FROM\b)|MERGE(?=\s+INTO\b))\b"
)
"""In or after a WITH; a SELECT ends FOR UPDATE, or FOR NO KEY UPDATE."""
_CHANGE: Final = re.compile(rf"\s*(?:{_FIRST}|WITH\b.*?\b{_LATER})", re.IGNORECASE | re.DOTALL)


def collect_changes(connection: Connection, changes: dict[str, None]) -> None:
    """Add the word of each statement that changes something, from now on; its text may show values."""

    @event.listens_for(connection, "after_cursor_execute")
    def note(_: Connection, cursor: Any, statement: str, *arguments: Any) -> None:  # Any: a cursor of the driver
        word = _CHANGE.match(statement)
        if word is not None and (cursor.rowcount != 0 or cursor.description is not None):
            changes[(word[1] or word[2]).upper()] = None
