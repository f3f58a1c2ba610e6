"""Reading back what was written, in tests: every field has to be what it was."""

from __future__ import annotations

from sqlalchemy import Connection

from dddkit.exceptions import UnitError
from dddkit.sqlalchemy._document_table import Row
from dddkit.sqlalchemy._tracking import Tracked

__all__ = ["verify"]


def verify(connection: Connection, unit: str, tracked: Tracked) -> None:
    """Read the row of an aggregate that was written.

    Raises:
        UnitError: it does not come back as it is, by field.
    """
    row = tracked.table.one.execute(connection, {"the_key": tracked.key}).first()
    if row is not None:
        differences = tracked.table.differences(
            tracked.aggregate, tracked.table.load(unit, Row._make((tracked.key, *row)))
        )
        if differences:
            raise UnitError(
                unit, f"{tracked.table.shown(tracked.key)} does not come back from the database as it is: {differences}"
            )
