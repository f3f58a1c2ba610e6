"""The consumer: keeps a ledger of each account, in a database of its own, by nothing but messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from sqlalchemy import BigInteger, Column, Engine, Integer, MetaData, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit.dataclasses import Aggregate
from dddkit.messages import Message
from dddkit.sqlalchemy import Consumer, Documents, Inbox, SyncUnitOfWork, UnitOfWork
from tests.kill.bank import Account, Change, catalog
from tests.kill.checks import Stored
from tests.kill.faults import Fault, ForgetfulInbox
from tests.kill.journals import Journal
from tests.kill.ways import one_way

if TYPE_CHECKING:
    from dddkit.sqlalchemy._publishing import Publish

__all__ = ["Ledgers", "effects", "metadata", "stored_effects", "stored_ledgers"]

FAILING: Final = 0.005
"""How often a handler fails after it has done its work, which then has to be undone and done again."""

metadata: Final = MetaData()
effects: Final = Table(
    "effects",
    metadata,
    Column("row", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    *(Column(name, Text() if name in ("previous", "unit") else Integer(), nullable=False) for name in Change._fields),
)


@dataclass(kw_only=True)
class Ledger(Aggregate):
    ledger_id: int
    balance: int = 0
    number: int = 0
    last: str = ""

    def enter(self, change: Change) -> None:
        self.balance += change.amount
        self.number += 1
        self.last = change.hash


class LedgerUnit(UnitOfWork):
    ledgers = Documents[Ledger, int](metadata)


class RememberingUnit(LedgerUnit):
    inbox = Inbox(metadata)


class ForgetfulUnit(LedgerUnit):
    inbox = ForgetfulInbox(metadata, table="forgetful_inbox")


class SyncLedgerUnit(SyncUnitOfWork):
    ledgers = LedgerUnit.ledgers


class DeliveryError(Exception):
    """What a handler raises on purpose."""


class Ledgers:
    """The consumer, which notes what it is given, and what of it had no effect."""

    def __init__(self, engine: AsyncEngine, journal: Journal, random: Random, fault: Fault | None) -> None:
        unit_class = ForgetfulUnit if fault == "no-inbox" else RememberingUnit
        self.consumer: Final = Consumer("ledgers", catalog, lambda: unit_class(engine))
        self.consumer.on(Account.Changed)(self._enter)
        self.name: Final = self.consumer.name
        self._journal: Final = journal
        self._random: Final = random
        self._entered: Final = set[Change]()

    async def receive(self, message: Message) -> None:
        """What the client of a broker calls."""
        await self.noting(self.consumer.receive)(message)
        await one_way(self._random)  # to the broker, which does not know yet that this is done

    def noting(self, give: Publish) -> Publish:
        """Return what gives a message to the consumer by this function, and takes notes."""

        async def give_and_note(message: Message) -> None:
            change = Change.read(message.data)
            self._journal.write(received=change)
            self._entered.discard(change)
            await give(message)
            if change not in self._entered:
                self._journal.write(dropped=change.hash)

        return give_and_note

    async def _enter(self, event: Account.Changed, unit: LedgerUnit) -> None:
        change = Change.read(vars(event))
        self._entered.add(change)
        ledger = await unit.ledgers.get(change.account_id)
        if ledger is None:
            ledger = Ledger(ledger_id=change.account_id)
            await unit.ledgers.save(ledger)
        ledger.enter(change)
        connection = await unit.connection()
        await connection.execute(effects.insert(), change._asdict())
        if self._random.random() < FAILING:
            raise DeliveryError


def stored_effects(engine: Engine) -> Sequence[Change]:
    """Return the effects in the order in which they were stored."""
    with engine.connect() as connection:
        rows = connection.execute(select(effects).order_by(effects.c["row"])).mappings()
        return [Change.read(dict(row)) for row in rows]


def stored_ledgers(engine: Engine) -> dict[int, Stored]:
    with SyncLedgerUnit(engine, read_only=True) as unit:
        found = unit.ledgers.find()
    return {ledger.ledger_id: Stored(ledger.balance, ledger.number, ledger.last) for ledger in found}
