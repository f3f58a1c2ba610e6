"""The contracts of repositories: right ones pass, and a broken one fails at the fact that it breaks."""

from __future__ import annotations

import re
import subprocess
import sys
import unittest
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dddkit.dataclasses import InMemoryRepository, SyncInMemoryRepository
from dddkit.testing import RepositoryContract, SyncRepositoryContract
from tests.blocks.flavours import Dataclasses, Flavour, in_both_flavours
from tests.testing import repositories
from tests.testing.repositories import Async, AtTheEnd, Rows

# Any: the flavour of the aggregates is chosen at run time.
Model = Any
Contract = Any
ids = count(1)


def facts(contract: Contract) -> list[str]:
    return [name for name in dir(contract) if name.startswith("test_")]


def outcomes(contract: Contract) -> dict[str, Exception | None]:
    """Run each fact as a test runner does; return what it raised."""
    found: dict[str, Exception | None] = {}
    for name in facts(contract):
        try:
            found[name] = getattr(contract(), name)()
        except Exception as error:
            found[name] = error
    return found


def broken_facts(contract: Contract) -> dict[str, str]:
    return {name: f"{type(error).__name__}: {error}" for name, error in outcomes(contract).items() if error is not None}


class OfBaskets:
    """What the contracts of these tests have in common; each test has a repository of its own."""

    Basket: Model
    make: Model  # a callable

    def new(self) -> Model:
        basket = self.Basket(basket_id=next(ids), items=["tea", "milk"])
        basket.add_event(self.Basket.Created())
        return basket

    def change(self, basket: Model) -> None:
        basket.add("sugar")

    def repository(self) -> Model:
        return vars(self).setdefault("made", self.make())


class OfAsync(OfBaskets, RepositoryContract[Model, int]):
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Model]:
        repository = self.repository()
        yield Async(repository) if isinstance(repository, Rows) else repository


class OfSync(OfBaskets, SyncRepositoryContract[Model, int]):
    @contextmanager
    def open(self) -> Generator[Model]:
        yield self.repository()


class OfBlocks(OfBaskets, SyncRepositoryContract[Model, int]):
    @contextmanager
    def open(self) -> Generator[Model]:
        block: Model = self.make(self.rows())
        yield block
        block.commit()

    def rows(self) -> Model:
        return vars(self).setdefault("stored", Rows())


def contract_of(base: Contract, make: Callable[..., Any], flavour: type[Flavour] = Dataclasses, **own: Any) -> Contract:
    """Return the contract of such a repository, as a user declares it."""
    Basket = flavour.declare(flavour.Basket, "VersionedBasket", version=(int, 0))
    return type("TestBaskets", (base,), {"Basket": Basket, "make": staticmethod(make), **own})


sync_and_async = pytest.mark.parametrize("base", [OfAsync, OfSync])


# Right ones


@in_both_flavours
def test_the_repositories_in_memory_keep_the_contract(flavour: type[Flavour]) -> None:
    assert broken_facts(contract_of(OfAsync, InMemoryRepository[Any, int], flavour)) == {}
    assert broken_facts(contract_of(OfSync, SyncInMemoryRepository[Any, int], flavour)) == {}


@in_both_flavours
@sync_and_async
def test_a_repository_by_hand_with_its_version_in_a_field_keeps_it(base: Contract, flavour: type[Flavour]) -> None:
    assert broken_facts(contract_of(base, Rows, flavour)) == {}


@in_both_flavours
@sync_and_async
def test_a_repository_that_writes_what_the_events_say_keeps_it(base: Contract, flavour: type[Flavour]) -> None:
    assert broken_facts(contract_of(base, repositories.WritesWhatTheEventsSay, flavour)) == {}


def test_a_conflict_may_come_from_the_end_of_the_block() -> None:
    assert broken_facts(contract_of(OfBlocks, AtTheEnd)) == {}


def basket_without_identity(flavour: type[Flavour]) -> Model:
    return flavour.declare(flavour.Basket, "VersionedBasket", version=(int, 0), basket_id=(int | None, None))


def new_without_identity(self: Any) -> Model:
    return self.Basket(items=["tea"])


@in_both_flavours
@sync_and_async
def test_a_repository_may_give_the_identity_when_it_saves(base: Contract, flavour: type[Flavour]) -> None:
    own: dict[str, Any] = {"new": new_without_identity, "Basket": basket_without_identity(flavour)}
    found = outcomes(contract_of(base, repositories.GivesTheIdentity, flavour, **own))
    skipped = {name for name, error in found.items() if isinstance(error, unittest.SkipTest)}
    assert skipped == {
        "test_an_unknown_identity_is_none",
        "test_a_new_aggregate_does_not_replace_a_stored_one",
        "test_what_was_deleted_and_created_again_meanwhile_is_another_one",
    }
    assert {name for name, error in found.items() if error is not None} == skipped


