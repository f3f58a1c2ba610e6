"""Engines of the embedded database, and which engines a unit of work accepts."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Final

from dddkit.exceptions import MissingDependencyError

try:
    from sqlalchemy import URL, Connection, Engine, ExceptionContext, MetaData, create_engine, event, inspect
    from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
    from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool, PoolProxiedConnection, QueuePool
except ModuleNotFoundError as error:
    if error.name != "sqlalchemy":  # it is installed, but its import failed
        raise
    raise MissingDependencyError("sqlalchemy", "sqlalchemy[asyncio]", "sqlalchemy") from error

__all__ = ["READ_ONLY", "check_engine", "database_of", "embedded", "is_sqlite", "refuse_writes", "sync_embedded"]

READ_ONLY: Final = "dddkit_read_only"
"""The execution option that makes a transaction of an embedded database one that never waits for writers."""

_EMBEDDED: Final = "dddkit_embedded"
_QUERY_ONLY: Final = "dddkit_query_only"
_BEGIN: Final = "dddkit_begin"
_MEMORY: Final = ":memory:"


def embedded(
    path: str | os.PathLike[str],
    metadata: MetaData,
    *,
    timeout: float = 30.0,
    **options: Any,  # those of create_async_engine, whatever they are in this SQLAlchemy
) -> AsyncEngine:
    """Return an engine for an SQLite database in a file of this path, or in memory where it is ":memory:".

    The file and the tables of `metadata` are created at the first transaction, where they do not exist; with a
    `schema_translate_map`, at the first one of each map, in the databases that are attached under these names. A
    transaction takes the write lock when it begins, so that none fails half-way because of another one; one that only
    reads, as in a unit with `read_only=True`, waits for nobody. Foreign keys are enforced. Any number of processes of
    one machine may use the file.

    A database in memory has one connection, and every transaction waits for it. It ends with the engine.

    Dispose of the engine when the program ends: `await engine.dispose()`.

    Args:
        path: as in a shell: relative to the current folder, `~` is the user's.
        metadata: the tables to create.
        timeout: how many seconds a transaction waits for others before it fails.
        options: of `sqlalchemy.ext.asyncio.create_async_engine`, as in `echo=True`.

    Raises:
        FileNotFoundError: the folder of the file does not exist.
        IsADirectoryError: the path is a folder.
        ValueError: the path is empty, or a URL; at the first transaction: no database is attached as the schema of a
            table.
    """
    database = _database("embedded", path)
    kept = _options(database, timeout, options, AsyncAdaptedQueuePool)
    try:
        engine = create_async_engine(URL.create("sqlite+aiosqlite", database=database), **kept)
    except ModuleNotFoundError as error:
        if error.name != "aiosqlite":
            raise
        raise MissingDependencyError("aiosqlite", "aiosqlite", "sqlalchemy") from error
    _prepare(engine.sync_engine, metadata, timeout)
    return engine


def sync_embedded(
    path: str | os.PathLike[str],
    metadata: MetaData,
    *,
    timeout: float = 30.0,
    **options: Any,  # those of create_engine, whatever they are in this SQLAlchemy
) -> Engine:
    """Return what `embedded` returns, for synchronous code; all threads share a database in memory."""
    database = _database("sync_embedded", path)
    kept = _options(database, timeout, options, QueuePool)
    engine = create_engine(URL.create("sqlite+pysqlite", database=database), **kept)
    _prepare(engine, metadata, timeout)
    return engine


def _database(function: str, path: str | os.PathLike[str]) -> str:
    """Return the database as a URL names it; raise what is wrong with the path."""
    text = os.fsdecode(path)
    if text == _MEMORY:
        return text
    if "://" in text or text.startswith("file:"):
        raise ValueError(
            f'{function} takes the path of a file, as in {function}("shop.sqlite", metadata), and got a URL; '
            f"for other databases write {'create_async_engine' if function == 'embedded' else 'create_engine'}(url)"
        )
    if not text:
        raise ValueError(f'{function} takes the path of a file, and got an empty one; write ":memory:" for no file')
    file = Path(os.path.abspath(Path(text).expanduser()))  # the current folder may change before the first connection
    if not file.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, f"{function} has no folder for {file.name!r}; create it first", str(file.parent)
        )
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, f"{function} takes the path of a file, and this is a folder", str(file))
    return str(file)


def _options(database: str, timeout: float, options: dict[str, Any], queue_pool: type[Pool]) -> dict[str, Any]:
    """Return the options of an engine: those of its user, with ours."""
    kept = options if "poolclass" in options else {"poolclass": queue_pool, "pool_timeout": timeout, **options}
    if database == _MEMORY:  # every connection would be a database of its own
        kept = {"pool_timeout": timeout, **kept, "poolclass": queue_pool, "pool_size": 1, "max_overflow": 0}
    # SQLAlchemy hands a connection to one thread after the other. Python must not begin transactions, we do.
    ours = {"timeout": timeout, "isolation_level": None, "check_same_thread": False}
    return {
        **kept,
        "connect_args": {**options.get("connect_args", {}), **ours},
        "execution_options": {**options.get("execution_options", {}), _EMBEDDED: True},
    }


def _prepare(engine: Engine, metadata: MetaData, timeout: float) -> None:
    in_memory = engine.url.database == _MEMORY
    tables = _Tables(metadata)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:  # Any: a connection of the driver, as SQLAlchemy adapts it
        if in_memory:
            tables.forget()
        try:
            pragma(connection, "foreign_keys=ON")
            if not in_memory:
                _use_wal(lambda: pragma(connection, "journal_mode=WAL"), _sleep_of(connection), timeout, engine.url)
        except BaseException:
            connection.close()  # SQLAlchemy does not know it yet
            raise

    def pragma(connection: Any, text: str) -> Any:
        cursor = connection.cursor()
        try:
            cursor.execute(f"PRAGMA {text}")
            return cursor.fetchone()
        finally:
            cursor.close()

    @event.listens_for(engine, "begin")
    def prepare_begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if connection.info.pop(_QUERY_ONLY, False):
            connection.exec_driver_sql("PRAGMA query_only=OFF")
        tables.create_missing(connection, options.get("schema_translate_map"))
        if options.get("isolation_level") != "AUTOCOMMIT":
            connection.info[_BEGIN] = "BEGIN" if options.get(READ_ONLY) else "BEGIN IMMEDIATE"

    def do_begin(dbapi_connection: PoolProxiedConnection) -> None:
        if statement := dbapi_connection.info.pop(_BEGIN, None):
            cursor = dbapi_connection.cursor()
            cursor.execute(statement)
            cursor.close()

    # SQLAlchemy calls it after the event. Executed in the event, as a statement of the connection, BEGIN would take as
    # long as any statement of a unit.
    engine.dialect.do_begin = do_begin  # type: ignore[method-assign]  # of this engine's own dialect

    @event.listens_for(engine, "handle_error")
    def keep_connection(context: ExceptionContext) -> None:
        _keep_connection(context)


class _Tables:
    """Creates the tables before the first transaction: in the main database, and for tenants that are attached."""

    def __init__(self, metadata: MetaData) -> None:
        self._metadata = metadata
        self._exist: set[Hashable] = set()
        """The translations of schemas with which they are there."""

    def forget(self) -> None:
        """Look again: what is in memory ends with its connection."""
        self._exist.clear()

    def create_missing(self, connection: Connection, translated: Mapping[str | None, str | None] | None) -> None:
        """Create those that are missing; several connections and processes may do so at once."""
        translation = frozenset(translated.items()) if translated else None
        if translation in self._exist:
            return
        if not self._are_found(connection, translated or {}):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # so only one process looks, and creates
            try:
                self._metadata.create_all(connection)
            except BaseException:
                connection.connection.rollback()  # where the error has ended it, this does nothing
                raise
            connection.exec_driver_sql("COMMIT")
        self._exist.add(translation)

    def _are_found(self, connection: Connection, translated: Mapping[str | None, str | None]) -> bool:
        wanted = {(translated.get(table.schema, table.schema), table.name) for table in self._metadata.tables.values()}
        schemas, inspector = {schema for schema, _ in wanted}, inspect(connection)
        attached = {name.lower() for name in inspector.get_schema_names()} | {"temp"}
        for schema in filter(None, schemas):
            if schema.lower() not in attached:
                raise ValueError(
                    f"{connection.engine.url.database}: no database is attached as {schema}, where tables are declared "
                    f'to be; run `ATTACH DATABASE ... AS {schema}` in an event listener for "connect" of the engine'
                )
        return wanted <= {(schema, name) for schema in schemas for name in inspector.get_table_names(schema)}


def _use_wal(switch: Callable[[], Any], sleep: Callable[[float], object], timeout: float, url: URL) -> None:
    """Let readers go on beside a writer. SQLite does not wait for others when it switches to this mode, so we do."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            (mode,) = switch()
        except Exception as error:  # the driver's own: sqlite3.OperationalError
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            sleep(0.01)
            continue
        if mode != "wal":
            raise OSError(
                f"{url.database}: SQLite cannot write ahead here (journal_mode is {mode}), as it has to for several "
                f"connections; put the file on a local disk"
            )
        return


