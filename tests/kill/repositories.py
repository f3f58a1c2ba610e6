"""The kinds of repositories that accounts are kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from sqlalchemy import MetaData

from dddkit.dataclasses import Repository, SyncRepository
from dddkit.sqlalchemy import Documents, Outbox, SyncUnitOfWork, UnitOfWork
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


REPOSITORIES: Final[Mapping[str, Callable[[MetaData, Outbox | None], Units]]] = {"documents": _documents}
"""By the name that `--repository` takes: the units over new tables, with an outbox or without one."""