def test_a_repository_that_gives_no_identity_fails() -> None:
    own: dict[str, Any] = {"new": new_without_identity, "Basket": basket_without_identity(Dataclasses)}
    found = broken_facts(contract_of(OfSync, Rows, **own))
    line = "TestBaskets: VersionedBasket None was saved, and has no identity; set it in save, or in new()"
    assert found["test_what_is_saved_can_be_read"] == f"AssertionError: {line}"


@sync_and_async
def test_a_repository_without_versions_says_so(base: Contract) -> None:
    found = outcomes(contract_of(base, repositories.LastWriteWins, versions=False))
    skipped = [name for name, error in found.items() if isinstance(error, unittest.SkipTest)]
    assert len(skipped) == 6
    assert all(error is None for name, error in found.items() if name not in skipped)
    assert str(found["test_a_save_of_what_was_changed_meanwhile_is_refused"]).startswith(
        "versions = False: TestBaskets"
    )


# Broken ones

ANOTHER = "VersionedBasket [0-9]+ came back as another than it was saved\n"
BROKEN: dict[str, tuple[str, str]] = {
    "KeepsTheObject": (
        "a_change_that_is_not_saved_is_not_stored",
        "was changed after it was saved, and came back changed\n",
    ),
    "ReturnsWhatItStores": (
        "each_block_reads_an_object_of_its_own",
        "has changed, since another object of it was changed\n",
    ),
    "StoresWhatItIsGiven": (
        "a_change_that_is_not_saved_is_not_stored",
        "was changed after it was saved, and came back",
    ),
    "LosesAField": ("what_is_saved_can_be_read", ANOTHER),
    "ReturnsAnotherClass": ("what_is_saved_can_be_read", ANOTHER),
    "StoresEvents": ("what_is_read_has_no_pending_events", r"be published again: [\w.]*Created, [\w.]*ItemAdded$"),
    "OnlyInserts": ("a_change_that_is_saved_can_be_read", ANOTHER),
    "OnlyUpdates": ("what_is_saved_can_be_read", "was saved, and get returns None"),
    "KeepsTheOldVersion": ("an_object_that_was_saved_can_be_saved_again", "ConcurrencyError: "),
    "ReplacesAll": ("each_aggregate_is_stored_for_itself", ANOTHER),
    "DeletesNothing": ("what_is_deleted_cannot_be_read", "was deleted, and get returns a VersionedBasket, not None"),
    "DeletesAll": ("each_aggregate_is_stored_for_itself", "was saved, and get returns None"),
    "ReservesTheIdentity": ("after_a_delete_the_identity_is_free", "KeyError: "),
    "RaisesForUnknown": ("an_unknown_identity_is_none", "KeyError: "),
    "RaisesForUnknownDelete": ("deleting_an_unknown_aggregate_does_nothing", "KeyError: "),
    "SavesUnknownOnDelete": ("deleting_an_unknown_aggregate_does_nothing", "was never saved, and get returns a Vers"),
    "LastWriteWins": (
        "a_save_of_what_was_changed_meanwhile_is_refused",
        "was changed since it was read, and was saved all the same; raise ConcurrencyError",
    ),
    "LastDeleteWins": (
        "a_delete_of_what_was_changed_meanwhile_is_refused",
        "was changed since it was read, and was deleted all the same; raise ConcurrencyError",
    ),
    "Upserts": (
        "a_new_aggregate_does_not_replace_a_stored_one",
        "is new, and one with its identity is stored already, and was saved all the same; raise ConcurrencyError",
    ),
    "Resurrects": (
        "a_save_of_what_was_deleted_meanwhile_is_refused",
        "was deleted since it was read, and was saved all the same; raise ConcurrencyError",
    ),
    "CountsFromOne": (
        "what_was_deleted_and_created_again_meanwhile_is_another_one",
        "was deleted and created again since it was read, and was deleted all the same; raise ConcurrencyError",
    ),
    "CountsReads": ("reading_does_not_make_others_come_second", "ConcurrencyError: "),
    "Swallows": ("a_save_of_what_was_changed_meanwhile_is_refused", "was saved all the same; raise ConcurrencyError"),
    "DeletesOnlyWhatItHasRead": (
        "an_object_that_was_saved_can_be_deleted",
        "was deleted, and get returns a VersionedBasket, not None",
    ),
    "DeletesFirst": (
        "what_is_saved_and_deleted_in_one_block_is_not_stored",
        "was deleted, and get returns a Versioned",
    ),
    "SavesOnce": ("the_last_save_of_a_block_counts", ANOTHER),
    "NeverCommits": ("what_is_saved_can_be_read", "was saved, and get returns None"),
}


