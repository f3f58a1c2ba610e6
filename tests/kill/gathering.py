"""What there is to be checked: the facts that journals, databases and the broker hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Engine, MetaData, func, select

from dddkit.sqlalchemy import Relay
from tests.kill import ledgers
from tests.kill.bank import ACCOUNTS, Change
from tests.kill.checks import Attempt, Facts, Stored
from tests.kill.journals import read_journal
from tests.kill.setups import Place, Setup

if TYPE_CHECKING:
    from dddkit.messages import Message

__all__ = ["Progress", "errors_of_writers", "facts", "progress"]


class Progress(NamedTuple):
    """How far the messages have come."""

    stored: int
    waiting: int
    effects: int

    @property
    def is_complete(self) -> bool:
        return self.waiting == 0 and self.effects >= self.stored


def progress(setup: Setup) -> Progress:
    bank = setup.bank()
    with _engine(setup, "bank", bank.metadata) as engine, engine.connect() as connection:
        waiting = connection.scalar(select(func.count()).select_from(bank.outbox.table)) or 0
    stored = sum(account.number for account in _accounts(setup).values())
    with _engine(setup, "ledgers", ledgers.metadata) as engine, engine.connect() as connection:
        effects = connection.scalar(select(func.count()).select_from(ledgers.effects)) or 0
    return Progress(stored, waiting, effects)


def facts(setup: Setup, ended: Sequence[str]) -> Facts:
    """Return all of it, once all is quiet."""
    waiting, dead = asyncio.run(_backlog(setup))
    with _engine(setup, "ledgers", ledgers.metadata) as engine:
        effects, kept = ledgers.stored_effects(engine), ledgers.stored_ledgers(engine)
    deliveries = list(read_journal(setup.deliveries_path))
    received = [Change(*line["received"]) for line in deliveries if "received" in line]
    return Facts(
        attempts=list(_attempts(setup)),
        accounts=_accounts(setup),
        arrivals=_arrivals(setup, received),
        effects=effects,
        ledgers=kept,
        waiting=waiting,
        dead=dead,
        received=len(received),
        dropped=sum("dropped" in line for line in deliveries),
        ended=ended,
    )


def _arrivals(setup: Setup, received: Sequence[Change]) -> Sequence[Change]:
    if setup.broker is None:
        return received
    from tests.kill.brokers import content  # a run on SQLite needs no FastStream

    return asyncio.run(content(setup))


def errors_of_writers(setup: Setup) -> Counter[str]:
    """Return what writers got instead of a commit."""
    return Counter(line["error"] for line in read_journal(setup.units_path) if line.get("error"))


def _attempts(setup: Setup) -> Iterator[Attempt]:
    changes = dict[str, list[Change]]()
    outcomes = dict[str, Any]()
    for line in read_journal(setup.units_path):
        if "changes" in line:
            changes[line["unit"]] = [Change(*change) for change in line["changes"]]
        else:
            outcomes[line["unit"]] = line["outcome"]
    for unit, attempted in changes.items():
        yield Attempt(unit, attempted, outcomes.get(unit, "unknown"))


def _accounts(setup: Setup) -> dict[int, Stored]:
    bank, found = setup.bank(), dict[int, Stored]()
    with _engine(setup, "bank", bank.metadata) as engine, bank.sync_unit(engine) as unit:
        for account_id in range(ACCOUNTS):
            account = unit.the_accounts.get(account_id)
            if account is not None:
                found[account_id] = Stored(account.balance, account.number, account.last)
    return found


async def _backlog(setup: Setup) -> tuple[int, int]:
    async def publish(message: Message) -> None:
        raise AssertionError(f"{message.id} is published by who only counts")

    bank = setup.bank()
    engine = setup.engine("bank", bank.metadata)
    try:
        found = await Relay(engine, bank.outbox, publish).backlog()
    finally:
        await engine.dispose()
    return found.waiting, found.dead


@contextmanager
def _engine(setup: Setup, place: Place, metadata: MetaData) -> Generator[Engine]:
    engine = setup.sync_engine(place, metadata)
    try:
        yield engine
    finally:
        engine.dispose()
