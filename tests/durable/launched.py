"""A DBOS for the tests of one module: there is one per process."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import pytest
from dbos import DBOS

from dddkit.stories.dbos import settings

__all__ = ["DATABASES", "configured", "logged_by_dbos", "url_of"]

DATABASES: Final = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
"""The parameters of a fixture of a module that is tested on both."""


def url_of(database: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the URL of an empty database for a module; skip without a server."""
    if database == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('durable')}/shop.sqlite"
    from tests.servers.databases import shared_postgresql

    base = tmp_path_factory.getbasetemp()
    found = shared_postgresql(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)
    return found.url("psycopg").render_as_string(hide_password=False)


@contextmanager
def configured(url: str) -> Generator[None]:
    """Configure DBOS; the block makes its durable stories, and launches it. At the end all is forgotten."""
    logger = logging.getLogger("dbos")
    level = logger.level
    DBOS(config=settings("tests", url, log_level="ERROR"))
    try:
        yield
    finally:
        DBOS.destroy(destroy_registry=True)
        logger.setLevel(level)  # DBOS has set it


@contextmanager
def logged_by_dbos() -> Generator[list[logging.LogRecord]]:
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
