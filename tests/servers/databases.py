"""A database of one test: a new file, or an empty database of the PostgreSQL that all tests share."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from sqlalchemy import URL, Engine, MetaData, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from dddkit.sqlalchemy import embedded, sync_embedded
from tests.servers.running import shared_server

__all__ = ["Database", "PostgreSQL", "SQLite"]


class Database(Protocol):
    """Makes engines for one database, any number; the tests dispose of them."""

    @property
    def name(self) -> str: ...

    def engine(self, metadata: MetaData) -> AsyncEngine:
        """Return a new engine; the tables exist."""
        ...

    def sync_engine(self, metadata: MetaData) -> Engine:
        """Return a new engine; the tables exist."""
        ...


@dataclass(frozen=True)
class SQLite:
    """A file, or ":memory:", where each engine has a database of its own. It can be sent to other processes."""

    path: str
    name: str = "sqlite"

    def engine(self, metadata: MetaData) -> AsyncEngine:
        return embedded(self.path, metadata)

    def sync_engine(self, metadata: MetaData) -> Engine:
        return sync_embedded(self.path, metadata)


@dataclass(frozen=True)
class PostgreSQL:
    """An empty database of the server. It can be sent to other processes."""

    socket: str
    database: str
    driver: Literal["asyncpg", "psycopg"] = "asyncpg"
    name: str = "postgresql"

    def url(self, driver: Literal["asyncpg", "psycopg"]) -> URL:
        return URL.create(
            f"postgresql+{driver}", username="postgres", database=self.database, query={"host": self.socket}
        )

    def engine(self, metadata: MetaData) -> AsyncEngine:
        self._create(metadata)
        return create_async_engine(self.url(self.driver))

    def sync_engine(self, metadata: MetaData) -> Engine:
        self._create(metadata)
        return create_engine(self.url("psycopg"))

    def over(self, driver: Literal["asyncpg", "psycopg"]) -> PostgreSQL:
        """Return the same database, with another driver for its asynchronous engines."""
        return replace(self, driver=driver)

    def _create(self, metadata: MetaData) -> None:
        engine = create_engine(self.url("psycopg"), poolclass=NullPool)
        with engine.begin() as connection:
            metadata.create_all(connection)

    def empty(self) -> None:
        """Remove what earlier tests have left, and whoever is still connected."""
        engine = create_engine(self.url("psycopg"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            names = connection.exec_driver_sql(
                "SELECT quote_ident(nspname) FROM pg_namespace "
                "WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
            )
            for name in names.scalars().all():
                connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")


def shared_postgresql(shared: Path) -> PostgreSQL:
    """Return this worker's database, empty; the workers share the server by a folder of theirs. Skip without one."""
    made = PostgreSQL(
        str(shared_server("postgresql", shared)), f"tests_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    )
    system = create_engine(
        made.url("psycopg").set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    with system.connect() as connection:
        found = connection.exec_driver_sql("SELECT datname FROM pg_database").scalars().all()
        if made.database not in found:
            connection.exec_driver_sql(f'CREATE DATABASE "{made.database}"')
    made.empty()
    return made
