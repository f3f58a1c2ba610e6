"""One relay at a time on SQLite: who holds the lock file of the database. No connection is held while it publishes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Table
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import Pool

from dddkit._file_lock import FileLock
from dddkit._locks import new_lock
from dddkit.sqlalchemy.engines import READ_ONLY, database_of

if TYPE_CHECKING:
    from dddkit.sqlalchemy._relay.rows import Record, Row
    from dddkit.sqlalchemy._relay.statements import Statements, Wanted

__all__ = ["SQLiteClaim"]

T = TypeVar("T")


class SQLiteClaim:
    """The right to publish, from the first batch until the relay stops."""

    def __init__(self, engine: AsyncEngine, table: Table, statements: Statements) -> None:
        self._engine: Final = engine
        self._statements: Final = statements
        self._lock: Final = _lock_of(engine, table)

    async def take(self, wanted: Wanted) -> list[Row] | None:
        if not (self._lock.held or self._lock.acquire()):
            return None
        return await self.read(lambda connection: self._statements.read(connection, wanted))

    async def read(self, function: Callable[[Connection], T]) -> T:
        options: dict[str, Any] = {READ_ONLY: True}
        async with self._engine.connect() as connection:
            await connection.execution_options(**options)
            return await connection.run_sync(function)

    async def record(self, record: Record) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(self._statements.write, record)

    async def leave(self) -> None:
        self._lock.release()


class _MemoryLock:
    """A lock for a database in memory, which no other process has."""

    def __init__(self, pool: Pool, table: str) -> None:
        self._pool: Final = pool
        self._table: Final = table
        self.held = False

    def acquire(self) -> bool:
        with _guard:
            held = _held.setdefault(self._pool, set())
            if self._table in held:
                return False
            held.add(self._table)
            self.held = True
            return True

    def release(self) -> None:
        with _guard:
            if self.held:
                self.held = False
                _held[self._pool].discard(self._table)


_guard: Final = new_lock()
_held: Final[WeakKeyDictionary[Pool, set[str]]] = WeakKeyDictionary()


def _lock_of(engine: AsyncEngine, table: Table) -> FileLock | _MemoryLock:
    database = database_of(engine)
    if isinstance(database, str):
        path = Path(database)
        return FileLock(path.with_name(f"{path.name}.{table.fullname}.lock"))
    return _MemoryLock(engine.pool, table.fullname)
