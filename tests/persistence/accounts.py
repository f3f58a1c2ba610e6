"""Accounts, and people who change them at once: tasks, threads or processes, each with one unit after the other."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from random import uniform
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import MetaData, select

from dddkit.dataclasses import Aggregate, AggregateEvent
from dddkit.exceptions import ConcurrencyError
from dddkit.messages import EventCatalog, Message
from dddkit.sqlalchemy import Documents, Outbox, SyncUnitOfWork, UnitOfWork
from tests.servers.databases import Database

__all__ = [
    "DOCUMENTS",
    "WAYS",
    "Account",
    "Amounts",
    "Bank",
    "Banks",
    "SyncBank",
    "Way",
    "at_once",
    "balances",
    "catalog",
    "deposit",
    "metadata",
    "open_accounts",
    "told",
    "transfer",
]

metadata: Final = MetaData()
catalog: Final = EventCatalog("/bank")


@dataclass(kw_only=True)
class Account(Aggregate):
    account_id: int
    balance: int = 0

    @dataclass(frozen=True, kw_only=True)
    class Changed(AggregateEvent):
        balance: int

    def change(self, amount: int) -> None:
        self.balance += amount
        self.add_event(self.Changed(balance=self.balance))


catalog.add(Account.Changed, "account.changed", version=1)
accounts: Final = Documents[Account, int](metadata, table="accounts")
outbox: Final = Outbox(metadata, catalog)


class Bank(UnitOfWork):
    accounts = accounts
    outbox = outbox


class SyncBank(SyncUnitOfWork):
    accounts = accounts
    outbox = outbox


class Banks(NamedTuple):
    """Both units, over the same tables, and the class of their accounts."""

    unit: Any  # `accounts` may be any kind of repository
    sync_unit: Any
    account: Any = Account


DOCUMENTS: Final = Banks(Bank, SyncBank)


Way = Literal["tasks", "threads", "processes"]
WAYS: Final[tuple[Way, ...]] = ("tasks", "threads", "processes")

Amounts = tuple[tuple[int, int], ...]
"""What one transaction adds to which accounts, in the order in which it reads them."""


def deposit(identity: int) -> Amounts:
    return ((identity, 1),)


def transfer(source: int, target: int, amount: int) -> Amounts:
    return ((source, -amount), (target, amount))


def at_once(way: Way, database: Database, work: list[list[Amounts]], banks: Banks = DOCUMENTS) -> int:
    """Do the work of each writer, all of them at once; return how often one had to begin again."""
    if way == "tasks":
        return asyncio.run(_tasks(database, work, banks))
    if way == "threads":
        return _threads(database, work, banks)
    with ProcessPoolExecutor(len(work), mp_context=multiprocessing.get_context("spawn")) as pool:
        return sum(pool.map(_process, [database] * len(work), work, [banks] * len(work)))


async def _tasks(database: Database, work: list[list[Amounts]], banks: Banks) -> int:
    engine = database.engine(metadata)

    async def write(transactions: list[Amounts]) -> int:
        failures = 0
        for amounts in transactions:
            for attempt in count():
                try:
                    async with banks.unit(engine) as unit:
                        for identity, amount in amounts:
                            account = await unit.accounts.get(identity)
                            assert account is not None
                            account.change(amount)
                        await unit.commit()
                    break
                except ConcurrencyError:
                    failures += 1
                    await asyncio.sleep(pause(attempt))
        return failures

    try:
        return sum(await asyncio.gather(*map(write, work)))
    finally:
        await engine.dispose()


def _threads(database: Database, work: list[list[Amounts]], banks: Banks) -> int:
    engine = database.sync_engine(metadata)

    def write(transactions: list[Amounts]) -> int:
        failures = 0
        for amounts in transactions:
            for attempt in count():
                try:
                    with banks.sync_unit(engine) as unit:
                        for identity, amount in amounts:
                            account = unit.accounts.get(identity)
                            assert account is not None
                            account.change(amount)
                        unit.commit()
                    break
                except ConcurrencyError:
                    failures += 1
                    time.sleep(pause(attempt))
        return failures

    try:
        with ThreadPoolExecutor(len(work)) as pool:
            return sum(pool.map(write, work))
    finally:
        engine.dispose()


def pause(attempt: int) -> float:
    """Return how long to wait before the next attempt: at random, longer each time, as libraries for retrying do."""
    return uniform(0, 0.002 * 2 ** min(attempt, 6))


def _process(database: Database, transactions: list[Amounts], banks: Banks) -> int:
    return asyncio.run(_tasks(database, [transactions], banks))


def open_accounts(database: Database, number: int, banks: Banks = DOCUMENTS) -> None:
    engine = database.sync_engine(metadata)
    with banks.sync_unit(engine) as unit:
        for identity in range(number):
            unit.accounts.save(banks.account(account_id=identity))
        unit.commit()
    engine.dispose()


def balances(database: Database, banks: Banks = DOCUMENTS) -> list[int]:
    """Return the balances of the accounts."""
    engine = database.sync_engine(metadata)
    try:
        with banks.sync_unit(engine, read_only=True) as unit:
            return [account.balance for account in unit.accounts.get_many(range(20)).values()]
    finally:
        engine.dispose()


def told(database: Database) -> dict[str, list[int]]:
    """Return the balances that the outbox tells of, per account in the order of their numbers."""
    engine, found = database.sync_engine(metadata), defaultdict[str, list[int]](list)
    try:
        with SyncBank(engine, read_only=True) as unit:
            rows = unit.connection().execute(select(outbox.table.c.message).order_by(outbox.table.c.number))
            for message in map(Message.from_json, rows.scalars()):
                found[str(message.subject)].append(message.data["balance"])
        return found
    finally:
        engine.dispose()