@sync_and_async
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_repository_fails_at_the_fact_that_it_breaks(name: str, base: Contract) -> None:
    fact, message = BROKEN[name]
    broken = getattr(repositories, name)
    found = broken_facts(contract_of(OfBlocks if issubclass(broken, AtTheEnd) else base, broken))
    assert f"test_{fact}" in found, found
    assert re.search(message, found[f"test_{fact}"])


def test_each_fact_is_broken_by_one_of_them() -> None:
    assert {f"test_{fact}" for fact, _ in BROKEN.values()} == {*facts(RepositoryContract)}
    assert facts(RepositoryContract) == facts(SyncRepositoryContract)


# What the user has to write


def test_a_method_that_was_forgotten_is_an_error_that_shows_it() -> None:
    for base, what in (
        (RepositoryContract, "an async context manager that yields the repository"),
        (SyncRepositoryContract, "a context manager that yields the repository"),
    ):
        own = {"new": OfBaskets.new, "change": OfBaskets.change, "Basket": Dataclasses.Basket}
        contract: Contract = type("TestBaskets", (base,), own)
        assert {*broken_facts(contract).values()} == {
            f"TypeError: TestBaskets does not define open(self), which returns {what}; its contract needs it"
        }
    for name, message in (
        ("new", "new(self), which returns an aggregate that was never saved, with a new identity at each call"),
        ("change", "change(self, aggregate), which changes the aggregate in place"),
    ):
        contract = contract_of(OfSync, Rows, **{name: getattr(RepositoryContract, name)})
        found = {*broken_facts(contract).values()}
        assert found == {f"TypeError: TestBaskets does not define {message}; its contract needs it"}


def none(self: object, basket: Model = None) -> None: ...


def unnamed(self: object) -> Model:
    return Dataclasses.declare("Aggregate", "Unnamed", number=int)(number=1)


async def later(self: object) -> Model: ...


def the_same(self: object) -> Model:
    return Dataclasses.Basket(basket_id=1)


def returned(self: object, basket: Model) -> Model:
    return basket


async def changed_later(self: object, basket: Model) -> None: ...


def changed_identity(self: object, basket: Model) -> None:
    basket.basket_id = next(ids)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"new": none}, "new() returns None, and no aggregate"),
        ({"new": later}, "new() returns a coroutine, and no aggregate"),
        (
            {"new": unnamed},
            "Unnamed has no identity to be stored under; declare a field 'id' or ",
        ),
        ({"new": the_same}, "new() has returned Dataclasses.Basket 1 twice; give each object another identity"),
        ({"change": none}, "change() has changed nothing; let it change a field that is stored"),
        (
            {"change": returned},
            "change() returns a VersionedBasket; it changes the aggregate in place",
        ),
        (
            {"change": changed_later},
            "change() returns a coroutine; it changes the aggregate in place and returns nothing",
        ),
        ({"change": changed_identity}, "change() has changed the identity; let it change another field"),
    ],
)
def test_what_gives_the_facts_nothing_to_go_by_is_rejected(method: dict[str, Any], message: str) -> None:
    found = {*broken_facts(contract_of(OfSync, Rows, **method)).values()}
    assert any(each.startswith(f"TypeError: TestBaskets: {message}") for each in found), found


class Half:
    get = Rows.get


@pytest.mark.parametrize(
    ("base", "make", "message"),
    [
        (OfSync, lambda: Async(Rows()), "save() of the repository is async; derive from RepositoryContract"),
        (OfAsync, lambda: Half(), "open() yields a Half, which has no save(); yield the repository"),
        (OfSync, lambda: None, "open() yields None, which has no save(); yield the repository"),
    ],
)
def test_a_repository_of_the_other_kind_is_an_error_by_name(base: Contract, make: Any, message: str) -> None:
    found = broken_facts(contract_of(base, make))["test_what_is_saved_can_be_read"]
    assert found == f"TypeError: TestBaskets: {message}"


class Plain:
    """Sync methods that are none of Rows'."""

    save = Rows.save


async def opened_without(self: Any) -> AsyncIterator[Model]:
    yield self.repository()


@contextmanager
def opened_sync(self: Any) -> Generator[Model]:
    yield Plain()


@asynccontextmanager
async def opened_async(self: Any) -> AsyncGenerator[Model]:
    yield Plain()


