"""Several writers at once, on both databases: no update is lost, nobody waits for ever, and what fails says so."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from random import Random
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from dddkit.exceptions import ConcurrencyError
from tests.persistence.accounts import (
    DOCUMENTS,
    WAYS,
    Amounts,
    Bank,
    Banks,
    SyncBank,
    Way,
    at_once,
    balances,
    deposit,
    metadata,
    open_accounts,
    told,
    transfer,
)
from tests.persistence.cancelling import cancelled_at
from tests.servers.databases import Database, PostgreSQL

WRITERS = 8

quickly_with_tasks = pytest.mark.parametrize("way", ["tasks", pytest.param("threads", marks=pytest.mark.slow)])


def deposit_at_once(way: Way, database: Database, number: int, banks: Banks = DOCUMENTS) -> None:
    """Add 1 to one account this often, by 8 writers at once; then it is exactly that, and so it was told."""
    open_accounts(database, 1, banks)
    at_once(way, database, [[deposit(0)] * (number // WRITERS)] * WRITERS, banks)
    assert balances(database, banks) == [number]
    assert told(database) == {"accounts/0": list(range(1, number + 1))}


@quickly_with_tasks
def test_no_increment_of_several_writers_is_lost(way: Way, database: Database) -> None:
    deposit_at_once(way, database, 80)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tasks", "threads"])
def test_no_increment_of_many_is_lost(way: Way, database: Database) -> None:
    deposit_at_once(way, database, 2_000)


@pytest.mark.slow
def test_none_of_ten_thousand_increments_of_eight_processes_is_lost(database: Database) -> None:
    deposit_at_once("processes", database, 10_000)


def transfer_at_once(way: Way, database: Database, number: int, banks: Banks = DOCUMENTS, accounts: int = 4) -> None:
    """Move money between a few accounts, by 8 writers at once, in both directions; nothing appears or gets lost."""
    random, work = Random(7), list[list[Amounts]]()
    for _ in range(WRITERS):
        pairs = [random.sample(range(accounts), 2) for _ in range(number // WRITERS)]
        work.append([transfer(source, target, random.randint(1, 9)) for source, target in pairs])
    open_accounts(database, accounts, banks)
    at_once(way, database, work, banks)
    moved = [0] * accounts
    for identity, amount in chain(*chain(*work)):
        moved[identity] += amount
    assert balances(database, banks) == moved
    assert [balances[-1] for _, balances in sorted(told(database).items())] == moved


@quickly_with_tasks
def test_crossing_transfers_do_not_wait_for_each_other(way: Way, database: Database) -> None:
    before = deadlocks(database)
    transfer_at_once(way, database, 48)
    assert deadlocks(database) == before


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_many_crossing_transfers_do_not_wait_for_each_other(way: Way, database: Database) -> None:
    before = deadlocks(database)
    transfer_at_once(way, database, 1_000)
    assert deadlocks(database) == before


@pytest.mark.parametrize("way", ["tasks", "threads"])
def test_one_of_several_writers_creates_an_aggregate(way: Way, database: Database) -> None:
    create_at_once(way, database)


def create_at_once(way: Way, database: Database, banks: Banks = DOCUMENTS) -> None:
    """Let 8 writers create the same account: one of them does, and the others hear that it is taken."""
    open_accounts(database, 0, banks)
    created = created_at_once(way, database, banks)
    assert (created.count("created"), created.count("taken")) == (1, WRITERS - 1)
    assert balances(database, banks) == [created.index("created")]


def created_at_once(way: Way, database: Database, banks: Banks) -> list[str]:
    """Return what came of it, writer by writer."""

    def new(number: int) -> Any:
        account = banks.account(account_id=1)
        account.change(number)
        return account

    if way == "threads":
        engine = database.sync_engine(metadata)
        start = Barrier(WRITERS)

        def create(number: int) -> str:
            try:
                with banks.sync_unit(engine) as unit:
                    unit.accounts.save(new(number))
                    start.wait()
                    unit.commit()
            except ConcurrencyError:
                return "taken"
            return "created"

        with ThreadPoolExecutor(WRITERS) as pool:
            created = list(pool.map(create, range(WRITERS)))
        engine.dispose()
        return created

    async def create_in_task(engine: AsyncEngine, number: int) -> str:
        try:
            async with banks.unit(engine) as unit:
                await unit.accounts.save(new(number))
                await unit.commit()
        except ConcurrencyError:
            return "taken"
        return "created"

    async def run() -> list[str]:
        engine = database.engine(metadata)
        try:
            return list(await asyncio.gather(*(create_in_task(engine, number) for number in range(WRITERS))))
        finally:
            await engine.dispose()

    return asyncio.run(run())


# What a database refuses, because somebody else was faster, is a ConcurrencyError.


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_serialization_failure_is_a_concurrency_error(postgresql: PostgreSQL, driver: Any) -> None:
    open_accounts(postgresql, 2)

    async def run() -> None:
        engine = create_async_engine(postgresql.url(driver), isolation_level="SERIALIZABLE")
        async with Bank(engine) as first, Bank(engine) as second:
            for unit, changed in ((first, 0), (second, 1)):  # each reads what the other one writes
                both = await unit.accounts.get_many([0, 1])
                both[changed].change(both[0].balance + both[1].balance + 1)
            await first.commit()
            with pytest.raises(ConcurrencyError, match="repeat the whole unit"):
                await second.commit()
            assert second.committed is False
        await engine.dispose()

    asyncio.run(run())
    assert balances(postgresql) == [1, 0]


def test_so_it_is_in_a_sync_unit(postgresql: PostgreSQL) -> None:
    open_accounts(postgresql, 1)
    engine = create_engine(postgresql.url("psycopg"), isolation_level="REPEATABLE READ")
    with SyncBank(engine) as first:
        stale = first.accounts.get(0)
        with SyncBank(engine) as second:
            fresh = second.accounts.get(0)
            assert stale is not None
            assert fresh is not None
            fresh.change(1)
            second.commit()
        stale.change(5)
        with pytest.raises(ConcurrencyError):
            first.commit()
    engine.dispose()
    assert balances(postgresql) == [1]


# Cancelled units


@pytest.mark.parametrize("times", [1, 2])
def test_a_unit_that_is_cancelled_anywhere_knows_what_is_stored(database: Database, times: int) -> None:
    cancel_anywhere(database, times)


def cancel_anywhere(database: Database, times: int, banks: Banks = DOCUMENTS) -> None:
    """Cancel one transfer after the other, each at a later point, until one is not reached any more."""
    open_accounts(database, 2, banks)
    met: list[Any] = []

    async def work(unit: Any) -> None:
        async with unit:
            for identity, amount in transfer(0, 1, 5):
                account = await unit.accounts.get(identity)
                assert account is not None
                met.append(account)
                account.change(amount)
            await unit.commit()

    async def run() -> int:
        engine, number, moved = database.engine(metadata), 0, 0
        try:
            while True:
                unit = banks.unit(engine)
                met.clear()
                reached = await asyncio.wait_for(cancelled_at(number, work(unit), times=times), 20)
                moved += 5 if unit.committed else 0
                for account in met:  # what was changed is as it was, and belongs to nobody
                    assert unit.committed or account.balance in (-moved, moved, moved + 5, -moved - 5)
                async with banks.unit(engine) as next_one:  # waits for nobody
                    found = await next_one.accounts.get_many([0, 1])
                assert [account.balance for account in found.values()] == [-moved, moved]
                if not reached:
                    return number
                number += 1
        finally:
            await engine.dispose()

    assert asyncio.run(run()) >= 3


def deadlocks(database: Database) -> int:
    """Return how many PostgreSQL has found; a SQLite that waits for itself fails by its time-out."""
    if not isinstance(database, PostgreSQL):
        return 0
    engine = create_engine(database.url("psycopg"))
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        found = connection.scalar(text(query))
    engine.dispose()
    return int(found or 0)