def _sleep_of(connection: Any) -> Callable[[float], object]:
    """Return how to sleep where this connection is made: in a thread, or inside of an event loop."""
    run_async = getattr(connection, "run_async", None)
    if run_async is None:
        return time.sleep

    def sleep(seconds: float) -> None:
        async def pause(_: object) -> None:
            await asyncio.sleep(seconds)

        run_async(pause)

    return sleep


def _keep_connection(context: ExceptionContext) -> None:
    """Keep the connection, which a database in memory cannot lose, and see to it that its transaction has ended.

    A cancelled call goes on in aiosqlite's thread. SQLAlchemy would give up the connection, in some versions together
    with a transaction that has the write lock. It can be used again: the thread does one thing after the other.

    A COMMIT that SQLite refuses (a deferred foreign key) leaves its transaction open; SQLAlchemy takes it for ended.
    """
    if not isinstance(context.original_exception, Exception):  # a cancellation, an interrupt
        context.is_disconnect = False
    is_statement, connection = context.statement is not None, context.connection
    if not is_statement and not context.is_disconnect and connection is not None:
        connection.connection.rollback()


def refuse_writes(connection: Connection) -> None:
    """Let SQLite refuse what would be rolled back in silence, until the next transaction of this connection."""
    connection.info[_QUERY_ONLY] = True
    connection.exec_driver_sql("PRAGMA query_only=ON")


