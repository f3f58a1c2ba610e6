"""What goes wrong while a run is observed is logged, and never reaches the story."""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic
from typing import Final

__all__ = ["Complaints"]

_LOGGER: Final = logging.getLogger("dddkit.stories.hooks")
_PAUSE: Final = 60.0  # seconds: a backend that is down fails at every step of every run


class Complaints:
    """Logs the failures of one hook's backend: the first at once, then one a minute with the number in between."""

    __slots__ = ("_hook", "_last", "_lock", "_silent")

    def __init__(self, hook: str) -> None:
        self._hook: Final = hook
        self._last: float | None = None
        self._silent = 0
        self._lock: Final = Lock()

    def log(self) -> None:
        """Note the exception that is being handled."""
        with self._lock:
            now = monotonic()
            if self._last is not None and now - self._last < _PAUSE:
                self._silent += 1
                return
            silent, self._silent, self._last = self._silent, 0, now
        _LOGGER.error(
            "%s could not record what a story did (%d more times before); the story went on",
            self._hook,
            silent,
            exc_info=True,
        )
