"""How units are used: one thing at a time, inside each other, in several tasks and threads, cancelled."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ForeignKeyConstraint, Integer, MetaData, UniqueConstraint, event
from sqlalchemy.exc import IntegrityError

from dddkit.dataclasses import EventBroker
from dddkit.exceptions import ConcurrencyError, UnitError
from tests.blocks.flavours import Dataclasses
from tests.persistence.shops import Shop, in_shops
from tests.servers.databases import PostgreSQL, SQLite


@in_shops("sqlite")
async def test_overlapping_use_is_refused_by_name_and_does_not_end_the_unit(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        if shop.is_async:
            calls: list[Any] = [unit.baskets.get(1), unit.baskets.get(2), unit.commit()]
            results: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
            assert [str(result) for result in results[1:]] == [
                f"ShopUnit: {name} while baskets.get is under way; a unit does one thing at a time: await the calls "
                f"one after the other, or give each task a unit of its own"
                for name in ("baskets.get", "commit")
            ]
            results[0].items.append("tea")
        else:
            errors: list[str] = []

            def overlap(*_: object) -> None:
                with pytest.raises(UnitError) as raised:
                    unit._target.baskets.get(2)
                errors.append(str(raised.value))

            def where(column: Any) -> Any:
                overlap()
                return column

            table = unit.baskets.table

            class Condition:
                def __clause_element__(self) -> Any:
                    return where(table.c.key == 1)

            basket = (await unit.baskets.find(Condition()))[0]
            basket.items.append("tea")
            assert "baskets.get while baskets.find is under way" in errors[0]
        await unit.commit()
    assert (await shop.stored(1)).items == ["tea"]


@in_shops()
async def test_another_task_or_thread_may_go_on_with_a_unit(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        if shop.is_async:
            basket = await asyncio.create_task(unit.baskets.get(1))
        else:
            basket = await asyncio.to_thread(unit._target.baskets.get, 1)
        basket.items.append("tea")
        await unit.commit()
    assert (await shop.stored(1)).items == ["tea"]


@in_shops("sqlite-file")
async def test_a_unit_inside_another_of_the_same_sqlite_database_is_refused_by_name(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    Inner = shop.declare(shop.Unit)
    Inner.__qualname__ = "InnerUnit"
    async with shop.unit() as outer:
        async with shop.unit(Inner) as inner:
            await inner.rollback()  # it has not used the database
        basket = await outer.baskets.get(1)
        async with shop.unit(Inner) as inner:
            with pytest.raises(
                UnitError, match=r"InnerUnit: it is used inside of ShopUnit, whose transaction holds the"
            ):
                await inner.baskets.get(1)
        async with shop.unit(Inner, read_only=True) as inner:
            assert await inner.baskets.get(1) is not basket
        basket.items.append("tea")
        await outer.commit()
        async with shop.unit(Inner) as inner:
            assert (await inner.baskets.get(1)).items == ["tea"]


@in_shops("postgresql")
async def test_a_unit_inside_another_is_a_transaction_of_its_own(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as outer:
        await outer.baskets.get(1)
        await shop.save(shop.Basket(basket_id=2))
        await outer.rollback()
    assert await shop.stored(2) is not None


def test_in_memory_even_a_unit_that_reads_is_refused_inside_another() -> None:
    for is_async in (True, False):
        shop = Shop(Dataclasses, SQLite(":memory:"), is_async=is_async)

        async def run(shop: Shop = shop) -> None:
            async with shop.unit() as outer:
                await outer.baskets.get(1)
                async with shop.unit(read_only=True) as inner:
                    with pytest.raises(UnitError, match=r"it is used inside of ShopUnit"):
                        await inner.baskets.get(1)
            await shop.dispose()

        asyncio.run(run())


def test_units_of_other_tasks_wait_for_the_lock(tmp_path: Path) -> None:
    shop = Shop(Dataclasses, SQLite(str(tmp_path / "shop.sqlite")), is_async=True)

    async def add() -> None:
        async with shop.unit() as unit:
            basket = await unit.baskets.get(1)
            await asyncio.sleep(0.01)
            basket.items.append("tea")
            await unit.commit()

    async def run() -> None:
        await shop.save(shop.Basket(basket_id=1))
        await asyncio.gather(*(add() for _ in range(8)))
        assert (await shop.stored(1)).items == ["tea"] * 8
        await shop.dispose()

    asyncio.run(run())


def test_units_of_other_threads_wait_for_the_lock(tmp_path: Path) -> None:
    shop = Shop(Dataclasses, SQLite(str(tmp_path / "shop.sqlite")), is_async=False)

    def add() -> None:
        for _ in range(4):
            with shop.Unit(shop.engine) as unit:
                unit.baskets.get(1).items.append("tea")
                unit.commit()

    asyncio.run(shop.save(shop.Basket(basket_id=1)))
    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(shop.stored(1)).items == ["tea"] * 16
    asyncio.run(shop.dispose())


@in_shops("sqlite")
async def test_a_subscriber_may_open_a_unit_of_its_own(shop: Shop) -> None:
    broker = EventBroker()

    async def copy(event: Any) -> None:
        await shop.save(shop.Basket(basket_id=2))

    def sync_copy(event: Any) -> None:
        with pytest.raises(StopIteration):
            copy(event).send(None)

    broker.subscribe(shop.Basket.ItemAdded, copy if shop.is_async else sync_copy)
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    async with shop.unit(broker=broker) as unit:
        await unit.baskets.save(basket)
        await unit.commit()
    assert await shop.stored(2) is not None


def test_leaving_the_block_waits_for_what_another_task_does(tmp_path: Path) -> None:
    shop = Shop(Dataclasses, SQLite(str(tmp_path / "shop.sqlite")), is_async=True)

    async def run() -> None:
        await shop.save(shop.Basket(basket_id=1))
        async with shop.unit() as unit:
            task = asyncio.create_task(unit.baskets.get(1))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert (await task).items == []
        await shop.save(shop.Basket(basket_id=2))  # the connection and the lock are free
        await shop.dispose()

    asyncio.run(run())


def test_a_cancelled_call_leaves_the_database_free(tmp_path: Path) -> None:
    shop = Shop(Dataclasses, SQLite(str(tmp_path / "shop.sqlite")), is_async=True)

    async def change(number: int, until_committed: list[bool]) -> None:
        async with shop.unit() as unit:
            basket = await unit.baskets.get(1)
            basket.items.append(str(number))
            try:
                await unit.commit()
            finally:
                until_committed.append(unit.committed)

    async def run() -> None:
        await shop.save(shop.Basket(basket_id=1))
        stored = 0
        for steps in range(40):
            committed: list[bool] = []
            task = asyncio.create_task(change(steps, committed))
            for _ in range(steps):
                await asyncio.sleep(0)
                await asyncio.sleep(0.0002)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            stored += any(committed)
            if any(committed) and steps > 2:
                break
        assert len((await shop.stored(1)).items) == stored
        await shop.dispose()

    asyncio.run(run())


@in_shops()
async def test_a_missing_table_is_an_error_that_names_it(shop: Shop) -> None:
    async with shop.unit() as unit:
        await unit.baskets.get(1)  # the tables are created before the one that is missing is declared
    Unit = shop.declare(others=shop.documents(shop.Basket, table="others"))
    with pytest.raises(UnitError, match=r"ShopUnit: the database has no table others; create it with `metadata.create"):
        await shop.stored(1, "others", Unit)
    with pytest.raises(UnitError, match=r"the database has no table others"):
        await shop.save(shop.Basket(basket_id=1), repository="others", unit_class=Unit)


@in_shops()
async def test_rows_are_written_in_the_order_that_foreign_keys_want(shop: Shop) -> None:
    Owner = shop.flavour.declare("Aggregate", "Owner", owner_id=int)
    Thing = shop.flavour.declare("Aggregate", "Thing", thing_id=int, owner=int)
    Unit = shop.declare(a_things=shop.documents(Thing, columns={"owner": Integer}), owners=shop.documents(Owner))
    Unit.a_things.table.append_constraint(ForeignKeyConstraint(["owner"], ["owners.key"]))
    async with shop.unit(Unit) as unit:
        await unit.a_things.save(Thing(thing_id=1, owner=7))
        await unit.owners.save(Owner(owner_id=7))
        await unit.commit()
    async with shop.unit(Unit) as unit:
        await unit.owners.delete(await unit.owners.get(7))
        await unit.a_things.delete(await unit.a_things.get(1))
        await unit.commit()
    assert await shop.stored(7, "owners", Unit) is None
    with pytest.raises(IntegrityError):
        await shop.save(Thing(thing_id=1, owner=7), repository="a_things", unit_class=Unit)


@in_shops()
async def test_other_unique_constraints_pass_as_sqlalchemy_raises_them(shop: Shop) -> None:
    Thing = shop.flavour.declare("Aggregate", "Thing", thing_id=int, place=int)
    Unit = shop.declare(things=shop.documents(Thing, columns={"place": Integer}))
    Unit.things.table.append_constraint(UniqueConstraint("place"))
    await shop.save(Thing(thing_id=1, place=1), repository="things", unit_class=Unit)
    with pytest.raises(IntegrityError):
        await shop.save(Thing(thing_id=2, place=1), repository="things", unit_class=Unit)


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_two_units_that_change_the_same_aggregate_at_once(postgresql: PostgreSQL, driver: Any) -> None:
    shop = Shop(Dataclasses, postgresql.over(driver), is_async=True)

    async def run() -> None:
        await shop.save(shop.Basket(basket_id=1))
        async with shop.unit() as one, shop.unit() as other:
            (await one.baskets.get(1)).items.append("one")
            stale = await other.baskets.get(1)
            stale.items.append("other")
            await one.commit()
            with pytest.raises(ConcurrencyError) as raised:
                await other.commit()
            assert raised.value.aggregate is stale
        for read_first in (True, False):
            async with shop.unit() as one, shop.unit() as other:
                if read_first:
                    await other.baskets.get(2)
                await one.baskets.save(shop.Basket(basket_id=2 + read_first))
                await one.commit()
                await other.baskets.save(shop.Basket(basket_id=2 + read_first))
                with pytest.raises(ConcurrencyError, match=r"is new, but one with its identity is stored"):
                    await other.commit()
        await shop.dispose()

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_lock_is_waited_for_and_a_stale_one_refused(postgresql: PostgreSQL, driver: Any) -> None:
    shop = Shop(Dataclasses, postgresql.over(driver), is_async=True)

    async def run() -> None:
        await shop.save(shop.Basket(basket_id=1))
        async with shop.unit() as one, shop.unit() as other:
            await other.baskets.get(1)
            basket = await one.baskets.get(1, lock=True)
            waiting = asyncio.create_task(other.baskets.get(1, lock=True))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            basket.items.append("tea")
            await one.commit()
            with pytest.raises(ConcurrencyError):
                await waiting
        await shop.dispose()

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_serialization_failure_is_a_concurrency_error(postgresql: PostgreSQL, driver: Any) -> None:
    shop = Shop(Dataclasses, postgresql.over(driver), is_async=True)

    async def run() -> None:
        await shop.save(*(shop.Basket(basket_id=number) for number in (1, 2)))
        shop.use(shop.engine.execution_options(isolation_level="SERIALIZABLE"))
        async with shop.unit() as one, shop.unit() as other:
            for unit, reads, writes in ((one, 1, 2), (other, 2, 1)):
                await unit.baskets.get(reads)
                (await unit.baskets.get(writes)).items.append("tea")
            await one.commit()
            with pytest.raises(ConcurrencyError) as raised:
                await other.commit()
            assert raised.value.aggregate is None
            assert "repeat the whole unit of work" in str(raised.value)
        await shop.dispose()

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_lost_connection_is_a_unit_error(postgresql: PostgreSQL, driver: Any) -> None:
    shop = Shop(Dataclasses, postgresql.over(driver), is_async=True)

    def lose(_: object) -> None:
        postgresql_kill(postgresql)

    async def run() -> None:
        await shop.save(shop.Basket(basket_id=1))
        for at_commit in (False, True):
            async with shop.unit() as unit:
                basket = await unit.baskets.get(1)
                basket.add("tea")
                if at_commit:
                    event.listen(shop.engine.sync_engine, "commit", lose)
                    with pytest.raises(UnitError, match=r"the connection to the database was lost; whether it was com"):
                        await unit.commit()
                else:
                    postgresql_kill(postgresql)
                    with pytest.raises(
                        UnitError, match=r"the connection to the database was lost; nothing was committed"
                    ):
                        await unit.baskets.get(2)
                    await unit.rollback()
            assert len(basket.get_events()) == 1
        assert (await shop.stored(1)).items == []
        await shop.dispose()

    asyncio.run(run())


def postgresql_kill(postgresql: PostgreSQL) -> None:
    engine = postgresql.sync_engine(MetaData())
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    engine.dispose()