def is_sqlite(engine: Engine | AsyncEngine) -> bool:
    """Return whether the database has one writer at a time, so that a unit inside a unit would wait for itself."""
    return engine.dialect.name == "sqlite"


def database_of(engine: Engine | AsyncEngine) -> Hashable:
    """Return what two engines of one SQLite database have in common: the real path, or the pool of one in memory."""
    database = engine.url.database
    if database is None or database == _MEMORY:
        return engine.pool
    return os.path.realpath(database)


def check_engine(unit: type, engine: object, *, asynchronous: bool) -> None:
    """Raise what is wrong with the engine that a unit of this class was given.

    Raises:
        TypeError: an engine for the other kind of unit, or no engine.
        ValueError: an engine without transactions; one for SQLite that `embedded` or `sync_embedded` did not make. Its
            transactions take the write lock at their first write, and fail there if anybody has written since they
            began to read.
    """
    name, embed = unit.__qualname__, "embedded" if asynchronous else "sync_embedded"
    if not isinstance(engine, AsyncEngine if asynchronous else Engine):
        wanted, other, kind, other_kind = "AsyncEngine", "Engine", "UnitOfWork", "SyncUnitOfWork"
        if not asynchronous:
            wanted, other, kind, other_kind = other, wanted, other_kind, kind
        make = f"create_{'async_' if asynchronous else ''}engine(url)"
        if isinstance(engine, (Engine, AsyncEngine)):
            raise TypeError(
                f"{name} is a {kind} and works on an {wanted}, and got an {other}; make the engine with {embed}(...) "
                f"or {make}, or derive {name} from {other_kind}"
            )
        raise TypeError(
            f"{name} works on an {wanted}, and got {_shown(engine)}; make one with {embed}(...) or {make}, once for "
            f"the program"
        )
    if "AUTOCOMMIT" in (
        engine.get_execution_options().get("isolation_level"),
        getattr(engine.dialect, "_on_connect_isolation_level", None),  # that of create_engine
    ):
        raise ValueError(
            f"{name} got an engine with isolation_level AUTOCOMMIT, which stores each statement by itself, and a unit "
            f"stores all or nothing; leave it out"
        )
    if engine.dialect.name == "sqlite" and not engine.get_execution_options().get(_EMBEDDED):
        raise ValueError(
            f"{name} got an SQLite engine whose transactions begin without the write lock, and would fail half-way "
            f'because of others; make it with {embed}("{_file_of(engine)}", metadata)'
        )


def _shown(engine: object) -> str:
    return (
        f"the class {engine.__qualname__}" if isinstance(engine, type) else f"an object of {type(engine).__qualname__}"
    )


def _file_of(engine: Engine | AsyncEngine) -> str:
    return engine.url.database or _MEMORY
