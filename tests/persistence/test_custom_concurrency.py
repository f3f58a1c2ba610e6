"""Several writers at once, to accounts that are kept by SQL of one's own: no update is lost, nobody waits for ever."""

from __future__ import annotations

from functools import singledispatchmethod
from typing import Final, NamedTuple

import pytest
from sqlalchemy import BigInteger, Column, Connection, Table, select

from dddkit.dataclasses import AggregateEvent, ChangesHandler
from dddkit.sqlalchemy import Custom, SyncUnitOfWork, UnitOfWork
from tests.persistence.accounts import WAYS, Account, Banks, Way, metadata, outbox
from tests.persistence.test_concurrency import deadlocks, deposit_at_once, transfer_at_once
from tests.servers.databases import Database

table: Final = Table(
    "accounts_by_hand",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("balance", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
)


class Balance(NamedTuple):
    changed_to: int | None


class Balances(ChangesHandler[Account, Balance]):
    result_type = Balance

    def _clear_state(self) -> None:
        self.changed_to: int | None = None

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, account: Account) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Account.Changed, account: Account) -> None:
        self.changed_to = event.balance


class SqlAccounts:
    def get(self, connection: Connection, account_id: int) -> tuple[Account, int] | None:
        row = connection.execute(select(table.c.balance, table.c.version).where(table.c.id == account_id)).one_or_none()
        return None if row is None else (Account(account_id=account_id, balance=row.balance), row.version)

    def lock(self, connection: Connection, account_id: int) -> int | None:
        version: int | None = connection.scalar(
            select(table.c.version).where(table.c.id == account_id).with_for_update()
        )
        return version

    def insert(self, connection: Connection, account: Account, changes: Balance, version: int) -> None:
        connection.execute(table.insert().values(id=account.account_id, balance=account.balance, version=version))

    def update(self, connection: Connection, account: Account, changes: Balance, expected: int) -> int:
        is_it = (table.c.id == account.account_id) & (table.c.version == expected)
        new = {"balance": changes.changed_to, "version": expected + 1}
        return connection.execute(table.update().where(is_it).values(new)).rowcount

    def delete(self, connection: Connection, account: Account, expected: int) -> int:
        is_it = (table.c.id == account.account_id) & (table.c.version == expected)
        return connection.execute(table.delete().where(is_it)).rowcount


custom: Final = Custom[Account, int](SqlAccounts, changes=Balances(), table=table)


class CustomBank(UnitOfWork):
    accounts = custom
    outbox = outbox


class SyncCustomBank(SyncUnitOfWork):
    accounts = custom
    outbox = outbox


BANKS: Final = Banks(CustomBank, SyncCustomBank)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tasks", "threads"])
def test_no_increment_of_many_is_lost(way: Way, database: Database) -> None:
    deposit_at_once(way, database, 1_000, BANKS)


@pytest.mark.slow
def test_none_of_two_thousand_increments_of_eight_processes_is_lost(database: Database) -> None:
    deposit_at_once("processes", database, 2_000, BANKS)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_many_crossing_transfers_do_not_wait_for_each_other(way: Way, database: Database) -> None:
    before = deadlocks(database)
    transfer_at_once(way, database, 400, BANKS)
    assert deadlocks(database) == before
