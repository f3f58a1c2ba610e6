"""The transaction of a unit stays whole: beside the user's own statements, failed ones, lost connections, locks."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, ForeignKeyConstraint, column, create_engine, event, func, text
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.pool import NullPool

from dddkit.exceptions import UnitError
from dddkit.sqlalchemy import embedded, sync_embedded
from tests.blocks.flavours import Dataclasses
from tests.persistence.shops import Shop, in_shops
from tests.servers.databases import PostgreSQL, SQLite

UNDONE = r"ShopUnit: a statement has failed, and the database has undone the whole transaction with it; let its error"
LOST = r"ShopUnit: the connection to the database was lost; nothing was committed, and use another unit"


async def fail(connection: Any, statement: str = "SELECT * FROM nowhere") -> None:
    with pytest.raises(DBAPIError):
        await connection.execute(text(statement))


@in_shops("postgresql")
async def test_a_commit_after_a_failed_statement_is_refused_and_not_taken_for_one(shop: Shop) -> None:
    for changes in (True, False):
        await shop.save(shop.Basket(basket_id=int(changes)))
        async with shop.unit() as unit:
            assert await unit.once("paid")
            basket = await unit.baskets.get(int(changes))
            if changes:
                basket.add("tea")
            await fail(await unit.connection())
            with pytest.raises(UnitError, match=UNDONE):
                await unit.commit()
            assert not unit.committed
        assert await shop.count(shop.inbox.table) == 0


@in_shops("postgresql")
async def test_so_is_one_after_a_failed_call_of_the_unit(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        assert await unit.once("paid")
        with pytest.raises(DBAPIError):
            await unit.baskets.find(func.pg_sleep(column("nonsense()", is_literal=True)) == 1)
        with pytest.raises(UnitError, match=UNDONE):
            await unit.commit()


@in_shops("sqlite")
async def test_sqlite_may_undo_the_transaction_with_a_statement_too(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        assert await unit.once("paid")
        await fail(await unit.connection(), "INSERT OR ROLLBACK INTO baskets (key) VALUES (1)")
        with pytest.raises(UnitError, match=UNDONE):
            await unit.commit()
    async with shop.unit() as unit:
        await fail(await unit.connection())
        assert await unit.once("paid")
        await unit.commit()  # it has undone only the statement
    assert await shop.count(shop.inbox.table) == 1


@in_shops()
async def test_a_statement_in_a_savepoint_may_fail(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        basket = await unit.baskets.get(1)
        connection = await unit.connection()
        nested = await connection.begin_nested()
        await fail(connection)
        if isawaitable(undoing := nested.rollback()):
            await undoing
        basket.add("tea")
        await unit.commit()
    assert (await shop.stored(1)).items == ["tea"]


@in_shops()
async def test_the_transaction_is_not_ended_through_its_connection(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    for end in ("commit", "rollback"):
        async with shop.unit() as unit:
            basket = await unit.baskets.get(1)
            basket.add("tea")
            connection = await unit.connection()
            await getattr(connection, end)()
            with pytest.raises(UnitError, match=r"ShopUnit: its transaction was ended by commit or rollback of its"):
                await unit.commit()
    async with shop.unit() as unit:
        connection = await unit.connection()
        with pytest.raises(InvalidRequestError):  # its block would commit, and the unit not know
            await connection.begin()
    assert (await shop.stored(1)).items == []


@in_shops()
async def test_an_engine_that_stores_each_statement_by_itself_is_refused(shop: Shop) -> None:
    engine = shop.engine
    shop.use(engine.execution_options(isolation_level="AUTOCOMMIT"))
    with pytest.raises(ValueError, match=r"ShopUnit got an engine with isolation_level AUTOCOMMIT"):
        shop.unit()
    shop.use(engine)


@in_shops("sqlite-file")
async def test_who_cannot_connect_may_try_again(shop: Shop) -> None:
    folder = Path(shop.database.path).parent / "folder" if isinstance(shop.database, SQLite) else Path()
    folder.mkdir()
    other = Shop(shop.flavour, SQLite(str(folder / "a.sqlite")), is_async=shop.is_async)
    assert other.engine
    folder.rmdir()
    async with other.unit() as unit:
        for _ in range(2):
            with pytest.raises(DBAPIError, match="unable to open database file"):
                await unit.baskets.get(1)
        folder.mkdir()
        assert await unit.baskets.get(1) is None
    await other.dispose()


def disconnect(shop: Shop) -> None:
    """End the connections of everybody else, as a restarted server does."""
    assert isinstance(shop.database, PostgreSQL)
    engine = create_engine(shop.database.url("psycopg"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@in_shops("postgresql")
async def test_a_lost_connection_is_named_and_given_back(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        basket = await unit.baskets.get(1)
        basket.add("tea")
        disconnect(shop)
        with pytest.raises(UnitError, match=LOST):
            await unit.commit()
        assert not unit.committed
    assert len(basket.get_events()) == 1
    async with shop.unit() as unit:
        assert await unit.once("paid")
        disconnect(shop)
        for call in (unit.baskets.get(1), unit.baskets.get(1), unit.commit()):
            with pytest.raises(UnitError, match=LOST):
                await call
    assert (await shop.stored(1)).items == []
    assert await shop.count(shop.inbox.table) == 0
    assert shop.engine.pool.checkedout() == 0


@in_shops("postgresql")
async def test_a_lost_connection_does_not_hide_why_a_block_was_left(shop: Shop) -> None:
    async def leave_by_an_error() -> None:
        async with shop.unit() as unit:
            await unit.baskets.get(1)
            disconnect(shop)
            raise ZeroDivisionError

    await shop.save(shop.Basket(basket_id=1))
    with pytest.raises(ZeroDivisionError):
        await leave_by_an_error()
    async with shop.unit() as unit:
        await unit.baskets.get(1)
        disconnect(shop)
        await unit.rollback()
    async with shop.unit() as unit:
        await unit.baskets.get(1)
        disconnect(shop)
    assert await shop.stored(1) is not None
    assert shop.engine.pool.checkedout() == 0


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_who_waits_for_a_lock_on_postgresql_can_be_cancelled(postgresql: PostgreSQL, driver: Any) -> None:
    shop = Shop(Dataclasses, postgresql.over(driver), is_async=True)

    async def read() -> None:
        async with shop.unit() as unit:
            await unit.baskets.get(1, lock=True)

    async def change() -> None:
        async with shop.unit() as unit:
            basket = await unit.baskets.get(1)
            basket.add("tea")
            await unit.commit()

    async def run() -> None:
        await shop.save(shop.Basket(basket_id=1))
        async with shop.unit() as holder:
            await holder.baskets.get(1, lock=True)
            for waits in (read, change):
                with pytest.raises((asyncio.TimeoutError, TimeoutError)):
                    await asyncio.wait_for(asyncio.wait_for(waits(), 0.1), 5)
        assert shop.engine.pool.checkedout() == 0
        assert (await shop.stored(1)).items == []
        await shop.dispose()

    asyncio.run(run())


@in_shops()
async def test_no_error_of_the_database_shows_what_was_to_be_written(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        connection = await unit.connection()
        await connection.execute(text("CREATE UNIQUE INDEX one_of_a_kind ON baskets (schema)"))
        await unit.commit()
    async with shop.unit() as unit:
        await unit.baskets.save(shop.Basket(basket_id=2, items=["secret"]))
        with pytest.raises(DBAPIError) as raised:
            await unit.commit()
    assert "secret" not in str(raised.value)


@in_shops()
async def test_a_missing_column_is_named(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        connection = await unit.connection()
        await connection.execute(text("ALTER TABLE baskets DROP COLUMN schema"))
        await unit.commit()
    async with shop.unit() as unit:
        with pytest.raises(UnitError, match=r"ShopUnit: the database lacks a column .*schema.*; add it by a migration"):
            await unit.baskets.get(1)
    async with shop.unit() as unit:
        await unit.baskets.save(shop.Basket(basket_id=2, items=["secret"]))
        with pytest.raises(UnitError, match=r"ShopUnit: the database lacks a column .*schema.*; add it") as raised:
            await unit.commit()
    assert "secret" not in f"{raised.value} {raised.value.__cause__}"


def test_a_block_is_left_once_no_thread_uses_its_unit(tmp_path: Path) -> None:
    shop = Shop(Dataclasses, SQLite(str(tmp_path / "shop.sqlite")), is_async=False)
    asyncio.run(shop.save(shop.Basket(basket_id=1)))
    began, in_use = threading.Event(), list[int]()

    @event.listens_for(shop.engine, "before_cursor_execute")
    def wait(*_: object) -> None:
        began.set()
        time.sleep(0.05)
        in_use.append(shop.engine.pool.checkedout())

    with shop.Unit(shop.engine) as unit:
        thread = threading.Thread(target=unit.baskets.get, args=(1,))
        thread.start()
        began.wait()
    thread.join()
    assert set(in_use) == {1}  # else another unit could have the connection in which the statement is executed
    assert shop.engine.pool.checkedout() == 0
    shop.engine.dispose()


@in_shops()
async def test_rows_that_refer_to_each_other_are_written_owners_first(shop: Shop) -> None:
    Group = shop.flavour.declare("Aggregate", "Group", group_id=int, part_of=(int | None, None))
    Unit = shop.declare(groups=shop.documents(Group, columns={"part_of": BigInteger}))
    Unit.groups.table.append_constraint(ForeignKeyConstraint(["part_of"], ["groups.key"]))
    pairs = [(1, 3), (2, 1), (3, None), (4, 4)]
    await shop.save(*(Group(group_id=one, part_of=other) for one, other in pairs), repository="groups", unit_class=Unit)
    async with shop.unit(Unit) as unit:
        for group in (await unit.groups.get_many([1, 2, 3, 4])).values():
            await unit.groups.delete(group)
        await unit.commit()
    assert await shop.count(Unit.groups.table) == 0


@in_shops()
async def test_tables_may_refer_to_each_other_by_deferred_foreign_keys(shop: Shop) -> None:
    Guest = shop.flavour.declare("Aggregate", "Guest", guest_id=int, room=(int | None, None))
    Room = shop.flavour.declare("Aggregate", "Room", room_id=int, guest=(int | None, None))
    Unit = shop.declare(
        guests=shop.documents(Guest, columns={"room": BigInteger}),
        rooms=shop.documents(Room, columns={"guest": BigInteger}),
    )
    deferred: Any = {"deferrable": True, "initially": "DEFERRED"}
    guests, rooms = Unit.guests.table, Unit.rooms.table
    guests.append_constraint(ForeignKeyConstraint(["room"], ["rooms.key"], name="of_guests", **deferred))
    rooms.append_constraint(ForeignKeyConstraint(["guest"], ["guests.key"], name="of_rooms", **deferred))

    async with shop.unit(Unit) as unit:
        await unit.guests.save(Guest(guest_id=1, room=2))
        await unit.rooms.save(Room(room_id=2, guest=1))
        await unit.commit()
    assert await shop.count(guests) == await shop.count(rooms) == 1


@in_shops()
async def test_a_unit_that_reads_lets_no_statement_write(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit(read_only=True) as unit:
        connection = await unit.connection()
        with pytest.raises(DBAPIError, match=r"readonly database|read-only transaction"):
            await connection.execute(text("DELETE FROM baskets"))
    async with shop.unit() as unit:  # on the same connection
        (await unit.baskets.get(1)).add("tea")
        await unit.commit()
    assert (await shop.stored(1)).items == ["tea"]


@in_shops("sqlite-file")
async def test_nothing_is_stored_by_itself_after_a_transaction_that_could_not_begin(shop: Shop) -> None:
    assert isinstance(shop.database, SQLite)
    await shop.save(shop.Basket(basket_id=1))
    await shop.dispose()
    make: Any = embedded if shop.is_async else sync_embedded
    shop.use(make(shop.database.path, shop.metadata, timeout=0.01))
    async with shop.unit() as unit:
        with closing(sqlite3.connect(shop.database.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DBAPIError, match="database is locked"):
                await unit.baskets.get(1)
        for call in (unit.once("paid"), unit.baskets.get(1), unit.commit()):
            with pytest.raises(UnitError, match=UNDONE):
                await call
    async with shop.unit() as unit:
        with closing(sqlite3.connect(shop.database.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DBAPIError, match="database is locked"):
                await unit.connection()
        with pytest.raises(UnitError, match=UNDONE):
            await unit.once("paid")
        await unit.rollback()
    assert await shop.count(shop.inbox.table) == 0
