"""What checkers say about aggregates stored by SQL of one's own. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, NewType

from sqlalchemy import Connection, Engine, Table
from sqlalchemy.ext.asyncio import AsyncEngine
from typing_extensions import assert_type

import dddkit.pydantic
from dddkit.dataclasses import Aggregate, ChangesHandler, Repository, SyncRepository
from dddkit.sqlalchemy import Custom, SyncUnitOfWork, UnitOfWork

LedgerId = NewType("LedgerId", int)


@dataclass(kw_only=True)
class Ledger(Aggregate):
    ledger_id: LedgerId


class LedgerRows(NamedTuple):
    booked: list[int]


class OtherRows(NamedTuple):
    booked: list[str]


class LedgerChanges(ChangesHandler[Ledger, LedgerRows]):
    result_type = LedgerRows

    def _clear_state(self) -> None:
        self.booked: list[int] = []


class SqlLedgers:
    def __init__(self, table: Table | None = None) -> None: ...
    def get(self, connection: Connection, ledger_id: LedgerId) -> tuple[Ledger, int] | None: ...
    def insert(self, connection: Connection, ledger: Ledger, rows: LedgerRows, version: int) -> None: ...
    def update(self, connection: Connection, ledger: Ledger, rows: LedgerRows, expected: int) -> int:
        raise NotImplementedError

    def delete(self, connection: Connection, ledger: Ledger, expected: int) -> int:
        raise NotImplementedError


class SqlOfEvents(SqlLedgers):
    def insert(self, connection: Connection, ledger: Ledger, rows: Sequence[object], version: int) -> None: ...
    def update(self, connection: Connection, ledger: Ledger, rows: Sequence[Any], expected: int) -> int:
        raise NotImplementedError


class SqlOfOthers(SqlLedgers):
    def insert(self, connection: Connection, ledger: Ledger, rows: OtherRows, version: int) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class SqlWithoutCount(SqlLedgers):
    def update(self, connection: Connection, ledger: Ledger, rows: LedgerRows, expected: int) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class AsyncSql(SqlLedgers):
    async def get(self, connection: Connection, ledger_id: LedgerId) -> tuple[Ledger, int] | None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class Book(dddkit.pydantic.Aggregate):
    book_id: str


class SqlBooks:
    def get(self, connection: Connection, book_id: str) -> tuple[Book, int] | None: ...
    def insert(self, connection: Connection, book: Book, events: list[Any], version: int) -> int:
        raise NotImplementedError

    def update(self, connection: Connection, book: Book, events: list[Any], expected: int) -> int:
        raise NotImplementedError

    def delete(self, connection: Connection, book: Book, expected: int) -> int:
        raise NotImplementedError


class Books(UnitOfWork):
    ledgers = Custom[Ledger, LedgerId](SqlLedgers, changes=LedgerChanges())
    books = Custom[Book, str](SqlBooks)


class SyncBooks(SyncUnitOfWork):
    ledgers = Books.ledgers
    with_table = Custom[Ledger, LedgerId](partial(SqlLedgers, None), changes=LedgerChanges())
    of_events = Custom[Ledger, LedgerId](SqlOfEvents)


assert_type(Books.ledgers, Custom[Ledger, LedgerId])


async def use(engine: AsyncEngine, ledger: Ledger) -> None:
    async with Books(engine) as unit:
        repository: Repository[Ledger, LedgerId] = unit.ledgers
        assert_type(await repository.get(ledger.ledger_id), Ledger | None)
        assert_type(await unit.ledgers.get(ledger.ledger_id, lock=True), Ledger | None)
        assert_type(await unit.ledgers.get_many([ledger.ledger_id]), dict[LedgerId, Ledger])
        assert_type(await unit.books.get("a"), Book | None)
        await unit.ledgers.save(ledger)
        await unit.ledgers.delete(ledger)

        await unit.ledgers.get("a")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await unit.books.save(ledger)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        unit.ledgers.find()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        unit.ledgers.table  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def use_sync(engine: Engine, ledger: Ledger) -> None:
    with SyncBooks(engine) as unit:
        repository: SyncRepository[Ledger, LedgerId] = unit.ledgers
        assert_type(repository.get(ledger.ledger_id), Ledger | None)
        assert_type(unit.ledgers.get(ledger.ledger_id, lock=True), Ledger | None)
        assert_type(unit.of_events.get_many([ledger.ledger_id]), dict[LedgerId, Ledger])


def mistakes(rows: LedgerChanges) -> None:
    Custom[Ledger, LedgerId](SqlLedgers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Custom[Ledger, LedgerId](SqlBooks)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    made = Custom[Ledger, LedgerId]
    made(SqlOfOthers, changes=rows)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    made(SqlWithoutCount, changes=rows)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    made(AsyncSql, changes=rows)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
    of_books = Custom[Book, str]
    of_books(SqlBooks, changes=rows)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]
