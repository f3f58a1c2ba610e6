"""A database that was there before: its tables are made by SQL, and Alembic brings it to what the mapping says."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData

from tests.servers.databases import Database

__all__ = ["adopt"]

_ENVIRONMENT = """
from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=context.config.attributes["metadata"])
with context.begin_transaction():
    context.run_migrations()
"""


def adopt(database: Database, statements: list[str], metadata: MetaData, folder: Path) -> set[str]:
    """Make the tables; then let Alembic write a migration to what is mapped, run it, and check that nothing is left.

    Returns:
        What the migration adds, as table.column; anything else that it would do is an error.
    """
    engine = database.sync_engine(MetaData())
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(_for(engine, statement))
            added = {_added(one) for one in compare_metadata(MigrationContext.configure(connection), metadata)}
        settings = str(folder / "alembic.ini")
        command.init(Config(settings, stdout=io.StringIO()), str(folder / "migrations"))
        (folder / "migrations" / "env.py").write_text(_ENVIRONMENT, encoding="utf-8")
        config = Config(settings, stdout=io.StringIO())
        with engine.begin() as connection:
            config.attributes.update(connection=connection, metadata=metadata)
            command.revision(config, "versions", autogenerate=True)
            command.upgrade(config, "head")
            command.check(config)
        return added
    finally:
        engine.dispose()


def _for(engine: Engine, statement: str) -> str:
    """Return the statement in the words of the database; it is written in those of PostgreSQL."""
    if engine.dialect.name == "sqlite":
        return re.sub(r"\btimestamp\b", "datetime", re.sub(r"\bserial\b", "integer", statement))
    return statement


def _added(difference: Any) -> str:
    kind, _, table, column = difference
    assert kind == "add_column", difference
    return f"{table}.{column.name}"
