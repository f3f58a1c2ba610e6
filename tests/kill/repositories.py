"""The kinds of repositories that accounts are kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Column, ColumnElement, Connection, MetaData, Table, Text, select
from sqlalchemy.orm import clear_mappers, registry

from dddkit.dataclasses import Repository, SyncRepository
from dddkit.sqlalchemy import Custom, Documents, OrmMapped, Outbox, SyncUnitOfWork, UnitOfWork
from tests.kill.bank import Account

__all__ = ["REPOSITORIES", "BankUnit", "SyncBankUnit", "Units"]


class BankUnit(UnitOfWork):
    """A unit of work with accounts, whatever keeps them."""

    @property
    def the_accounts(self) -> Repository[Account, int]:
        raise NotImplementedError


class SyncBankUnit(SyncUnitOfWork):
    """The same without `await`."""

    @property
    def the_accounts(self) -> SyncRepository[Account, int]:
        raise NotImplementedError


class Units(NamedTuple):
    """Both units over the same tables."""

    unit: type[BankUnit]
    sync_unit: type[SyncBankUnit]


def _documents(metadata: MetaData, box: Outbox | None) -> Units:
    documents = Documents[Account, int](metadata, table="accounts")

    class DocumentsUnit(BankUnit):
        outbox = box
        accounts = documents

        @property
        def the_accounts(self) -> Repository[Account, int]:
            return self.accounts

    class SyncDocumentsUnit(SyncBankUnit):
        outbox = box
        accounts = documents

        @property
        def the_accounts(self) -> SyncRepository[Account, int]:
            return self.accounts

    return Units(DocumentsUnit, SyncDocumentsUnit)


class SqlAccounts:
    """Writes accounts as rows, by hand."""

    def __init__(self, table: Table) -> None:
        self._table: Final = table

    def get(self, connection: Connection, account_id: int) -> tuple[Account, int] | None:
        row = connection.execute(self._table.select().where(self._table.c.account_id == account_id)).one_or_none()
        if row is None:
            return None
        return Account(account_id=account_id, balance=row.balance, number=row.number, last=row.last), row.version

    def lock(self, connection: Connection, account_id: int) -> int | None:
        is_it = self._table.c.account_id == account_id
        version: int | None = connection.scalar(select(self._table.c.version).where(is_it).with_for_update())
        return version

    def insert(self, connection: Connection, account: Account, changes: Sequence[object], version: int) -> None:
        connection.execute(self._table.insert().values(**asdict(account), version=version))

    def update(self, connection: Connection, account: Account, changes: Sequence[object], expected: int) -> int:
        values = {**asdict(account), "version": expected + 1}
        return connection.execute(self._table.update().where(self._is(account, expected)).values(values)).rowcount

    def delete(self, connection: Connection, account: Account, expected: int) -> int:
        return connection.execute(self._table.delete().where(self._is(account, expected))).rowcount

    def _is(self, account: Account, expected: int) -> ColumnElement[bool]:
        return (self._table.c.account_id == account.account_id) & (self._table.c.version == expected)


def _table(metadata: MetaData) -> Table:
    return Table(
        "accounts",
        metadata,
        Column("account_id", BigInteger, primary_key=True, autoincrement=False),
        Column("balance", BigInteger, nullable=False),
        Column("number", BigInteger, nullable=False),
        Column("last", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
    )


def _custom(metadata: MetaData, box: Outbox | None) -> Units:
    table = _table(metadata)
    custom = Custom[Account, int](partial(SqlAccounts, table), table=table)

    class CustomUnit(BankUnit):
        outbox = box
        accounts = custom

        @property
        def the_accounts(self) -> Repository[Account, int]:
            return self.accounts

    class SyncCustomUnit(SyncBankUnit):
        outbox = box
        accounts = custom

        @property
        def the_accounts(self) -> SyncRepository[Account, int]:
            return self.accounts

    return Units(CustomUnit, SyncCustomUnit)


def _mapped(metadata: MetaData, box: Outbox | None) -> Units:
    table = _table(metadata)
    clear_mappers()  # a process maps the class once for each database that it opens
    registry().map_imperatively(Account, table, version_id_col=table.c.version)
    mapped = OrmMapped[Account, int]()

    class MappedUnit(BankUnit):
        outbox = box
        accounts = mapped

        @property
        def the_accounts(self) -> Repository[Account, int]:
            return self.accounts

    class SyncMappedUnit(SyncBankUnit):
        outbox = box
        accounts = mapped

        @property
        def the_accounts(self) -> SyncRepository[Account, int]:
            return self.accounts

    return Units(MappedUnit, SyncMappedUnit)


REPOSITORIES: Final[Mapping[str, Callable[[MetaData, Outbox | None], Units]]] = {
    "documents": _documents,
    "custom": _custom,
    "mapped": _mapped,
}
"""By the name that `--repository` takes: the units over new tables, with an outbox or without one."""
