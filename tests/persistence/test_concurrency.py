"""Several writers at once, on both databases: no update is lost, nobody waits for ever, and what fails says so."""

from __future__ import annotations

from random import Random

import pytest
from sqlalchemy import create_engine, text

from tests.persistence.accounts import (
    WAYS,
    Way,
    at_once,
    balances,
    deposit,
    open_accounts,
    told,
    transfer,
)
from tests.servers.databases import Database, PostgreSQL

WRITERS = 8


def deposit_at_once(way: Way, database: Database, number: int) -> None:
    """Add 1 to one account this often, by 8 writers at once; then it is exactly that, and so it was told."""
    open_accounts(database, 1)
    at_once(way, database, [[deposit(0)] * (number // WRITERS)] * WRITERS)
    assert balances(database) == [number]
    assert told(database) == {"accounts/0": list(range(1, number + 1))}


@pytest.mark.parametrize("way", ["tasks", "threads"])
def test_no_increment_of_several_writers_is_lost(way: Way, database: Database) -> None:
    deposit_at_once(way, database, 80)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_none_of_ten_thousand_increments_of_eight_writers_is_lost(way: Way, database: Database) -> None:
    deposit_at_once(way, database, 10_000)


def transfer_at_once(way: Way, database: Database, number: int, accounts: int = 4) -> None:
    """Move money between a few accounts, by 8 writers at once, in both directions; nothing appears or gets lost."""
    random, work = Random(7), []
    for _ in range(WRITERS):
        pairs = [random.sample(range(accounts), 2) for _ in range(number // WRITERS)]
        work.append([transfer(source, target, random.randint(1, 9)) for source, target in pairs])
    open_accounts(database, accounts)
    at_once(way, database, work)
    moved = [0] * accounts
    for amounts in (amounts for transfers in work for amounts in transfers):
        for identity, amount in amounts:
            moved[identity] += amount
    assert balances(database) == moved
    assert [balances[-1] for _, balances in sorted(told(database).items())] == moved


@pytest.mark.parametrize("way", ["tasks", "threads"])
def test_crossing_transfers_do_not_wait_for_each_other(way: Way, database: Database) -> None:
    transfer_at_once(way, database, 48)
    assert deadlocks(database) == 0


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_many_crossing_transfers_do_not_wait_for_each_other(way: Way, database: Database) -> None:
    transfer_at_once(way, database, 1_000)
    assert deadlocks(database) == 0


def deadlocks(database: Database) -> int:
    """Return how many PostgreSQL has found; a SQLite that waits for itself fails by its time-out."""
    if not isinstance(database, PostgreSQL):
        return 0
    engine = create_engine(database.url("psycopg"))
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        found = connection.scalar(text(query))
    engine.dispose()
    return int(found or 0)