@pytest.mark.parametrize(
    ("base", "open_", "message"),
    [
        (
            OfAsync,
            opened_without,
            (
                "open() returns an async_generator, and no async context manager; "
                "write `@asynccontextmanager` above `async def open(self)`"
            ),
        ),
        (
            OfAsync,
            later,
            (
                "open() returns a coroutine, and no async context manager; "
                "write `@asynccontextmanager` above `async def open(self)`"
            ),
        ),
        (
            OfAsync,
            opened_sync,
            (
                "open() returns a _GeneratorContextManager, and no async context manager; "
                "write `@asynccontextmanager` above `async def open(self)`, or derive from SyncRepositoryContract"
            ),
        ),
        (
            OfSync,
            opened_async,
            (
                "open() returns a _AsyncGeneratorContextManager, and no context manager; "
                "write `@contextmanager` above `def open(self)`, or derive from RepositoryContract"
            ),
        ),
    ],
)
def test_what_open_returns_by_mistake_is_an_error_by_name(base: Contract, open_: Any, message: str) -> None:
    found = broken_facts(contract_of(base, Rows, open=open_))["test_what_is_saved_can_be_read"]
    assert found == f"TypeError: TestBaskets: {message}"


# Test runners

USERS_TESTS = """
import unittest
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from dddkit.dataclasses import Aggregate, InMemoryRepository
from dddkit.testing import RepositoryContract, SyncRepositoryContract

ids = count(1)

@dataclass(kw_only=True)
class Loan(Aggregate):
    loan_id: int
    extended: int = 0

class LoanFacts(RepositoryContract[Loan, int]):
    def new(self):
        return Loan(loan_id=next(ids))

    def change(self, loan):
        loan.extended += 1

class TestLoans(LoanFacts):
    repository = InMemoryRepository[Loan, int]()

    @asynccontextmanager
    async def open(self):
        yield self.repository

class LoansTest(TestLoans, unittest.TestCase):
    pass

class Forgetful:
    def __init__(self):
        self.loans = {}
    def get(self, loan_id):
        return self.loans.get(loan_id)
    def save(self, loan):
        self.loans[loan.loan_id] = Loan(loan_id=loan.loan_id)
    def delete(self, loan):
        self.loans.pop(loan.loan_id, None)

class TestForgetful(SyncRepositoryContract[Loan, int]):
    versions = False
    new, change = LoanFacts.new, LoanFacts.change
    repository = Forgetful()

    @contextmanager
    def open(self):
        yield self.repository

class ForgetfulTest(TestForgetful, unittest.TestCase):
    pass
"""


def test_the_contracts_are_no_tests_themselves() -> None:
    for contract in (RepositoryContract, SyncRepositoryContract):
        assert contract.__test__ is False
    for derived in (OfAsync, contract_of(OfSync, Rows)):
        assert not hasattr(derived, "__test__")  # its name decides


def test_unittest_runs_the_facts_too() -> None:
    case: Any = type("BasketsTest", (contract_of(OfSync, repositories.LastWriteWins), unittest.TestCase), {})
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun == len(facts(RepositoryContract))
    [(_, failed)] = [each for each in result.failures if "meanwhile_is_refused" in str(each[0])]
    assert failed.endswith("was saved all the same; raise ConcurrencyError\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
def test_runners_find_the_tests_of_the_user_and_not_the_contracts(tmp_path: Path) -> None:
    (tmp_path / "test_loans.py").write_text(USERS_TESTS, encoding="utf-8")
    number, skipped, failed = len(facts(RepositoryContract)), 6, 7

    def run(*arguments: str) -> str:
        command = [sys.executable, "-W", "error", "-m", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    every_name = ["-o", "python_classes=Test* *Contract"]
    printed = run("pytest", "-q", "-p", "no:cacheprovider", *every_name, "test_loans.py")
    assert f"{2 * failed} failed, {4 * number - 2 * (failed + skipped)} passed, {2 * skipped} skipped" in printed
    assert re.search(
        r"""
    @_fact
    async def test_a_change_that_is_saved_can_be_read.self. -> None:
        aggregate = self._changed.await self._stored.await self._saved....
        await self._save.aggregate.
>       await self._assert_stored.aggregate.
E       AssertionError: TestForgetful: Loan [0-9]+ came back as another than it was saved
E         at loan.extended: 0 != 1
""",
        printed,
    )
    printed = run("unittest", "test_loans")
    assert f"Ran {2 * number} tests" in printed
    assert f"FAILED (failures={failed}, skipped={skipped})" in printed
