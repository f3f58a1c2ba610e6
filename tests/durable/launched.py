"""A DBOS for the tests of one module: there is one per process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dbos import DBOS

from dddkit.stories.dbos import settings

__all__ = ["configured", "logged_by_dbos"]


@contextmanager
def configured(url: str) -> Iterator[None]:
    """Configure DBOS; the block makes its durable stories, and launches it. At the end all is forgotten."""
    DBOS(config=settings("tests", url, log_level="ERROR"))
    try:
        yield
    finally:
        DBOS.destroy(destroy_registry=True)


@contextmanager
def logged_by_dbos() -> Iterator[list[logging.LogRecord]]:
    """Give what DBOS logs in the block."""
    found: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    logger, handler = logging.getLogger("dbos"), Kept()
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
