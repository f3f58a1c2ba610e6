"""What errors of the database mean for a unit of work."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy.exc import DBAPIError

from dddkit.exceptions import ConcurrencyError, UnitError

__all__ = ["translated"]

_SERIALIZATION: Final = ("40001", "40P01")
_UNDEFINED_TABLE: Final = "42P01"
_MISSING_TABLE: Final = re.compile(r'no such table: (\S+)|relation "([^"]+)" does not exist')


def translated(unit: str, error: DBAPIError, *, committing: bool = False) -> Exception | None:
    """Return what to raise instead; None where the error says it best itself.

    Raise it from `error.orig`: the text of SQLAlchemy's error shows the values, and they would end in logs.
    """
    if error.connection_invalidated:
        known = "whether it was committed is not known: read it again" if committing else "nothing was committed"
        return UnitError(unit, f"the connection to the database was lost; {known}, and use another unit")
    state: object = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if state in _SERIALIZATION:
        return ConcurrencyError(None, None, None)
    if state == _UNDEFINED_TABLE or (state is None and "no such table" in str(error.orig)):
        found = _MISSING_TABLE.search(str(error.orig))
        table = (found[1] or found[2]) if found else "it needs"
        return UnitError(
            unit,
            f"the database has no table {table}; create it with `metadata.create_all(...)`, or write a migration: "
            f"Alembic finds our tables in your metadata",
        )
    return None
