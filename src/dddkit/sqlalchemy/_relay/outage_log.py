"""What the log says while messages, or the database, do not go through: who, not what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dddkit._database_errors import SHOWN, shown_of, shown_of_database, text_in
from dddkit._outage_log import OutageLog
from dddkit.sqlalchemy._publishing import TryAgainError

if TYPE_CHECKING:
    from dddkit.sqlalchemy._relay.backoff import Failure
    from dddkit.sqlalchemy._relay.rows import Row

__all__ = ["LOGGER", "RelayLog"]

LOGGER: Final = logging.getLogger("dddkit.sqlalchemy.relay")

_CONFLICTS: Final = 3
"""So often in a row a message may wait for others before it is worth a line."""


class RelayLog:
    """Logs the first failure of an outage, then how many there were once a minute, then its end; and what has died."""

    def __init__(self, outbox: str, clock: Callable[[], float]) -> None:
        self._outbox: Final = outbox
        self._outage: Final = OutageLog(LOGGER, outbox, clock)

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
        if isinstance(failure.error, TryAgainError) and failure.failures < _CONFLICTS and not self._outage.lasts:
            return
        self._outage.failed(
            f"{_named(failure.row)} was not published ({_kind_of(failure.error)}), and is tried again"
            + _where_it_says_more(failure.error),
            f"the last error was {_kind_of(failure.error)}, and {_times(failing, 'subject')} wait for another attempt",
        )

    def database_failed(self, error: BaseException) -> None:
        what = f"the outbox cannot be read or written ({shown_of_database(error)})"
        self._outage.failed(f"{what}, which is tried again", what)

    def unrecorded(self, error: BaseException) -> None:
        """Log that a relay has ended, and could not store what it had published."""
        LOGGER.warning(
            "%s: what was published last could not be recorded (%s), and will be published again",
            self._outbox,
            shown_of_database(error),
        )

    def recovered(self) -> None:
        """Log the end of the outage, if there is one."""
        self._outage.recovered("messages go through again")

    def forget(self) -> None:
        """Note that nothing fails any more, since what had failed is dead."""
        self._outage.forget()


def _named(row: Row) -> str:
    return f"{row.type} {row.id}" + ("" if row.subject is None else f" of {row.subject}")


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _kind_of(error: BaseException) -> str:
    """Return the class of an error, and what it says where that is no data of a message."""
    if isinstance(error, TryAgainError):
        if error.args:
            return str(error)
        error = error.__cause__ or error
    return shown_of(error)


def _where_it_says_more(error: BaseException) -> str:
    """Return where to read what an error says, if that is not in the log."""
    is_shown = isinstance(error, (TryAgainError, *SHOWN)) or not text_in(error)
    return "" if is_shown else " (the column `error` has what it says)"
