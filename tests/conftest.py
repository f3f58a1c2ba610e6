"""What all tests share: the settings of hypothesis, databases, and message brokers."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:  # most tests need no database, and some machines have none
    from tests.servers.databases import Database, PostgreSQL
    from tests.servers.running import Program

# No deadline: on a machine at work, some example always takes longer.
settings.register_profile("dddkit", deadline=None)
settings.load_profile("dddkit")


def pytest_collection_finish() -> None:
    # Thousands of tests and what they import live to the end: no garbage collection of a test has to look at them.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)  # when the fixtures of the module are gone
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is not None and item.path != nextitem.path:
        # Nor at what a module has imported, or a run of mypy has left: a test that collects garbage would take seconds.
        gc.collect()
        gc.freeze()


@pytest.fixture
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> PostgreSQL:
    """An empty database of a PostgreSQL that this run of the tests has started; skipped where it is not installed."""
    from tests.servers.databases import shared_postgresql

    return shared_postgresql(_shared_folder(tmp_path_factory))


@pytest.fixture
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a NATS with JetStream answers that all tests of this run share; skipped where it is not installed."""
    return f"nats://127.0.0.1:{_port_of('nats', tmp_path_factory)}"


@pytest.fixture
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a RabbitMQ answers that all tests of this run share; skipped where it is not installed."""
    return f"amqp://guest:guest@127.0.0.1:{_port_of('rabbitmq', tmp_path_factory)}/"


@pytest.fixture
def kafka_servers(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where librdkafka's cluster for tests answers, which all tests of this run share; skipped without the package."""
    return f"127.0.0.1:{_port_of('kafka', tmp_path_factory)}"


@pytest.fixture
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a Redis answers that all tests of this run share; skipped where it is not installed."""
    return f"redis://127.0.0.1:{_port_of('redis', tmp_path_factory)}"


def _port_of(server: Program, tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.servers.running import shared_server

    return (shared_server(server, _shared_folder(tmp_path_factory)) / f"{server}.port").read_text()


def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """Each of the databases that aggregates can be stored in, empty."""
    from tests.servers.databases import SQLite

    if request.param == "sqlite":
        return SQLite(str(tmp_path / "test.sqlite"))
    found: PostgreSQL = request.getfixturevalue("postgresql")
    return found
