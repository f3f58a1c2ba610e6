"""The log of a hook whose backend fails, at most once a minute; the failure never reaches the story."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final

from dddkit._locks import new_lock

__all__ = ["FailureLog"]

_LOGGER: Final = logging.getLogger("dddkit.stories.hooks")
_PAUSE: Final = 60.0  # seconds: a backend that is down fails at every step of every run


class FailureLog:
    """Logs the failures of one hook's backend: the first at once, then one a minute with the number in between."""

    __slots__ = ("_hook", "_last", "_lock", "_skipped")

    def __init__(self, hook: str) -> None:
        self._hook: Final = hook
        self._last: float | None = None
        self._skipped = 0
        self._lock: Final = new_lock()

    def log(self) -> None:
        """Log the exception that is being handled, unless another was logged less than a minute ago."""
        with self._lock:
            now = monotonic()
            if self._last is not None and now - self._last < _PAUSE:
                self._skipped += 1
                return
            skipped, self._skipped, self._last = self._skipped, 0, now
        _LOGGER.error(
            "%s could not record what a story did (%d more times before); the story went on",
            self._hook,
            skipped,
            exc_info=True,
        )
