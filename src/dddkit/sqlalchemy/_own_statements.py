"""Which statements of the user's own, on the connection of a unit, have changed something."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Connection, event

__all__ = ["collect_changes"]

_CHANGE: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|REPLACE|CREATE|ALTER|DROP|TRUNCATE|COPY)\b", re.IGNORECASE)


def collect_changes(connection: Connection, changes: dict[str, None]) -> None:
    """Add the first word of each statement that changes something, from now on; its text may show values."""

    @event.listens_for(connection, "after_cursor_execute")
    def note(_: Connection, cursor: Any, statement: str, *arguments: Any) -> None:  # Any: a cursor of the driver
        word = _CHANGE.match(statement)
        if word is not None and (cursor.rowcount != 0 or cursor.description is not None):
            changes[word[1].upper()] = None
