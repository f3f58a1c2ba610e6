"""Pruning the inbox: old notes go, by the database's clock, and others are not kept from their work."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine, delete, insert, select
from sqlalchemy.ext.asyncio import create_async_engine

from dddkit.exceptions import UnitError
from dddkit.sqlalchemy import Inbox, embedded, sync_embedded
from tests.persistence.consuming import added, adding, consumer_of, consuming, items
from tests.persistence.shops import Shop, in_shops

DAY = timedelta(days=1)


async def note(shop: Shop, ages: dict[str, timedelta]) -> None:
    """Note the keys, each so long ago."""
    now = datetime.now(timezone.utc)
    rows = [{"consumer": "refunds", "key": key, "noted_at": now - age} for key, age in ages.items()]
    async with shop.unit() as unit:
        await (await unit.connection()).execute(insert(shop.inbox.table), rows)
        await unit.once("new")
        await unit.commit()


async def prune(shop: Shop, older_than: timedelta) -> int:
    if shop.is_async:
        return await shop.inbox.prune(shop.engine, older_than=older_than)
    return shop.inbox.sync_prune(shop.engine, older_than=older_than)


async def keys(shop: Shop) -> list[str]:
    return sorted(key for (key,) in await shop.rows(select(shop.inbox.table.c.key)))


@in_shops()
async def test_pruning_deletes_older_notes_and_says_how_many(shop: Shop) -> None:
    await note(shop, {"hours": DAY / 2, "days": 3 * DAY, "years": 3000 * DAY})
    for older_than, count, left in (
        (timedelta.max, 0, ["days", "hours", "new", "years"]),
        (1000 * DAY, 1, ["days", "hours", "new"]),
        (2 * DAY, 1, ["hours", "new"]),
        (2 * DAY, 0, ["hours", "new"]),
        (timedelta(hours=1), 1, ["new"]),
        (timedelta(seconds=50), 0, ["new"]),
    ):
        assert await prune(shop, older_than) == count
        assert await keys(shop) == left


@in_shops()
async def test_many_notes_are_pruned_in_several_transactions(shop: Shop) -> None:
    await note(shop, {str(number): 2 * DAY for number in range(2100)})
    assert await prune(shop, DAY) == 2100
    assert await keys(shop) == ["new"]


@consuming("sqlite-file", "postgresql")
async def test_consumers_go_on_while_notes_are_pruned(shop: Shop) -> None:
    adding(shop, refunds := consumer_of(shop))
    await note(shop, {str(number): 2 * DAY for number in range(3000)})
    messages = [added(shop, str(number)) for number in range(20)]
    pruning = [asyncio.ensure_future(shop.inbox.prune(shop.engine, older_than=DAY)) for _ in range(2)]
    for message in messages:
        await refunds.receive(message)
    assert sum(await asyncio.gather(*pruning)) == 3000
    assert await items(shop) == [str(number) for number in range(20)]
    assert len(await keys(shop)) == 21


@consuming("postgresql")
async def test_a_pruning_leaves_locked_notes_to_who_has_locked_them(shop: Shop) -> None:
    await note(shop, {"1": 2 * DAY, "2": 2 * DAY, "3": 2 * DAY})
    async with shop.unit() as unit:
        connection = await unit.connection()
        await connection.execute(delete(shop.inbox.table).where(shop.inbox.table.c.key == "2"))
        assert await asyncio.wait_for(shop.inbox.prune(shop.engine, older_than=DAY), 30) == 2
        await unit.rollback()
    assert await keys(shop) == ["2", "new"]


@consuming()
async def test_a_pruning_that_is_cancelled_leaves_no_lock_behind(shop: Shop) -> None:
    await note(shop, {"old": 2 * DAY})
    pruning = asyncio.ensure_future(shop.inbox.prune(shop.engine, older_than=DAY))
    await asyncio.sleep(0)
    pruning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pruning
    async with shop.unit() as unit:
        assert await unit.once("key")
        await unit.commit()
    assert await shop.inbox.prune(shop.engine, older_than=DAY) <= 1
    assert shop.engine.pool.checkedout() == 0


@in_shops("sqlite")
async def test_durations_and_engines_that_make_no_sense_are_refused(shop: Shop) -> None:
    for duration in (timedelta(0), -DAY):
        with pytest.raises(ValueError, match=r"older_than is how old a note is at least, more than nothing, and not"):
            await prune(shop, duration)
    wrong: Any = 30
    with pytest.raises(TypeError, match=r"older_than is a timedelta, as in timedelta\(days=30\), and this is 30"):
        await prune(shop, wrong)


def test_pruning_with_the_engine_of_its_twin_is_refused() -> None:
    inbox = Inbox(MetaData())
    wrong: Any = create_engine("sqlite://")
    with pytest.raises(
        TypeError, match=r"prune works on an AsyncEngine, and got an Engine; write sync_prune\(\.\.\.\)"
    ):
        asyncio.run(inbox.prune(wrong, older_than=DAY))
    wrong = create_async_engine("sqlite+aiosqlite://")
    with pytest.raises(
        TypeError, match=r"sync_prune works on an Engine, and got an AsyncEngine; write prune\(\.\.\.\)"
    ):
        inbox.sync_prune(wrong, older_than=DAY)
    wrong = "sqlite://"
    with pytest.raises(TypeError, match=r"sync_prune works on an Engine, and got a str$"):
        inbox.sync_prune(wrong, older_than=DAY)


def test_pruning_without_the_table_says_which_is_missing() -> None:
    inbox, missing = Inbox(MetaData()), r"Inbox: the database has no table dddkit_inbox; create it with"

    async def prune_async() -> None:
        engine = embedded(":memory:", MetaData())
        with pytest.raises(UnitError, match=missing):
            await inbox.prune(engine, older_than=DAY)
        await engine.dispose()

    asyncio.run(prune_async())
    engine = sync_embedded(":memory:", MetaData())
    with pytest.raises(UnitError, match=missing):
        inbox.sync_prune(engine, older_than=DAY)
    engine.dispose()


@in_shops()
async def test_once_takes_keys_of_any_length(shop: Shop) -> None:
    long = "x" * 100_000
    for key, expected in ((long, True), (long, False), (f"{long}y", True), ("é" * 250, True), ("é" * 250, False)):
        async with shop.unit() as unit:
            assert await unit.once(key) is expected
            await unit.commit()
