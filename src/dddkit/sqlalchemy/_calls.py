"""The connection of a unit: made at the first call that needs one, given back when the unit ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, PendingRollbackError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import Pool

from dddkit.sqlalchemy._errors import cause_of, translated
from dddkit.sqlalchemy._finishing import finished
from dddkit.sqlalchemy._nesting import Holder
from dddkit.sqlalchemy._own_statements import collect_changes
from dddkit.sqlalchemy.engines import READ_ONLY, database_of, is_sqlite, refuse_writes

if TYPE_CHECKING:
    from typing import Concatenate

    from typing_extensions import ParamSpec

    from dddkit.sqlalchemy._usage import Usage
    from dddkit.sqlalchemy._work import Work

    P = ParamSpec("P")

__all__ = ["AsyncCalls", "SyncCalls"]

T = TypeVar("T")

_databases: Final[WeakKeyDictionary[Pool, Hashable]] = WeakKeyDictionary()


class _Calls:
    """What both kinds share."""

    __slots__ = ("_holder", "usage", "work")

    def __init__(self, usage: Usage, work: Work) -> None:
        self.usage: Final = usage
        self.work: Final = work
        self._holder: Holder | None = None

    @property
    def is_connected(self) -> bool:
        raise NotImplementedError

    def _hold(self, engine: Engine, *, is_async: bool) -> None:
        """Refuse to wait for a unit around this one."""
        if self._holder is None and is_sqlite(engine):
            database = _databases.get(engine.pool)
            if database is None:
                database = database_of(engine)
                if database is not engine.pool:  # the real path, which takes longer than a statement
                    _databases[engine.pool] = database
            holder = Holder(self.work.unit, database, is_async=is_async, is_read_only=self.work.is_read_only)
            holder.hold()
            self._holder = holder

    def _leave(self) -> None:
        try:
            if self.work.held:
                self.work.release()
        finally:
            if self._holder is not None:
                self._holder.leave()
                self._holder = None

    def _only_read(self, connection: Connection) -> None:
        """Make the transactions of the connection ones that only read."""
        options: dict[str, Any] = {READ_ONLY: True}
        if connection.dialect.name == "postgresql":
            options["postgresql_readonly"] = True
        connection.execution_options(**options)

    def _give_out(self, connection: Connection) -> None:
        """Begin, so that `connection.begin()` of the user is an error, and not an end of the transaction half-way."""
        try:
            self.work.given_out = connection.get_transaction() or connection.begin()
        except DBAPIError:
            self.work.has_failed = True
            raise
        is_embedded = connection.dialect.name == "sqlite"
        if is_embedded or self.work.has_failed:
            self.work.check_transaction(connection)
        if not self.work.is_read_only:
            collect_changes(connection, self.work.own_changes)
        elif is_embedded:  # PostgreSQL refuses by itself
            refuse_writes(connection)

    def _translated(self, error: StatementError | PendingRollbackError) -> Exception | None:
        # SQLAlchemy begins no transaction on a connection where the BEGIN of SQLite has failed.
        self.work.has_failed = self.is_connected
        if isinstance(error, StatementError):
            error.hide_parameters = True  # whole aggregates, which would end in logs
        return translated(self.work.unit, error, committing=self.work.is_storing)


class SyncCalls(_Calls):
    """The calls of a SyncUnitOfWork."""

    __slots__ = ("_connection", "_engine", "_one_at_a_time")

    def __init__(self, engine: Engine, usage: Usage, work: Work) -> None:
        super().__init__(usage, work)
        self._engine: Final = engine
        self._connection: Connection | None = None
        self._one_at_a_time: Final = RLock()  # a thread may still use the unit when its block is left

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    def connection(self) -> Connection:
        """Return the connection, for statements of the user."""
        with self._one_at_a_time:
            connection = self._connected()
            if self.work.given_out is None:
                self._give_out(connection)
            return connection

    def _connected(self) -> Connection:
        if self._connection is None:
            self._hold(self._engine, is_async=False)
            self._connection = self._engine.connect()
            if self.work.is_read_only:
                self._only_read(self._connection)
        return self._connection

    def call(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function with the connection; an error of the database is one of ours where we know better."""
        with self._one_at_a_time:
            if self.work.has_failed:
                function = self.work.checked(function)
            try:
                return function(self._connection or self._connected(), *args, **kwargs)
            except (StatementError, PendingRollbackError) as error:
                if (better := self._translated(error)) is None:
                    raise
                raise better from cause_of(error)

    def close(self) -> None:
        """Give the connection back, once nothing uses it; what is not committed is rolled back."""
        with self._one_at_a_time:
            connection, self._connection = self._connection, None
            try:
                if connection is not None:
                    connection.close()
            except DBAPIError as error:
                if not error.connection_invalidated:  # a lost one has been rolled back by the database
                    raise
            finally:
                self._leave()


class AsyncCalls(_Calls):
    """The calls of a UnitOfWork. A cancelled one ends first, so that it is known what it has done."""

    __slots__ = ("_connection", "_engine", "_one_at_a_time", "is_lost")

    def __init__(self, engine: AsyncEngine, usage: Usage, work: Work) -> None:
        super().__init__(usage, work)
        self._engine: Final = engine
        self._connection: AsyncConnection | None = None
        self.is_lost = False
        """Whether the connection was lost; known once it was to be given back."""
        self._one_at_a_time: Final = asyncio.Lock()  # a task may still use the unit when its block is left

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connection(self) -> AsyncConnection:
        """Return the connection, for statements of the user."""
        async with self._one_at_a_time:
            connection = self._connection
            if connection is None:
                self._hold(self._engine.sync_engine, is_async=True)
                connection = await finished(self._connect())
            if self.work.given_out is None:
                await finished(connection.run_sync(self._give_out))
            return connection

    async def call(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function with the connection; an error of the database is one of ours where we know better."""
        async with self._one_at_a_time:
            if self._connection is None:
                self._hold(self._engine.sync_engine, is_async=True)  # in the unit's own task
            if self.work.has_failed:
                function = self.work.checked(function)
            try:
                return await finished(self._run(function, *args, **kwargs), self._may_stop)
            except (StatementError, PendingRollbackError) as error:
                if (better := self._translated(error)) is None:
                    raise
                raise better from cause_of(error)

    def _may_stop(self) -> bool:
        """Return whether a call under way may be cancelled: on SQLite it ends soon, and has to end."""
        return not (self.work.is_storing or is_sqlite(self._engine))

    async def _run(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        connection = self._connection or await self._connect()
        return await connection.run_sync(function, *args, **kwargs)

    async def _connect(self) -> AsyncConnection:
        connection = await self._engine.connect()
        self._connection = connection
        if self.work.is_read_only:
            await connection.run_sync(self._only_read)
        return connection

    async def close(self) -> None:
        """Give the connection back, once nothing uses it; what is not committed is rolled back."""
        try:
            is_free = self._connection is None or self._connection.closed  # as a commit leaves it
            if self._one_at_a_time.locked() or not is_free:
                await finished(self._close())
            self._connection = None
        finally:
            self._leave()

    async def _close(self) -> None:
        async with self._one_at_a_time:
            connection, self._connection = self._connection, None
            if connection is not None and not connection.closed:
                self.is_lost = connection.invalidated
                try:
                    await connection.close()
                except DBAPIError as error:
                    if not error.connection_invalidated:  # a lost one has been rolled back by the database
                        raise
                    self.is_lost = True
