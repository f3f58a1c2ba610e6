"""What the log says while the database is away: the first failure, then how many once a minute, then the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import DBAPIError

__all__ = ["LOGGER", "OutageLog", "said_by"]

LOGGER: Final = logging.getLogger("dddkit.stories.dbos")

_PAUSE: Final = 60.0  # seconds


class OutageLog:
    """Logs failures of one activity, which is tried again each second."""

    def __init__(self, who: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._who: Final = who
        self._clock: Final = clock
        self._began: float | None = None
        self._logged = 0.0
        self._failures = 0

    def failed(self, what: str) -> None:
        """Log that something failed, unless the last line is younger than a minute."""
        now = self._clock()
        self._failures += 1
        if self._began is None:
            self._began = self._logged = now
            LOGGER.warning("%s: %s; tried again each second", self._who, what)
        elif now - self._logged >= _PAUSE:
            self._logged = now
            LOGGER.warning("%s: %s; %d times in %.0f s", self._who, what, self._failures, now - self._began)

    def recovered(self) -> None:
        """Log the end of the failures, if there were any."""
        if self._began is None:
            return
        LOGGER.info("%s: works again, after %.0f s", self._who, self._clock() - self._began)
        self._began, self._failures = None, 0


def said_by(error: BaseException) -> str:
    """Return the class of an error, and what it says of connections and servers; never what it says of rows."""
    driver = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    name, lines = type(driver).__qualname__, str(driver).splitlines()
    state: object = getattr(driver, "sqlstate", None)
    tells_of_servers = isinstance(driver, OSError) or type(driver).__name__ in ("OperationalError", "AdminShutdown")
    if not lines or not (tells_of_servers or (state is not None and str(state).startswith(("08", "28", "3D", "57")))):
        return name
    return f"{name}: {lines[0]}"
