"""What errors of the database mean for a unit of work."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InternalError,
    OperationalError,
    PendingRollbackError,
    StatementError,
)

from dddkit.exceptions import ConcurrencyError, UnitError

__all__ = ["TRANSACTION_FAILED", "cause_of", "is_temporary", "is_unfit_value", "missing_named", "translated"]

TRANSACTION_FAILED: Final = (
    "a statement has failed, and the database has undone the whole transaction with it; let its error leave the "
    "block, or run that statement in `connection.begin_nested()`"
)

_DATA_EXCEPTION: Final = "22"
_SERIALIZATION: Final = ("40001", "40P01")
_TEMPORARY: Final = (*_SERIALIZATION, "08", "53", "55P03", "57P")
"""Deadlocks, a lost connection, a server without resources, one that begins or stops; a lock that others keep."""
_FAILED_TRANSACTION: Final = "25P02"
_UNDEFINED_TABLE: Final = "42P01"
_UNDEFINED_COLUMN: Final = "42703"
_MISSING_TABLE: Final = re.compile(r'no such table: (\S+)|relation "([^"]+)" does not exist')


def cause_of(error: StatementError | PendingRollbackError) -> BaseException | None:
    return error.orig if isinstance(error, StatementError) else None


def is_unfit_value(error: Exception) -> bool:
    """Return whether the driver or the database has refused a value, and not the statement."""
    if not isinstance(error, DBAPIError):
        return True  # it has not come to the database
    state: str | None = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or isinstance(error, (OperationalError, IntegrityError, InternalError)):
        return False
    return state is None or state.startswith(_DATA_EXCEPTION)


def is_temporary(error: DBAPIError) -> bool:
    """Return whether the database has refused for now what it may do later."""
    state: object = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or "database is locked" in str(error.orig)
    return error.connection_invalidated or str(state).startswith(_TEMPORARY)


def translated(
    unit: str, error: StatementError | PendingRollbackError, *, committing: bool = False
) -> Exception | None:
    """Return what to raise instead; None where the error says it best itself.

    Raise it from `error.orig`: the text of SQLAlchemy's error shows the values, and they would end in logs.
    """
    if isinstance(error, PendingRollbackError):  # somebody went on after that
        committing = False
    if not isinstance(error, StatementError) or (isinstance(error, DBAPIError) and error.connection_invalidated):
        known = "whether it was committed is not known: read it again" if committing else "nothing was committed"
        return UnitError(unit, f"the connection to the database was lost; {known}, and use another unit")
    state: object = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    if state in _SERIALIZATION:
        return ConcurrencyError(None, None, None)
    if state == _FAILED_TRANSACTION:
        return UnitError(unit, TRANSACTION_FAILED)
    return _missing(unit, error)


def _missing(unit: str, error: StatementError) -> UnitError | None:
    """Return what to raise where the database lacks a table or a column; None for any other error."""
    state: object = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    text = str(error.orig)
    if state == _UNDEFINED_TABLE or (state is None and "no such table" in text):
        found = _MISSING_TABLE.search(text)
        table = (found[1] or found[2]) if found else "it needs"
        return UnitError(
            unit,
            f"the database has no table {table}; create it with `metadata.create_all(...)`, or by a migration: "
            f"Alembic finds it in your metadata, whether it is ours or yours",
        )
    if state == _UNDEFINED_COLUMN or (state is None and ("no such column" in text or "no column named" in text)):
        return UnitError(
            unit,
            f"the database lacks a column that your metadata has ({text.splitlines()[0]}); add it by a migration: "
            f"Alembic finds it in your metadata, whether it is ours or yours",
        )
    return None


@contextmanager
def missing_named(who: str) -> Generator[None]:
    """Say what to do where the database lacks a table or a column that `who` needs; other errors show no values.

    Raises:
        UnitError: it does.
    """
    try:
        yield
    except StatementError as error:
        error.hide_parameters = True
        if (better := _missing(who, error)) is None:
            raise
        raise better from cause_of(error)
