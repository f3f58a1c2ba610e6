"""The log of durable stories."""

from __future__ import annotations

import logging
from typing import Final

from dddkit.stories._engine.tracebacks import traceback_of

__all__ = ["LOGGER", "log_error"]

LOGGER: Final = logging.getLogger("dddkit.stories.durable")


def log_error(message: str, *arguments: object, error: BaseException) -> None:
    """Log what has failed without stopping the run."""
    LOGGER.error(message, *arguments, exc_info=(type(error), error, traceback_of(error)))
