"""Databases of a PostgreSQL that is killed."""

from __future__ import annotations

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from tests.servers.databases import PostgreSQL

__all__ = ["create_database"]


def create_database(home: str, name: str) -> PostgreSQL:
    """Create one on the server with this home."""
    system = PostgreSQL(home, "postgres").url("psycopg")
    engine = create_engine(system, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        # The server of the tests forgets commits when it is killed, since that is faster.
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = on")
    engine.dispose()
    return PostgreSQL(home, name)
