"""What the log says while messages, or the database, do not go through: who, not what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dddkit.exceptions import DDDKitError
from dddkit.sqlalchemy._publishing import TryAgainError
from dddkit.sqlalchemy._relay.backoff import said_by

if TYPE_CHECKING:
    from dddkit.sqlalchemy._relay.backoff import Failure
    from dddkit.sqlalchemy._relay.rows import Row

__all__ = ["LOGGER", "OutageLog", "kind_of_database"]

LOGGER: Final = logging.getLogger("dddkit.sqlalchemy.relay")

_PAUSE: Final = 60.0  # seconds
_CONFLICTS: Final = 3
"""So often in a row a message may wait for others before it is worth a line."""


class OutageLog:
    """Logs the first failure of an outage, then how many there were once a minute, then its end; and what has died."""

    def __init__(self, outbox: str, clock: Callable[[], float]) -> None:
        self._outbox: Final = outbox
        self._clock: Final = clock
        self._began: float | None = None
        self._logged = 0.0
        self._failures = 0

    def failed(self, failure: Failure, failing: int) -> None:
        """Log a failed attempt to publish.

        Args:
            failure: what it means.
            failing: how many subjects wait for another attempt.
        """
        if failure.is_dead:
            LOGGER.error(
                "%s: %s is dead after %s (%s)%s; look at `await relay.dead()`, then retry or discard it",
                self._outbox,
                _named(failure.row),
                _times(failure.attempts, "counted attempt"),
                _kind_of(failure.error),
                ", and holds the later ones of its subject" if failure.row.subject is not None else "",
            )
            return
        if isinstance(failure.error, TryAgainError) and failure.failures < _CONFLICTS and self._began is None:
            return
        self._note(
            f"{_named(failure.row)} was not published ({_kind_of(failure.error)}), and is tried again"
            + _where_it_says_more(failure.error),
            f"the last error was {_kind_of(failure.error)}, and {_times(failing, 'subject')} wait for another attempt",
        )

    def database_failed(self, error: BaseException) -> None:
        what = f"the outbox cannot be read or written ({kind_of_database(error)})"
        self._note(f"{what}, which is tried again", what)

    def unrecorded(self, error: BaseException) -> None:
        """Log that a relay has ended, and could not store what it had published."""
        LOGGER.warning(
            "%s: what was published last could not be recorded (%s), and will be published again",
            self._outbox,
            kind_of_database(error),
        )

    def _note(self, first: str, later: str) -> None:
        now = self._clock()
        self._failures += 1
        if self._began is None:
            self._began = self._logged = now
            LOGGER.warning("%s: %s", self._outbox, first)
        elif now - self._logged >= _PAUSE:
            self._logged = now
            seconds = now - self._began
            LOGGER.warning("%s: %s in %.0f s; %s", self._outbox, self._count(), seconds, later)

    def recovered(self) -> None:
        """Log the end of the outage, if there is one."""
        if self._began is not None:
            seconds = self._clock() - self._began
            LOGGER.info("%s: messages go through again, after %.0f s and %s", self._outbox, seconds, self._count())
        self.forget()

    def forget(self) -> None:
        """Note that nothing fails any more, since what had failed is dead."""
        self._began, self._failures = None, 0

    def _count(self) -> str:
        return _times(self._failures, "failed attempt")


def _named(row: Row) -> str:
    return f"{row.type} {row.id}" + ("" if row.subject is None else f" of {row.subject}")


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def kind_of_database(error: BaseException) -> str:
    """Return what the driver has raised, and what it says where that tells of the server and not of rows."""
    if isinstance(error, PoolTimeoutError):
        return f"{type(error).__qualname__}: {str(error).partition(' (Background')[0]}"
    driver: BaseException | None = error
    if isinstance(error, DBAPIError):
        driver = error.orig
    elif not hasattr(error, "sqlstate"):  # SQLAlchemy 2.0 lets through what asyncpg raises when it connects
        driver = None
    if driver is None:
        return _kind_of(error)
    driver = driver.__cause__ or driver  # SQLAlchemy has errors of its own for asyncpg
    state: object = getattr(driver, "sqlstate", None)
    name, lines = type(driver).__qualname__, str(driver).splitlines()
    return f"{name}: {lines[0]}" if lines and (state is None or str(state).startswith(_OF_SERVERS)) else name


_OF_SERVERS: Final = ("08", "25006", "28", "3D", "42501", "53", "55P03", "57")
"""Connections, a standby, log-in, a missing database, rights, resources, locks, a server that begins or stops."""


def _kind_of(error: BaseException) -> str:
    """Return the class of an error, and what it says where that is no data of a message."""
    if isinstance(error, TryAgainError):
        if error.args:
            return str(error)
        error = error.__cause__ or error
    name, text = type(error).__qualname__, said_by(error)
    return f"{name}: {text}" if text and isinstance(error, _SHOWN) else name


def _where_it_says_more(error: BaseException) -> str:
    """Return where to read what an error says, if that is not in the log."""
    is_shown = isinstance(error, (TryAgainError, *_SHOWN)) or not said_by(error)
    return "" if is_shown else " (the column `error` has what it says)"


_SHOWN: Final = (OSError, DDDKitError)
