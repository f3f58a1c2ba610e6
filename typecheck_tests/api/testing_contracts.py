"""What checkers say about the contracts of repositories. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from itertools import count
from typing import NewType
from unittest import TestCase

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.dataclasses import InMemoryRepository, Repository, SyncRepository
from dddkit.testing import RepositoryContract, SyncRepositoryContract

LoanId = NewType("LoanId", int)
ids = count(1)


@dataclasses.dataclass(kw_only=True)
class Loan(dddkit.dataclasses.Aggregate):
    loan_id: LoanId
    extended: int = 0


class Reader(dddkit.pydantic.Aggregate):
    reader_id: int
    name: str = ""


class Loans(SyncRepository[Loan, LoanId]):
    def save(self, aggregate: Loan, /) -> None: ...
    def get(self, aggregate_id: LoanId, /) -> Loan | None: ...
    def delete(self, aggregate: Loan, /) -> None: ...


class LoanFacts(RepositoryContract[Loan, LoanId]):
    def new(self) -> Loan:
        return Loan(loan_id=LoanId(next(ids)))

    def change(self, loan: Loan) -> None:
        loan.extended += 1


class TestLoans(LoanFacts):
    repository = InMemoryRepository[Loan, LoanId]()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Repository[Loan, LoanId]]:
        yield self.repository


class LoansTest(LoanFacts, TestCase):
    versions = False

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[InMemoryRepository[Loan, LoanId]]:
        yield TestLoans.repository


class TestReaders(RepositoryContract[Reader, int]):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Repository[Reader, int]]:
        yield InMemoryRepository()

    def new(self) -> Reader:
        return Reader(reader_id=next(ids))

    def change(self, reader: Reader, /) -> None:
        reader.name = "Ada"


class TestSync(SyncRepositoryContract[Loan, LoanId]):
    @contextmanager
    def open(self) -> Generator[SyncRepository[Loan, LoanId]]:
        yield Loans()

    def new(self) -> Loan:
        return Loan(loan_id=LoanId(next(ids)))

    def change(self, aggregate: Loan) -> None: ...


class TestWithoutGenerator(TestSync):
    def open(self) -> AbstractContextManager[Loans]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # narrower than what a function made by contextmanager
        return nullcontext(Loans())


class TestMistakes(RepositoryContract[Loan, LoanId]):
    versions = "no"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    @contextmanager
    def open(self) -> Generator[Loans]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # of the sync contract
        yield Loans()

    def new(self) -> Reader:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return Reader(reader_id=1)

    def change(self, aggregate: Reader) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class TestOtherRepository(TestReaders):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Repository[Reader, str]]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        yield InMemoryRepository()


class OfNoAggregate(RepositoryContract[int, int]): ...  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]
