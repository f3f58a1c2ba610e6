"""The log of durable stories."""

from __future__ import annotations

import logging
from typing import Final

from dddkit.stories._engine.tracebacks import traceback_of

__all__ = ["COMPENSATIONS", "LOGGER", "log_error"]

LOGGER: Final = logging.getLogger("dddkit.stories.durable")
COMPENSATIONS: Final = logging.getLogger("dddkit.stories.compensation")
"""The same as that of plain runs."""


def log_error(logger: logging.Logger, message: str, *arguments: object, error: BaseException) -> None:
    """Log what has failed without stopping the run."""
    logger.error(message, *arguments, exc_info=(type(error), error, traceback_of(error)))
