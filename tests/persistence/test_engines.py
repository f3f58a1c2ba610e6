"""Engines of the embedded database: paths, tables, transactions, a database in memory, and which a unit accepts."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, Table, create_engine, func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from dddkit.exceptions import MissingDependencyError
from dddkit.sqlalchemy import embedded, sync_embedded
from dddkit.sqlalchemy.engines import READ_ONLY, check_engine, database_of

metadata = MetaData()
orders = Table("orders", metadata, Column("id", Integer, primary_key=True))
lines = Table(
    "lines",
    metadata,
    Column("id", Integer, primary_key=True),
    Column[int]("order_id", ForeignKey("orders.id", deferrable=True, initially="DEFERRED")),
)
count = select(func.count()).select_from(orders)

Embed = Callable[..., Engine]


@pytest.fixture
def embed() -> Generator[Callable[..., Engine]]:
    """`sync_embedded`, whose engines end with the test."""
    made = list[Engine]()

    def embed(path: Any, metadata: MetaData = metadata, **options: Any) -> Engine:
        made.append(sync_embedded(path, metadata, **options))
        return made[-1]

    yield embed
    for engine in made:
        engine.dispose()


def run_async(path: Any, work: Callable[[AsyncEngine], Any], **options: Any) -> Any:
    """Run the work with an engine that `embedded` makes."""

    async def run() -> Any:
        engine = embedded(path, metadata, **options)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())


async def add_order(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        await connection.execute(orders.insert())
        return (await connection.execute(count)).scalar_one()


# Paths


@pytest.mark.parametrize("name", ["plain.sqlite", "with space.sqlite", "a?mode=ro", "b#c", "100%41.db", "Größe"])
def test_a_file_is_called_as_the_path_says(tmp_path: Path, name: str, embed: Embed) -> None:
    assert run_async(tmp_path / name, add_order) == 1
    with embed(str(tmp_path / name)).connect() as connection:
        assert connection.scalar(count) == 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(("-wal", "-shm"))] == [name]


def test_a_relative_path_begins_where_the_engine_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embed: Embed
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    engine = embed("shop.sqlite")
    monkeypatch.chdir(tmp_path / "other")
    engine.connect().close()
    assert (tmp_path / "shop.sqlite").exists()
    assert database_of(engine) == str((tmp_path / "shop.sqlite").resolve())


def test_a_tilde_is_the_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embed: Embed) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    embed("~/shop.sqlite").connect().close()
    assert (tmp_path / "shop.sqlite").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    for function in (embedded, sync_embedded):
        with pytest.raises(FileNotFoundError, match="create it first") as refused:
            function(tmp_path / "missing" / "shop.sqlite", metadata)
        assert refused.value.filename == str(tmp_path / "missing")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="takes the path of a file") as refused:
        embedded(tmp_path, metadata)
    assert refused.value.filename == str(tmp_path)


@pytest.mark.parametrize("path", ["sqlite:///shop.sqlite", "postgresql+asyncpg://localhost/shop", "file:shop?mode=ro"])
def test_a_url_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"embedded\(\"shop.sqlite\", metadata\), and got a URL"):
        embedded(path, metadata)


def test_a_url_with_a_password_is_not_shown() -> None:
    with pytest.raises(ValueError, match="got a URL") as refused:
        sync_embedded("postgresql://me:secret@localhost/shop", metadata)
    assert "secret" not in str(refused.value)
    assert "create_engine(url)" in str(refused.value)


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(ValueError, match='write ":memory:" for no file'):
        embedded("", metadata)


# Tables


def test_tables_are_created_at_the_first_transaction(tmp_path: Path, embed: Embed) -> None:
    later = MetaData()
    engine = embed(tmp_path / "shop.sqlite", later)
    assert not (tmp_path / "shop.sqlite").exists()
    table = Table("later", later, Column("id", Integer, primary_key=True))  # the class of a unit, say
    with engine.begin() as connection:
        connection.execute(table.insert())


def test_tables_that_exist_are_left_as_they_are(tmp_path: Path, embed: Embed) -> None:
    assert run_async(tmp_path / "shop.sqlite", add_order) == 1
    more = MetaData()
    Table("orders", more, Column("id", Integer, primary_key=True))
    added = Table("added", more, Column("id", Integer, primary_key=True))
    with embed(tmp_path / "shop.sqlite", more).begin() as connection:
        connection.execute(added.insert())
        assert connection.scalar(count) == 1


def test_reading_needs_no_write_lock_where_the_tables_exist(tmp_path: Path, embed: Embed) -> None:
    with embed(tmp_path / "shop.sqlite").begin():
        reader = embed(tmp_path / "shop.sqlite", timeout=0).execution_options(**{READ_ONLY: True})
        with reader.connect() as connection:
            assert connection.scalar(count) == 0


def test_threads_that_open_a_new_database_at_once_all_get_it(tmp_path: Path) -> None:
    for number in range(5):
        open_at_once(tmp_path / f"{number}.sqlite", threads=8)


def open_at_once(path: Path, threads: int) -> None:
    start, failures = threading.Barrier(threads), list[BaseException]()

    def open_it() -> None:
        engine = sync_embedded(path, metadata)
        start.wait()
        try:
            with engine.begin() as connection:
                connection.execute(orders.insert())
        except BaseException as error:
            failures.append(error)
        finally:
            engine.dispose()

    started = [threading.Thread(target=open_it) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert failures == []
    assert rows(path) == threads


def rows(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        (number,) = connection.execute("SELECT count(*) FROM orders").fetchone()
        return int(number)
    finally:
        connection.close()


OPENERS = """
import asyncio, sys, time
from tests.persistence.test_engines import add_order, metadata
from dddkit.sqlalchemy import embedded

