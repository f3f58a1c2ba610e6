"""The log of a hook whose backend fails, at most once a minute; the failure never reaches the story."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final

from dddkit._locks import new_lock

__all__ = ["FailureLog"]

_LOGGER: Final = logging.getLogger("dddkit.stories.hooks")
_MESSAGE: Final = "%s could not record what a story did%s; the story went on"
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
            self._last = now  # first: a finalizer may come in between, and fail as well
            skipped, self._skipped = self._skipped, 0
        others = "" if not skipped else f" ({skipped} more {'time' if skipped == 1 else 'times'} before)"
        try:
            _LOGGER.error(_MESSAGE, self._hook, others, exc_info=True)
        except Exception:
            # A filter or a handler fails; or nothing can format the error, as `traceback` asks whether it is true.
            try:  # noqa: SIM105  # `contextlib` is not imported otherwise
                _LOGGER.error(_MESSAGE, self._hook, others)
            except Exception:  # there is nowhere left to report to
                pass
