"""Several writers of mapped aggregates at once, on both databases: no update is lost, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random, uniform
from time import sleep
from typing import Any, Final

import pytest
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, create_engine, text
from sqlalchemy.orm import registry, relationship

from dddkit.dataclasses import Aggregate, AggregateEvent, Identity
from dddkit.exceptions import ConcurrencyError
from dddkit.messages import EventCatalog, Message
from dddkit.sqlalchemy import OrmMapped, Outbox, SyncUnitOfWork, UnitOfWork
from tests.persistence.cancelling import cancelled_at
from tests.servers.databases import Database, PostgreSQL

WRITERS: Final = 8


@dataclass(kw_only=True)
class Entry:
    amount: int
    entry_id: int | None = None


@dataclass(kw_only=True)
class Account(Aggregate):
    """Its balance is in its parts alone: a lost version is a lost entry, or a wrong event."""

    account_id: Identity[int]
    entries: list[Entry] = field(default_factory=list[Entry])

    @dataclass(frozen=True, kw_only=True)
    class Changed(AggregateEvent):
        balance: int

    @property
    def balance(self) -> int:
        return sum(entry.amount for entry in self.entries)

    def change(self, amount: int) -> None:
        if self.entries and len(self.entries) % 2 == 0:
            self.entries[-1].amount += amount
            if len(self.entries) > 4:
                first = self.entries.pop(0)
                self.entries[0].amount += first.amount
        else:
            self.entries.append(Entry(amount=amount))
        self.add_event(self.Changed(balance=self.balance))


mapper: Final = registry()
entries: Final = Table(
    "entries",
    mapper.metadata,
    Column("entry_id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("accounts.account_id"), nullable=False),
    Column("amount", Integer, nullable=False),
)
table: Final = Table(
    "accounts",
    mapper.metadata,
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)
mapper.map_imperatively(Entry, entries)
mapper.map_imperatively(
    Account,
    table,
    version_id_col=table.c.version,
    properties={
        "entries": relationship(Entry, cascade="all, delete-orphan", order_by=entries.c.entry_id, lazy="selectin")
    },
)
catalog: Final = EventCatalog("/bank")
catalog.add(Account.Changed, "account.changed", version=1)


class Bank(UnitOfWork):
    accounts = OrmMapped[Account, int]()
    outbox = Outbox(mapper.metadata, catalog)


class SyncBank(SyncUnitOfWork):
    accounts = Bank.accounts
    outbox = Bank.outbox


Amounts = tuple[tuple[int, int], ...]


def at_once(way: str, database: Database, work: list[list[Amounts]]) -> None:
    """Do the work of each writer, all of them at once."""
    if way == "tasks":
        asyncio.run(tasks(database, work))
    else:
        threads(database, work)


async def tasks(database: Database, work: list[list[Amounts]]) -> None:
    engine = database.engine(mapper.metadata)

    async def write(transactions: list[Amounts]) -> None:
        for amounts in transactions:
            for attempt in range(1_000):
                try:
                    async with Bank(engine) as unit:
                        for identity, amount in amounts:
                            account = await unit.accounts.get(identity)
                            assert account is not None
                            account.change(amount)
                        await unit.commit()
                    break
                except ConcurrencyError:
                    await asyncio.sleep(pause(attempt))

    try:
        await asyncio.gather(*map(write, work))
    finally:
        await engine.dispose()


def threads(database: Database, work: list[list[Amounts]]) -> None:
    engine = database.sync_engine(mapper.metadata)

    def write(transactions: list[Amounts]) -> None:
        for amounts in transactions:
            for attempt in range(1_000):
                try:
                    with SyncBank(engine) as unit:
                        for identity, amount in amounts:
                            account = unit.accounts.get(identity)
                            assert account is not None
                            account.change(amount)
                        unit.commit()
                    break
                except ConcurrencyError:
                    sleep(pause(attempt))

    try:
        with ThreadPoolExecutor(len(work)) as pool:
            list(pool.map(write, work))
    finally:
        engine.dispose()


def pause(attempt: int) -> float:
    return uniform(0, 0.002 * 2 ** min(attempt, 6))


def open_accounts(database: Database, number: int) -> None:
    engine = database.sync_engine(mapper.metadata)
    with SyncBank(engine) as unit:
        for identity in range(number):
            unit.accounts.save(Account(account_id=identity))
        unit.commit()
    engine.dispose()


def stored(database: Database) -> tuple[list[int], dict[str, list[int]]]:
    """Return the balances, and those that the outbox tells of, per account in the order of the messages."""
    engine = database.sync_engine(mapper.metadata)
    told: dict[str, list[int]] = {}
    with SyncBank(engine, read_only=True) as unit:
        balances = [account.balance for account in unit.accounts.find(order_by=table.c.account_id)]
        messages = SyncBank.outbox.table
        rows: Any = unit.connection().execute(messages.select().order_by(messages.c.number))
        for message in (Message.from_json(row.message) for row in rows):
            told.setdefault(str(message.subject), []).append(message.data["balance"])
    engine.dispose()
    return balances, told


def deposit_at_once(way: str, database: Database, number: int) -> None:
    open_accounts(database, 1)
    at_once(way, database, [[((0, 1),)] * (number // WRITERS)] * WRITERS)
    assert stored(database) == ([number], {"accounts/0": list(range(1, number + 1))})


@pytest.mark.parametrize("way", ["tasks", pytest.param("threads", marks=pytest.mark.slow)])
def test_no_increment_of_several_writers_is_lost(way: str, database: Database) -> None:
    deposit_at_once(way, database, 16)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tasks", "threads"])
def test_no_increment_of_many_is_lost(way: str, database: Database) -> None:
    deposit_at_once(way, database, 240)


def transfer_at_once(way: str, database: Database, number: int, accounts: int = 4) -> None:
    """Move money between a few accounts, by 8 writers at once, in both directions; nothing appears or gets lost."""
    random, work, moved = Random(7), list[list[Amounts]](), [0] * accounts
    for _ in range(WRITERS):
        transfers: list[Amounts] = []
        for _ in range(number // WRITERS):
            (source, target), amount = random.sample(range(accounts), 2), random.randint(1, 9)
            transfers.append(((source, -amount), (target, amount)))
            moved[source] -= amount
            moved[target] += amount
        work.append(transfers)
    open_accounts(database, accounts)
    before = deadlocks(database)
    at_once(way, database, work)
    balances, told = stored(database)
    assert balances == moved
    assert [balances[-1] for _, balances in sorted(told.items())] == moved
    assert deadlocks(database) == before


@pytest.mark.parametrize("way", ["tasks", pytest.param("threads", marks=pytest.mark.slow)])
def test_crossing_transfers_do_not_wait_for_each_other(way: str, database: Database) -> None:
    transfer_at_once(way, database, 16)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tasks", "threads"])
def test_many_crossing_transfers_do_not_wait_for_each_other(way: str, database: Database) -> None:
    transfer_at_once(way, database, 160)


@pytest.mark.parametrize("way", ["tasks", pytest.param("threads", marks=pytest.mark.slow)])
def test_one_of_several_writers_creates_an_aggregate(way: str, database: Database) -> None:
    open_accounts(database, 0)

    async def create_in_tasks() -> list[str]:
        engine = database.engine(mapper.metadata)

        async def create(number: int) -> str:
            try:
                async with Bank(engine) as unit:
                    await unit.accounts.save(Account(account_id=1, entries=[Entry(amount=number)]))
                    await unit.commit()
            except ConcurrencyError:
                return "taken"
            return "created"

        try:
            return list(await asyncio.gather(*map(create, range(WRITERS))))
        finally:
            await engine.dispose()

    def create_in_threads() -> list[str]:
        engine = database.sync_engine(mapper.metadata)

        def create(number: int) -> str:
            try:
                with SyncBank(engine) as unit:
                    unit.accounts.save(Account(account_id=1, entries=[Entry(amount=number)]))
                    unit.commit()
            except ConcurrencyError:
                return "taken"
            return "created"

        with ThreadPoolExecutor(WRITERS) as pool:
            created = list(pool.map(create, range(WRITERS)))
        engine.dispose()
        return created

    created = asyncio.run(create_in_tasks()) if way == "tasks" else create_in_threads()
    assert (created.count("created"), created.count("taken")) == (1, WRITERS - 1)
    assert stored(database)[0] == [created.index("created")]


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_a_unit_that_is_cancelled_anywhere_knows_what_is_stored(database: Database, times: int) -> None:
    open_accounts(database, 2)

    async def run() -> int:
        engine, number, moved = database.engine(mapper.metadata), 0, 0
        met: list[Account] = []

        async def work(unit: Bank) -> None:
            async with unit:
                for identity, amount in ((0, -5), (1, 5)):
                    account = await unit.accounts.get(identity)
                    assert account is not None
                    met.append(account)
                    account.change(amount)
                await unit.commit()

        try:
            while True:
                unit = Bank(engine)
                met.clear()
                reached = await asyncio.wait_for(cancelled_at(number, work(unit), times=times), 20)
                moved += 5 if unit.committed else 0
                for account in met:  # what was changed is as it was, and belongs to nobody
                    assert unit.committed or account.balance in (-moved, moved, moved + 5, -moved - 5)
                async with Bank(engine) as next_one:  # waits for nobody
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
        found = connection.scalar(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
    engine.dispose()
    return int(found or 0)
