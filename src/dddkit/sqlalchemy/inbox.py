"""The inbox: what was done already, noted in the transaction that did it."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Connection, DateTime, Engine, MetaData, Table, Text, bindparam, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit._callables import kind_of
from dddkit.sqlalchemy._errors import missing_named
from dddkit.sqlalchemy._finishing import finished
from dddkit.sqlalchemy._keys import is_storable
from dddkit.sqlalchemy._tables import check_new_table
from dddkit.sqlalchemy.engines import is_sqlite

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.dml import Insert

__all__ = ["Inbox"]

_LONGEST: Final = 250
"""Characters of a key; PostgreSQL indexes no more than 2,700 bytes of both columns."""

_AT_ONCE: Final = 1_000
_PAUSE: Final = 0.02
"""Seconds between two transactions of a pruning, in which others get the lock of SQLite."""

_LONG_AGO: Final = timedelta(days=365_000)
"""Longer ago than any note; databases cannot subtract much more from the current time."""


class Inbox:
    """Notes keys, each once, in a table of your metadata.

    Args:
        metadata: where the table is declared, so that Alembic finds it.
        table: the name of the table.

    Raises:
        TypeError: the metadata has such a table.
    """

    def __init__(self, metadata: MetaData, *, table: str = "dddkit_inbox") -> None:
        check_new_table("Inbox", metadata, table)
        self.table: Final = Table(
            table,
            metadata,
            Column("consumer", Text(), primary_key=True),
            Column("key", Text(), primary_key=True),
            Column("noted_at", DateTime(timezone=True), nullable=False, server_default=func.current_timestamp()),
        )
        self._noting: Final[dict[str, Insert]] = {}

    async def prune(self, engine: AsyncEngine, *, older_than: timedelta) -> int:
        """Delete the notes of consumers and of `once` that are older, by the database's clock; return how many.

        What comes again after that is new, so take longer than any message may lie in a queue, or be dead in an
        outbox. It deletes in several transactions, between which others do their work.

        Raises:
            TypeError, ValueError: the engine is no AsyncEngine; the duration is no timedelta, or not positive.
            UnitError: the database has no such table.
        """
        if not isinstance(engine, AsyncEngine):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(_other_engine("prune", "AsyncEngine", engine, "sync_prune", Engine))
        _check_duration(older_than)
        deleted = 0

        async def prune_some() -> int:
            async with engine.connect() as connection:
                return await connection.run_sync(self._prune_some, older_than)

        def may_stop() -> bool:
            return not is_sqlite(engine)

        while True:
            some = await finished(prune_some(), may_stop)
            deleted += some
            if some < _AT_ONCE:
                return deleted
            await asyncio.sleep(_PAUSE)

    def sync_prune(self, engine: Engine, *, older_than: timedelta) -> int:
        """Do what `prune` does, with an Engine."""
        if not isinstance(engine, Engine):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(_other_engine("sync_prune", "Engine", engine, "prune", AsyncEngine))
        _check_duration(older_than)
        deleted = 0
        while True:
            with engine.connect() as connection:
                some = self._prune_some(connection, older_than)
            deleted += some
            if some < _AT_ONCE:
                return deleted
            time.sleep(_PAUSE)

    def _prune_some(self, connection: Connection, older_than: timedelta) -> int:
        """Delete some old notes in a transaction; return how many."""
        age = min(older_than, _LONG_AGO)
        until: ColumnElement[Any] = func.current_timestamp() - age
        if connection.dialect.name == "sqlite":  # its times are texts, in whole seconds
            until = func.datetime("now", f"-{age.total_seconds():.3f} seconds")
        consumer, key, noted_at = self.table.c["consumer"], self.table.c["key"], self.table.c["noted_at"]
        # Notes that another pruning has locked are left to it; SQLite has no such locks.
        old = select(consumer, key).where(noted_at < until).limit(_AT_ONCE).with_for_update(skip_locked=True)
        deleting = self.table.delete().where(tuple_(consumer, key).in_(old))
        with missing_named("Inbox"):
            some = connection.execute(deleting).rowcount
            connection.commit()
        return some

    def _note(self, connection: Connection, consumer: str, key: str) -> bool:
        """Note the key; return whether it is new. Waits for a transaction that has noted it and has not ended.

        Raises:
            TypeError, ValueError: no column holds such a key.
        """
        if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"a key of the inbox is a str, and this one is {kind_of(key)}; write it as text")
        if not is_storable(key):
            raise ValueError("a key of the inbox is a str without NUL and lone surrogates; take another key")
        if len(key) > _LONGEST:
            key = f"sha256:{sha256(key.encode()).hexdigest()}"
        dialect = connection.dialect.name
        noting = self._noting[dialect] if dialect in self._noting else self._prepare(dialect)
        return connection.execute(noting, {"the_consumer": consumer, "the_key": key}).rowcount == 1

    def _prepare(self, dialect: str) -> Insert:
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        made = self._noting[dialect] = (
            insert(self.table)
            .values(consumer=bindparam("the_consumer", type_=Text()), key=bindparam("the_key", type_=Text()))
            .on_conflict_do_nothing(index_elements=[self.table.c["consumer"], self.table.c["key"]])
            .inline()
            .execution_options(preserve_rowcount=True)
        )
        return made


def _check_duration(older_than: object) -> None:
    if not isinstance(older_than, timedelta):
        raise TypeError(f"older_than is a timedelta, as in timedelta(days=30), and this is {kind_of(older_than)}")
    if older_than <= timedelta(0):
        raise ValueError(f"older_than is how old a note is at least, more than nothing, and not {older_than}")


def _other_engine(method: str, wanted: str, engine: object, twin: str, of_twin: type) -> str:
    instead = f"; write {twin}(...)" if isinstance(engine, of_twin) else ""
    return f"{method} works on an {wanted}, and got {kind_of(engine)}{instead}"
