"""Several writers of mapped aggregates at once, on both databases: no update is lost, and nobody waits for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import pytest
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table
from sqlalchemy.orm import registry, relationship

from dddkit.dataclasses import Aggregate, AggregateEvent, Identity
from dddkit.sqlalchemy import OrmMapped, SyncUnitOfWork, UnitOfWork
from tests.persistence.accounts import WAYS, Banks, Way, catalog, metadata, outbox
from tests.persistence.test_concurrency import (
    cancel_anywhere,
    create_at_once,
    deadlocks,
    deposit_at_once,
    quickly_with_tasks,
    transfer_at_once,
)
from tests.servers.databases import Database


@dataclass(kw_only=True)
class Entry:
    amount: int
    entry_id: int | None = None


@dataclass(kw_only=True)
class MappedAccount(Aggregate):
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


mapper: Final = registry(metadata=metadata)
entries: Final = Table(
    "entries",
    metadata,
    Column("entry_id", Integer, primary_key=True),
    Column("account_id", Integer, ForeignKey("mapped_accounts.account_id"), nullable=False),
    Column("amount", Integer, nullable=False),
)
table: Final = Table(
    "mapped_accounts",
    metadata,
    Column("account_id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)
mapper.map_imperatively(Entry, entries)
mapper.map_imperatively(
    MappedAccount,
    table,
    version_id_col=table.c.version,
    properties={
        "entries": relationship(Entry, cascade="all, delete-orphan", order_by=entries.c.entry_id, lazy="selectin")
    },
)
catalog.add(MappedAccount.Changed, "mapped_account.changed", version=1)
accounts: Final = OrmMapped[MappedAccount, int]()


class MappedBank(UnitOfWork):
    accounts = accounts
    outbox = outbox


class SyncMappedBank(SyncUnitOfWork):
    accounts = accounts
    outbox = outbox


BANKS: Final = Banks(MappedBank, SyncMappedBank, MappedAccount)


@quickly_with_tasks
def test_no_increment_of_several_writers_is_lost(way: Way, database: Database) -> None:
    deposit_at_once(way, database, 16, BANKS)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tasks", "threads"])
def test_no_increment_of_many_is_lost(way: Way, database: Database) -> None:
    deposit_at_once(way, database, 240, BANKS)


@quickly_with_tasks
def test_crossing_transfers_do_not_wait_for_each_other(way: Way, database: Database) -> None:
    before = deadlocks(database)
    transfer_at_once(way, database, 16, BANKS)
    assert deadlocks(database) == before


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_many_crossing_transfers_do_not_wait_for_each_other(way: Way, database: Database) -> None:
    before = deadlocks(database)
    transfer_at_once(way, database, 160, BANKS)
    assert deadlocks(database) == before


@quickly_with_tasks
def test_one_of_several_writers_creates_an_aggregate(way: Way, database: Database) -> None:
    create_at_once(way, database, BANKS)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_a_unit_that_is_cancelled_anywhere_knows_what_is_stored(database: Database, times: int) -> None:
    cancel_anywhere(database, times, BANKS)
