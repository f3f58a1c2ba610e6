"""What all tests share: the settings of hypothesis, and databases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers.databases import Database, PostgreSQL, SQLite, shared_postgresql

# A machine at work always takes longer for some example.

settings.register_profile("dddkit", deadline=None)
settings.load_profile("dddkit")


@pytest.fixture
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> PostgreSQL:
    """An empty database of a PostgreSQL that this run of the tests has started; skipped where it is not installed."""
    folder = tmp_path_factory.getbasetemp()
    return shared_postgresql(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Each of the databases that aggregates can be stored in, empty."""
    if request.param == "sqlite":
        return SQLite(str(tmp_path / "test.sqlite"))
    found: PostgreSQL = request.getfixturevalue("postgresql")
    return found
