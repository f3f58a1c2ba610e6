"""Writers: one unit of work after the other, some of which are rolled back on purpose, in async and sync code."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import Final

import asyncpg  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]  # it has none
from sqlalchemy.exc import DBAPIError

from dddkit.exceptions import ConcurrencyError, UnitError
from tests.kill.bank import ACCOUNTS, Account, Change
from tests.kill.checks import Outcome
from tests.kill.journals import Journal
from tests.kill.repositories import BankUnit
from tests.kill.setups import Setup
from tests.kill.stopping import Stopping

__all__ = ["write", "write_sync"]

PAUSE: Final = 0.03
"""How many seconds there are between two units of a writer, on average."""

AWAY: Final[tuple[type[Exception], ...]] = (
    DBAPIError,
    UnitError,
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,  # where the server dies while SQLAlchemy sets up a new connection
)
"""What a writer gets of a server that is killed. SQLite raises none of them."""


class AbandonedError(Exception):
    """Leaves the block of a unit, which rolls it back."""


class Attempt:
    """One unit of work: what it is to do, and what came of it."""

    def __init__(self, name: str, random: Random, journal: Journal) -> None:
        first, second = random.sample(range(ACCOUNTS), 2)
        amount = random.randint(1, 99)
        deposit, transfer = [(first, amount)], [(first, -amount), (second, amount)]
        self.name: Final = name
        self.amounts: Final[Sequence[tuple[int, int]]] = random.choice([deposit, transfer])
        self.ending: Final = random.choices(["commit", "rollback", "abandon", "cancel"], [80, 7, 7, 6])[0]
        self.outcome: Outcome = "unknown"
        self._changes: Final = list[Change]()
        self._journal: Final = journal

    def change(self, account: Account, amount: int) -> None:
        self._changes.append(account.change(amount, self.name))

    def note(self) -> None:
        """Write down what is going to be stored, before anything is."""
        self._journal.write(unit=self.name, changes=self._changes)

    @contextmanager
    def running(self, setup: Setup) -> Generator[None]:
        """Write down what has come of it."""
        error: BaseException | None = None
        try:
            yield
        except (AbandonedError, ConcurrencyError) as raised:
            self.outcome, error = "not stored", raised
        except AWAY as raised:
            if setup.postgresql is None:
                raise
            error = raised
        self._journal.write(unit=self.name, outcome=self.outcome, error=error and type(error).__name__)


def _attempts(setup: Setup, name: str, random: Random, stopping: Stopping) -> Iterator[Attempt]:
    journal = setup.units
    for number in count():
        if stopping.asked:
            return
        yield Attempt(f"{name}.{number}", random, journal)


async def write(setup: Setup, name: str, random: Random, tasks: int = 2) -> None:
    """Write until the process is asked to end."""
    bank, stopping = setup.bank(), Stopping()
    engine = setup.engine("bank", bank.metadata)

    async def one_after_the_other(task: int) -> None:
        for attempt in _attempts(setup, f"{name}.{task}", random, stopping):
            with attempt.running(setup):
                async with bank.unit(engine) as unit:
                    for account_id, amount in attempt.amounts:
                        account = await unit.the_accounts.get(account_id)
                        if account is None:
                            account = Account(account_id=account_id)
                            await unit.the_accounts.save(account)
                        attempt.change(account, amount)
                    attempt.note()
                    await _end(unit, attempt, random)
            await asyncio.sleep(random.uniform(0, 2 * PAUSE))

    try:
        await asyncio.gather(*map(one_after_the_other, range(tasks)))
    finally:
        await engine.dispose()


async def _end(unit: BankUnit, attempt: Attempt, random: Random) -> None:
    if attempt.ending == "abandon":
        raise AbandonedError
    if attempt.ending == "rollback":
        await unit.rollback()
        attempt.outcome = "not stored"
    elif attempt.ending == "commit":
        await unit.commit()
        attempt.outcome = "committed"
    else:
        committing = asyncio.ensure_future(unit.commit())
        await asyncio.sleep(random.uniform(0, 0.01))
        committing.cancel()
        try:
            await committing
        except asyncio.CancelledError:
            attempt.outcome = "committed" if unit.committed else "not stored"
        else:
            attempt.outcome = "committed"


def write_sync(setup: Setup, name: str, random: Random) -> None:
    """Write until the process is asked to end."""
    bank, stopping = setup.bank(), Stopping()
    engine = setup.sync_engine("bank", bank.metadata)
    try:
        for attempt in _attempts(setup, name, random, stopping):
            with attempt.running(setup), bank.sync_unit(engine) as unit:
                for account_id, amount in attempt.amounts:
                    account = unit.the_accounts.get(account_id)
                    if account is None:
                        account = Account(account_id=account_id)
                        unit.the_accounts.save(account)
                    attempt.change(account, amount)
                attempt.note()
                if attempt.ending == "abandon":
                    raise AbandonedError
                if attempt.ending == "rollback":
                    unit.rollback()
                    attempt.outcome = "not stored"
                else:
                    unit.commit()
                    attempt.outcome = "committed"
            time.sleep(random.uniform(0, 2 * PAUSE))
    finally:
        engine.dispose()
