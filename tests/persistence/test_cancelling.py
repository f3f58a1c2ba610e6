"""Cancelling work on a database at each of its awaits: what is stored is whole, and the next one can work."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit.sqlalchemy import embedded
from dddkit.sqlalchemy._finishing import finished
from tests.persistence.cancelling import cancelled_at
from tests.servers.databases import PostgreSQL

metadata = MetaData()
things = Table("things", metadata, Column("id", Integer, primary_key=True))
count = select(func.count()).select_from(things)


async def stored(engine: AsyncEngine) -> int:
    async with engine.begin() as connection:
        return (await connection.execute(count)).scalar_one()


async def add_two(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(things.insert())
        await connection.execute(things.insert())


class Work:
    """Adds two rows, and knows whether they are stored."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.committed = False

    async def run(self) -> None:
        connection = self._engine.connect()
        try:
            await finished(connection.start())
            await finished(connection.execute(things.insert()))
            await finished(connection.execute(things.insert()))
            await finished(self._commit(connection))
        finally:
            await finished(connection.close())

    async def _commit(self, connection: Any) -> None:
        await connection.commit()
        self.committed = True


def everywhere(
    engine: Callable[[], AsyncEngine], check: Callable[[AsyncEngine, int], Coroutine[Any, Any, bool]]
) -> int:
    """Check with a new engine for each place; return how many places there are."""

    async def at(number: int) -> bool:
        made = engine()
        try:
            await add_two(made)  # a new database would have none
            return await asyncio.wait_for(check(made, number), 20)
        finally:
            await made.dispose()

    number = 0
    while asyncio.run(at(number)):
        number += 1
    return number


def is_free(path: str) -> bool:
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


# Twice, in memory, the first versions of SQLAlchemy 2.0 lose the connection: use `finished`.
@pytest.mark.parametrize(("path", "times"), [("file", 1), ("file", 2), (":memory:", 1)])
def test_a_cancelled_transaction_leaves_the_database_free_and_whole(tmp_path: Path, path: str, times: int) -> None:
    file = str(tmp_path / "a.sqlite") if path == "file" else path

    async def check(engine: AsyncEngine, number: int) -> bool:
        before = await stored(engine)
        assert before >= 2
        reached = await cancelled_at(number, add_two(engine), times=times)
        assert await stored(engine) in ((before, before + 2) if reached else (before + 2,))
        assert path == ":memory:" or is_free(file)
        return reached

    assert everywhere(lambda: embedded(file, metadata, timeout=2), check) >= 6


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("path", ["file", ":memory:"])
def test_who_finishes_each_call_knows_what_is_stored(tmp_path: Path, path: str, times: int) -> None:
    file = str(tmp_path / "a.sqlite") if path == "file" else path

    async def check(engine: AsyncEngine, number: int) -> bool:
        before, work = await stored(engine), Work(engine)
        reached = await cancelled_at(number, work.run(), times=times)
        assert path == ":memory:" or is_free(file)
        assert await stored(engine) - before == (2 if work.committed else 0)
        return reached

    assert everywhere(lambda: embedded(file, metadata, timeout=2), check) >= 5


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_so_it_does_on_postgresql(postgresql: PostgreSQL, driver: Any) -> None:
    database = postgresql.over(driver)

    async def check(engine: AsyncEngine, number: int) -> bool:
        before, work = await stored(engine), Work(engine)
        reached = await cancelled_at(number, work.run())
        assert await stored(engine) - before == (2 if work.committed else 0)
        return reached

    assert everywhere(lambda: database.engine(metadata), check) >= 5


# finished


async def slow(done: list[str], value: int = 1) -> int:
    for _ in range(3):
        await asyncio.sleep(0)
    done.append("done")
    return value


def test_a_result_is_returned() -> None:
    assert asyncio.run(finished(slow([], 5))) == 5


def test_an_error_is_raised() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(finished(fail()))


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_cancellation_waits_for_the_call_and_is_raised(times: int) -> None:
    async def run() -> None:
        done = list[str]()
        task = asyncio.ensure_future(finished(slow(done)))
        for _ in range(times):
            await asyncio.sleep(0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == ["done"]

    asyncio.run(run())


def test_an_error_after_a_cancellation_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def run() -> None:
        task = asyncio.ensure_future(finished(fail()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run(), debug=True)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_call_that_cancels_itself_is_cancelled() -> None:
    async def cancel() -> None:
        raise asyncio.CancelledError

    async def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            await finished(cancel())

    asyncio.run(run())
