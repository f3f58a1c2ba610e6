"""One relay at a time on PostgreSQL: whose transaction holds the advisory lock of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import BigInteger, Connection, Table, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

if TYPE_CHECKING:
    from dddkit.sqlalchemy._relay.rows import Record, Row
    from dddkit.sqlalchemy._relay.statements import Statements, Wanted

__all__ = ["PostgreSQLClaim"]

T = TypeVar("T")

_FIRST_KEY: Final = 0x646464 << 32
"""Our advisory locks are those from here on, one for each oid."""

_NOTHING: Final[Mapping[str | None, str | None]] = {}


class PostgreSQLClaim:
    """The right to publish one batch: a transaction from taking it until what became of it is recorded.

    The relay has a connection of its own, beside those of the pool: handlers in this process need them meanwhile, and
    a pool may hold a single one.
    """

    def __init__(self, engine: AsyncEngine, table: Table, statements: Statements) -> None:
        self._engine: Final = engine
        self._table: Final = table
        self._statements: Final = statements
        self._connection: AsyncConnection | None = None
        self._driver: Any = None  # a connection of asyncpg or psycopg
        name = cast(func.to_regclass(bindparam("the_name", type_=Text())), OID)
        self._lock: Final = select(
            func.pg_try_advisory_xact_lock(cast(name, BigInteger) + bindparam("the_first", type_=BigInteger()))
        )

    async def take(self, wanted: Wanted) -> list[Row] | None:
        try:
            connection = self._connection or await self._connect()
            rows = await connection.run_sync(self._take, wanted)
            if not rows:
                await connection.rollback()
            return rows
        except BaseException:
            await self.leave()
            raise

    def _take(self, connection: Connection, wanted: Wanted) -> list[Row] | None:
        values = {"the_name": self._name(connection), "the_first": _FIRST_KEY}
        is_ours = connection.execute(self._lock, values).scalar_one()
        # None: there is no such table, and reading it says so. Only what is read after the lock was taken is fresh.
        return None if is_ours is False else self._statements.read(connection, wanted)

    def _name(self, connection: Connection) -> str:
        """Return the table's name as statements of this connection have it, each part in quotes."""
        schemas: Mapping[str | None, str | None] = (
            connection.get_execution_options().get("schema_translate_map") or _NOTHING
        )
        schema = schemas.get(self._table.schema, self._table.schema)
        quote = connection.dialect.identifier_preparer.quote_identifier
        return ".".join(quote(part) for part in (schema, self._table.name) if part is not None)

    async def read(self, function: Callable[[Connection], T]) -> T:
        try:
            connection = self._connection or await self._connect()
            found = await connection.run_sync(function)
            await connection.rollback()
            return found
        except BaseException:
            await self.leave()
            raise

    async def record(self, record: Record) -> None:
        try:
            connection = self._connection or await self._connect()
            await connection.run_sync(self._record, record)
        except BaseException:
            await self.leave()
            raise

    def _record(self, connection: Connection, record: Record) -> None:
        self._statements.write(connection, record)
        connection.commit()

    async def _connect(self) -> AsyncConnection:
        connection = await self._engine.connect()
        try:
            # A snapshot from before the lock was taken would show what the last relay has published since.
            await connection.execution_options(isolation_level="READ COMMITTED")
            self._driver = (await connection.get_raw_connection()).driver_connection
            await connection.run_sync(Connection.detach)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        return connection

    async def leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(Exception):  # a lost one
            await connection.close()
        with suppress(Exception):  # SQLAlchemy leaves a lost one as it is
            await _close(self._driver)


async def _close(driver: Any) -> None:
    """Close the driver's connection, without waiting for the server."""
    if hasattr(driver, "terminate"):  # asyncpg
        driver.terminate()
    else:
        await driver.close()
