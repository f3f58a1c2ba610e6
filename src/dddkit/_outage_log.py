"""What the log says while something fails that is tried again and again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

__all__ = ["OutageLog"]

_PAUSE: Final = 60.0  # seconds


class OutageLog:
    """Logs the first failure of an outage, then how many there were once a minute, then its end.

    Args:
        logger: where to.
        who: what each line begins with.
        clock: seconds.
    """

    def __init__(self, logger: logging.Logger, who: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger: Final = logger
        self._who: Final = who
        self._clock: Final = clock
        self._began: float | None = None
        self._logged = 0.0
        self._failures = 0

    @property
    def lasts(self) -> bool:
        """Whether something has failed, and nothing has been said of its end."""
        return self._began is not None

    def failed(self, first: str, later: str | None = None) -> None:
        """Note a failure; log it where it is the first, or the last line is older than a minute.

        Args:
            first: what is said of the first one.
            later: what is said once a minute; None: the same.
        """
        now = self._clock()
        self._failures += 1
        if self._began is None:
            self._began = self._logged = now
            self._logger.warning("%s: %s", self._who, first)
        elif now - self._logged >= _PAUSE:
            self._logged = now
            seconds, said = now - self._began, first if later is None else later
            self._logger.warning("%s: %s in %.0f s; %s", self._who, self._count(), seconds, said)

    def recovered(self, said: str) -> None:
        """Log the end of the outage, if there is one."""
        if self._began is not None:
            seconds = self._clock() - self._began
            self._logger.info("%s: %s, after %.0f s and %s", self._who, said, seconds, self._count())
        self.forget()

    def forget(self) -> None:
        """Note that nothing fails any more, and say nothing."""
        self._began, self._failures = None, 0

    def _count(self) -> str:
        return f"{self._failures} failed attempt{'' if self._failures == 1 else 's'}"
