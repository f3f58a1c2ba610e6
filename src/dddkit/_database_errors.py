"""What may be logged of an error of a database: what it says of the server, never what it says of rows."""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dddkit.exceptions import DDDKitError

__all__ = ["SHOWN", "shown_of", "shown_of_database", "text_in"]

SHOWN: Final = (OSError, DDDKitError)
"""Errors whose text is no data."""

_OF_SERVERS: Final = ("08", "25006", "28", "3D", "42501", "53", "55P03", "57")
"""Connections, a standby, log-in, a missing database, rights, resources, locks, a server that begins or stops."""


def text_in(error: BaseException) -> str:
    """Return the text of an error."""
    try:
        return str(error)
    except Exception:  # somebody's own class
        return ""


def shown_of(error: BaseException) -> str:
    """Return the class of an error, and what it says where that is no data."""
    name, text = type(error).__qualname__, text_in(error)
    return f"{name}: {text}" if text and isinstance(error, SHOWN) else name


def shown_of_database(error: BaseException) -> str:
    """Return what the driver has raised, and what it says where that tells of the server and not of rows."""
    if isinstance(error, PoolTimeoutError):
        return f"{type(error).__qualname__}: {str(error).partition(' (Background')[0]}"
    driver: BaseException | None = error
    if isinstance(error, DBAPIError):
        driver = error.orig
    elif not hasattr(error, "sqlstate"):  # SQLAlchemy 2.0 lets through what asyncpg raises when it connects
        driver = None
    if driver is None:
        return shown_of(error)
    driver = driver.__cause__ or driver  # SQLAlchemy has errors of its own for asyncpg
    state: object = getattr(driver, "sqlstate", None)
    name, lines = type(driver).__qualname__, text_in(driver).splitlines()
    is_of_rows = isinstance(error, (IntegrityError, DataError))  # not each driver has states
    is_of_server = not is_of_rows if state is None else str(state).startswith(_OF_SERVERS)
    return f"{name}: {lines[0]}" if lines and is_of_server else name