async def main():
    for number in range(50):
        engine = embedded(f"{sys.argv[1]}/{number}.sqlite", metadata)
        time.sleep(max(0, float(sys.argv[2]) + number * 0.1 - time.time()))  # all at the same moment
        await add_order(engine)
        await engine.dispose()

asyncio.run(main())
"""


@pytest.mark.slow
def test_processes_that_open_a_new_database_at_once_all_get_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENERS, str(tmp_path), str(time.time() + 3)]
    processes = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(6)]
    assert [process.wait() for process in processes] == [0] * 6
    assert [rows(tmp_path / f"{number}.sqlite") for number in range(50)] == [6] * 50


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_file_that_somebody_reads_is_waited_for(tmp_path: Path, asynchronous: bool, embed: Embed) -> None:
    reader = sqlite3.connect(tmp_path / "old.sqlite", check_same_thread=False)  # not in the mode that lets others go on
    reader.executescript("CREATE TABLE old (id INTEGER); BEGIN; SELECT * FROM old")
    reader.execute("SELECT * FROM old").fetchall()
    timer = threading.Timer(0.1, reader.close)
    timer.start()
    if asynchronous:
        assert run_async(tmp_path / "old.sqlite", add_order) == 1
    else:
        with embed(tmp_path / "old.sqlite").begin() as connection:
            connection.execute(orders.insert())
    timer.join()
    assert rows(tmp_path / "old.sqlite") == 1


def test_a_file_that_somebody_reads_for_too_long_is_an_error(tmp_path: Path, embed: Embed) -> None:
    reader = sqlite3.connect(tmp_path / "old.sqlite")
    reader.executescript("CREATE TABLE old (id INTEGER); BEGIN")
    reader.execute("SELECT * FROM old").fetchall()
    with pytest.raises(OperationalError, match="locked"):
        embed(tmp_path / "old.sqlite", timeout=0.02).connect()
    reader.close()


# Transactions


def test_a_transaction_takes_the_write_lock_when_it_begins(tmp_path: Path, embed: Embed) -> None:
    with embed(tmp_path / "shop.sqlite").begin():
        other = embed(tmp_path / "shop.sqlite", timeout=0)
        with other.connect() as connection, pytest.raises(OperationalError, match="locked"):
            connection.begin()


def test_a_writer_waits_for_another_one(tmp_path: Path, embed: Embed) -> None:
    engine = embed(tmp_path / "shop.sqlite")

    def write() -> None:
        with engine.begin() as connection:
            connection.execute(orders.insert())

    with engine.begin() as connection:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        connection.execute(orders.insert())
    thread.join()
    assert rows(tmp_path / "shop.sqlite") == 2


def test_a_reader_does_not_see_what_is_written_meanwhile(tmp_path: Path, embed: Embed) -> None:
    engine = embed(tmp_path / "shop.sqlite")
    with engine.connect().execution_options(**{READ_ONLY: True}) as reader:
        assert reader.scalar(count) == 0
        with engine.begin() as writer:
            writer.execute(orders.insert())
        assert reader.scalar(count) == 0
        reader.rollback()
        assert reader.scalar(count) == 1


def test_foreign_keys_are_enforced_in_each_connection(tmp_path: Path, embed: Embed) -> None:
    engine = embed(tmp_path / "shop.sqlite")
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            connection.execution_options(isolation_level="AUTOCOMMIT")
            with pytest.raises(IntegrityError):
                connection.execute(lines.insert(), {"order_id": 17})


def test_statements_outside_of_transactions_are_possible(tmp_path: Path, embed: Embed) -> None:
    with embed(tmp_path / "shop.sqlite").connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("VACUUM")


def test_options_of_sqlalchemy_are_passed_on(tmp_path: Path, embed: Embed) -> None:
    class Driver(sqlite3.Connection): ...

    engine = embed(
        tmp_path / "shop.sqlite", poolclass=NullPool, connect_args={"factory": Driver}, execution_options={"x": 1}
    )
    assert isinstance(engine.pool, NullPool)
    assert engine.get_execution_options()["x"] == 1
    check_engine(Embedded, engine, asynchronous=False)
    with engine.begin() as connection:
        assert isinstance(connection.connection.driver_connection, Driver)
        connection.execute(orders.insert())


def test_the_timeout_is_that_of_the_driver_too(tmp_path: Path, embed: Embed) -> None:
    with embed(tmp_path / "shop.sqlite", timeout=1.5).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 1500


@pytest.mark.parametrize("path", ["shop.sqlite", ":memory:"])
def test_fu1_after_a_refused_commit_the_connection_is_as_new(tmp_path: Path, path: str, embed: Embed) -> None:
    where = path if path == ":memory:" else tmp_path / path

    async def fail(engine: AsyncEngine) -> int:
        await add_order(engine)
        with pytest.raises(IntegrityError):
            async with engine.begin() as connection:
                await connection.execute(lines.insert(), {"order_id": 17})
        return await add_order(engine)

    assert run_async(where, fail, pool_size=1, max_overflow=0) == 2
    engine = embed(where, pool_size=1, max_overflow=0)
    connection = engine.connect()
    connection.execute(lines.insert(), {"order_id": 17})
    with pytest.raises(IntegrityError):
        connection.commit()
    connection.close()
    with engine.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(lines)) == 0
        connection.execute(orders.insert())


# In memory


def test_a_database_in_memory_belongs_to_its_engine(embed: Embed) -> None:
    assert run_async(":memory:", add_order) == 1
    first, second = embed(":memory:"), embed(":memory:")
    with first.begin() as connection:
        connection.execute(orders.insert())
    with first.connect() as one, second.connect() as other:
        assert (one.scalar(count), other.scalar(count)) == (1, 0)


def test_an_engine_that_was_disposed_of_begins_with_an_empty_database_in_memory(embed: Embed) -> None:
    engine = embed(":memory:")
    for _ in range(2):
        with engine.begin() as connection:
            connection.execute(orders.insert())
            assert connection.scalar(count) == 1
        engine.dispose()


def test_tasks_wait_for_the_one_connection_of_a_database_in_memory() -> None:
    async def add_two(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            before = (await connection.execute(count)).scalar_one()
            await connection.execute(orders.insert())
            await asyncio.sleep(0)
            await connection.execute(orders.insert())
            assert (await connection.execute(count)).scalar_one() == before + 2

    async def work(engine: AsyncEngine) -> int:
        await asyncio.gather(*(add_two(engine) for _ in range(10)))
        return await add_order(engine)

    assert run_async(":memory:", work) == 21


def test_threads_share_a_database_in_memory(embed: Embed) -> None:
    engine = embed(":memory:")

    def add_many() -> None:
        for _ in range(20):
            with engine.begin() as connection:
                connection.execute(orders.insert())

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        assert connection.scalar(count) == 80


def test_waiting_for_the_connection_of_a_database_in_memory_ends(embed: Embed) -> None:
    engine = embed(":memory:", timeout=0.01)
    with engine.connect(), pytest.raises(PoolTimeoutError):
        engine.connect()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers that interrupt")
def test_fu2_an_interrupted_statement_does_not_lose_a_database_in_memory(
    embed: Embed,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    engine = embed(":memory:")
    with engine.begin() as connection:
        connection.execute(orders.insert())
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        with suppress(KeyboardInterrupt), engine.begin() as connection:
            connection.execute(orders.insert())
            signal.setitimer(signal.ITIMER_REAL, 0.005)
            connection.exec_driver_sql(LONG)
            raise AssertionError("the statement was not interrupted")
    finally:
        signal.signal(signal.SIGALRM, handler)
    with engine.connect() as connection:
        assert connection.scalar(count) == 1


LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) FROM n"


# Which engines a unit accepts


class Embedded:
    """Stands for the class of a unit."""


@contextmanager
def refused(kind: type[Exception], engine: object, *, asynchronous: bool) -> Generator[Callable[[], str]]:
    with pytest.raises(kind) as found:
        check_engine(Embedded, engine, asynchronous=asynchronous)
    yield lambda: str(found.value)


def test_the_engine_of_the_other_kind_is_refused(embed: Embed) -> None:
    with refused(TypeError, embed(":memory:"), asynchronous=True) as message:
        assert message() == (
            "Embedded is a UnitOfWork and works on an AsyncEngine, and got an Engine; make the engine with "
            "embedded(...) or create_async_engine(url), or derive Embedded from SyncUnitOfWork"
        )
    with refused(TypeError, embedded(":memory:", metadata), asynchronous=False) as message:
        assert message() == (
            "Embedded is a SyncUnitOfWork and works on an Engine, and got an AsyncEngine; make the engine with "
            "sync_embedded(...) or create_engine(url), or derive Embedded from UnitOfWork"
        )


def test_what_is_no_engine_is_refused_without_its_value() -> None:
    with refused(TypeError, "postgresql://me:secret@localhost", asynchronous=True) as message:
        assert message() == (
            "Embedded works on an AsyncEngine, and got an object of str; make one with embedded(...) or "
            "create_async_engine(url), once for the program"
        )


def test_a_plain_engine_for_sqlite_is_refused(tmp_path: Path) -> None:
    for asynchronous, engine in (
        (False, create_engine(f"sqlite:///{tmp_path}/a.sqlite")),
        (True, create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.sqlite")),
    ):
        with refused(ValueError, engine, asynchronous=asynchronous) as message:
            assert f'embedded("{tmp_path}/a.sqlite", metadata)' in message()


def test_engines_of_other_databases_are_accepted() -> None:
    check_engine(Embedded, create_engine("postgresql+psycopg://"), asynchronous=False)
    check_engine(Embedded, create_async_engine("postgresql+asyncpg://"), asynchronous=True)


def test_engines_of_one_file_have_one_database(tmp_path: Path, embed: Embed) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    one, other = embed(tmp_path / "a.sqlite"), embedded(tmp_path / "link" / "a.sqlite", metadata)
    assert database_of(one) == database_of(other) == database_of(one.execution_options(x=1))
    assert database_of(one) != database_of(embed(tmp_path / "b.sqlite"))
    memory = embed(":memory:")
    assert database_of(memory) == database_of(memory.execution_options(x=1)) != database_of(embed(":memory:"))


def test_a_missing_aiosqlite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    with pytest.raises(MissingDependencyError, match=r"dddkit\[sqlalchemy\]"):
        embedded(":memory:", metadata)
    sync_embedded(":memory:", metadata)


def test_an_error_of_creating_the_tables_undoes_it(tmp_path: Path, embed: Embed) -> None:
    wrong = MetaData()
    Table("a", wrong, Column("id", Integer, primary_key=True))
    Table("b", wrong, Column("id", Integer, server_default=text("(")))
    engine = embed(tmp_path / "a.sqlite", wrong)
    for _ in range(2):
        with pytest.raises(OperationalError, match="CREATE TABLE b"), engine.begin():
            pass
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()
