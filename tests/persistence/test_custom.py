"""Aggregates in tables of one's own: what the unit does around SQL that somebody has written."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, ForeignKeyConstraint, Integer, select

from dddkit.dataclasses import EventBroker
from dddkit.exceptions import ConcurrencyError, UncommittedChangesError, UnhandledEventError, UnnamedEventError
from dddkit.messages import EventCatalog, Message
from dddkit.sqlalchemy import Custom, Outbox
from tests.blocks.flavours import Dataclasses
from tests.persistence.baskets_by_hand import ByHand, SqlBaskets, handler_for
from tests.persistence.cancelling import cancelled_at
from tests.persistence.shops import Model, Shop, in_shops
from tests.servers.databases import SQLite

custom: Model = Custom


def declare(shop: Shop, sql: Model = SqlBaskets, *, with_events: bool = False, **attributes: object) -> ByHand:
    """Let the baskets of the shop be stored by hand."""
    by_hand = ByHand(shop, shop.metadata)
    changes = handler_for(shop.flavour, with_events=with_events)
    baskets = custom[shop.Basket, int](by_hand.sql(sql), changes=changes, table=by_hand.baskets)
    shop.Unit = shop.declare(outbox=shop.outbox, inbox=shop.inbox, baskets=baskets, **attributes)
    return by_hand


async def items(shop: Shop, identity: int = 1) -> list[str] | None:
    basket = await shop.stored(identity)
    return None if basket is None else list(basket.items)


def filled(shop: Shop, *added: str, identity: int = 1) -> Any:
    basket = shop.Basket(basket_id=identity)
    for item in added:
        basket.add(item)
    return basket


@in_shops()
async def test_what_the_handler_folds_is_what_the_sql_writes(shop: Shop) -> None:
    by_hand = declare(shop)
    basket = filled(shop, "tea")
    await shop.save(basket)
    async with shop.unit() as unit:
        read = await unit.baskets.get(1)
        read.add("cup")
        read.items.append("what no event tells of")
        await unit.commit()

    assert await items(shop) == ["tea", "cup"]
    assert await shop.messages() == [("basket.item-added.v1", "baskets/1")] * 2
    assert (basket.get_events(), read.get_events()) == ([], [])
    ((version,),) = await shop.rows(select(by_hand.baskets.c.version))
    assert version > 1_700_000_000_000_000  # microseconds


@in_shops("sqlite")
async def test_an_event_or_save_makes_a_change_and_nothing_else(shop: Shop) -> None:
    by_hand = declare(shop)
    await shop.save(filled(shop, "tea"))
    versions = [await shop.rows(select(by_hand.baskets.c.version))]
    async with shop.unit() as unit:
        basket = await unit.baskets.get(1)
        basket.items.append("cup")
        await unit.commit()
    versions.append(await shop.rows(select(by_hand.baskets.c.version)))
    await shop.save(basket)
    versions.append(await shop.rows(select(by_hand.baskets.c.version)))
    assert versions[0] == versions[1] != versions[2]

    with pytest.raises(UncommittedChangesError):
        async with shop.unit() as unit:
            (await unit.baskets.get(1)).add("pot")


@in_shops("sqlite")
async def test_the_unit_has_one_object_per_identity(shop: Shop) -> None:
    declare(shop)
    await shop.save(filled(shop, "tea"), filled(shop, "cup", identity=2))
    async with shop.unit() as unit:
        basket = await unit.baskets.get(1)
        assert await unit.baskets.get(1) is basket
        assert await unit.baskets.get(1, lock=True) is basket
        many = await unit.baskets.get_many([2, 7, 1])
        assert [*many] == [2, 1]
        assert many[1] is basket
        await unit.baskets.delete(basket)
        assert await unit.baskets.get(1) is None
        await unit.rollback()
    async with shop.unit() as unit:
        assert await unit.baskets.get(7, lock=True) is None
        assert (await unit.baskets.get(2, lock=True)).items == ["cup"]
        await unit.rollback()


@in_shops()
async def test_somebody_else_was_faster(shop: Shop) -> None:
    declare(shop)
    await shop.save(filled(shop, "tea"))
    mine, yours = await shop.stored(1), await shop.stored(1)
    yours.add("cup")
    await shop.save(yours)
    mine.add("pot")
    with pytest.raises(ConcurrencyError) as stale:
        await shop.save(mine)
    assert (stale.value.aggregate, stale.value.found) == (mine, (stale.value.expected or 0) + 1)
    assert len(mine.get_events()) == 1
    assert await items(shop) == ["tea", "cup"]

    copy = pickle.loads(pickle.dumps(yours))
    copy.add("spoon")
    await shop.save(copy)
    await shop.delete(copy)
    with pytest.raises(ConcurrencyError) as gone:
        await shop.delete(yours)
    assert gone.value.found is None


@in_shops()
async def test_a_taken_identity_is_a_concurrency_error(shop: Shop) -> None:
    declare(shop)
    await shop.save(filled(shop, "tea"))
    new: Any = filled(shop, "cup")
    with pytest.raises(ConcurrencyError) as taken:
        await shop.save(new)
    assert len(new.get_events()) == 1
    assert taken.value.aggregate is new
    assert taken.value.expected is None
    assert taken.value.found is not None
    assert await items(shop) == ["tea"]


@in_shops("sqlite")
async def test_deleting_one_that_nobody_stored_is_no_error_and_one_that_is_there_is(shop: Shop) -> None:
    declare(shop)
    await shop.delete(filled(shop))
    await shop.save(filled(shop, "tea"))
    with pytest.raises(ConcurrencyError):
        await shop.delete(filled(shop))
    assert await items(shop) == ["tea"]


@in_shops("sqlite")
async def test_another_object_in_place_of_a_deleted_one_is_a_row_of_its_own(shop: Shop) -> None:
    calls: list[str] = []

    class Watched(SqlBaskets):
        def insert(self, connection: Any, basket: Any, changes: Any, version: int) -> int | None:
            calls.append(f"insert {changes.items}")
            return super().insert(connection, basket, changes, version)

        def delete(self, connection: Any, basket: Any, expected: int) -> int:
            calls.append(f"delete {basket.items}")
            return super().delete(connection, basket, expected)

    declare(shop, Watched)
    await shop.save(filled(shop, "tea"))
    async with shop.unit() as unit:
        old = await unit.baskets.get(1)
        old.add("cup")
        await unit.baskets.delete(old)
        await unit.baskets.save(filled(shop, "pot"))
        await unit.commit()
    assert calls == ["insert ['tea']", "delete ['tea', 'cup']", "insert ['pot']"]
    assert await items(shop) == ["pot"]
    assert len(await shop.messages()) == 3
    assert old.get_events() == []


@in_shops()
async def test_domain_events_of_the_result_are_published_in_place_of_its_own(shop: Shop) -> None:
    declare(shop, with_events=True)
    shop.catalog.add(shop.flavour.Placed, "order.placed")
    heard: list[Any] = []
    broker = EventBroker()
    broker.subscribe(object, heard.append)
    reacted: list[object] = []

    def react(event: object, unit: object) -> None:
        reacted.append(event)

    shop.Unit.on(shop.Basket.ItemAdded)(react)
    basket = filled(shop, "tea", identity=7)
    own = basket.get_events()
    async with shop.unit(broker=broker) as unit:
        await unit.baskets.save(basket)
        await unit.commit()

    assert await shop.messages() == [("order.placed.v1", "baskets/7")]
    assert reacted == own
    assert [type(event) for event in heard] == [shop.flavour.Placed]
    ((text,),) = await shop.rows(select(shop.outbox.table.c.message))
    assert Message.from_json(text).id == str(heard[0].id)


@in_shops("sqlite")
async def test_own_events_need_no_name_where_the_result_has_domain_events(shop: Shop) -> None:
    by_hand, outbox = ByHand(shop, shop.metadata), Outbox(shop.metadata, EventCatalog("/other"), table="other_outbox")
    for with_events in (True, False):
        changes = handler_for(shop.flavour, with_events=with_events)
        Unit = shop.declare(outbox=outbox, baskets=custom[shop.Basket, int](by_hand.sql(), changes=changes))
        if with_events:
            async with shop.unit(Unit) as unit:
                await unit.rollback()
        else:
            with pytest.raises(UnnamedEventError):
                shop.unit(Unit)


@in_shops("sqlite")
async def test_what_a_subscriber_did_not_hear_is_not_written_again(shop: Shop) -> None:
    by_hand = ByHand(shop, shop.metadata)
    handler = handler_for(shop.flavour)
    shop.Unit = shop.declare(baskets=custom[shop.Basket, int](by_hand.sql(), changes=handler))
    broker = EventBroker()

    @broker.handle(shop.Basket.ItemAdded)
    def fail(event: object) -> None:
        raise RuntimeError("no paper")

    basket = filled(shop, "tea", "cup")
    async with shop.unit(broker=broker) as unit:
        await unit.baskets.save(basket)
        with pytest.raises(RuntimeError, match="no paper"):
            await unit.commit()
    assert basket.get_events() == []
    await shop.save(basket)
    assert await items(shop) == ["tea", "cup"]


@in_shops()
async def test_a_failing_fold_stores_nothing_and_keeps_the_events(shop: Shop) -> None:
    by_hand = declare(shop)
    handled, unhandled = filled(shop, "tea"), filled(shop, "cup", identity=2)
    unhandled.add_event(shop.Basket.Created())
    with pytest.raises(UnhandledEventError):
        await shop.save(handled, unhandled)
    assert await shop.count(by_hand.baskets) == 0
    assert (len(handled.get_events()), len(unhandled.get_events())) == (1, 2)

    unhandled.clear_events()
    await shop.save(handled, unhandled)  # the block of the handler is closed
    assert await items(shop) == ["tea"]
    assert handled.get_events() == []


@in_shops("sqlite")
async def test_the_events_themselves_are_the_changes_without_a_handler(shop: Shop) -> None:
    class SqlOfEvents(SqlBaskets):
        def add_items(self, connection: Any, basket: Any, items: Any) -> None:
            super().add_items(connection, basket, [event.item for event in items])

        def insert(self, connection: Any, basket: Any, changes: Any, version: int) -> int | None:
            connection.execute(self.baskets.insert().values(id=basket.basket_id, version=version))
            self.add_items(connection, basket, changes)
            return 1

    by_hand = ByHand(shop, shop.metadata)
    shop.Unit = shop.declare(outbox=shop.outbox, baskets=custom[shop.Basket, int](by_hand.sql(SqlOfEvents)))
    basket = filled(shop, "tea", "cup")
    await shop.save(basket)
    assert await items(shop) == ["tea", "cup"]
    assert basket.get_events() == []
    assert len(await shop.messages()) == 2


@in_shops("sqlite")
async def test_each_unit_has_an_object_of_the_class(shop: Shop) -> None:
    made: list[SqlBaskets] = []

    class Counted(SqlBaskets):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    declare(shop, Counted)
    for _ in range(2):
        async with shop.unit() as unit:
            await unit.baskets.get(1)
            await unit.baskets.get(2)
            await unit.rollback()
    assert len(made) == 2
    assert made[0] is not made[1]


@in_shops()
async def test_rows_are_written_in_the_order_that_foreign_keys_want(shop: Shop) -> None:
    by_hand = ByHand(shop, shop.metadata)
    Note = shop.flavour.declare("Aggregate", "Note", note_id=int, basket=int)
    notes = shop.documents(Note, columns={"basket": Integer})
    baskets = custom[shop.Basket, int](by_hand.sql(), changes=handler_for(shop.flavour), table=by_hand.baskets)
    shop.Unit = shop.declare(a_notes=notes, baskets=baskets)
    notes.table.append_constraint(ForeignKeyConstraint(["basket"], [by_hand.baskets.c.id]))
    async with shop.unit() as unit:
        await unit.a_notes.save(Note(note_id=1, basket=1))
        await unit.baskets.save(filled(shop, "tea"))
        await unit.commit()
    async with shop.unit() as unit:
        await unit.baskets.delete(await unit.baskets.get(1))
        await unit.a_notes.delete(await unit.a_notes.get(1))
        await unit.commit()
    assert await shop.count(by_hand.baskets) == await shop.count(notes.table) == 0


@in_shops("sqlite")
async def test_what_of_a_subclass_is_stored_is_the_affair_of_the_sql(shop: Shop) -> None:
    declare(shop)
    Special = shop.flavour.declare(shop.Basket, "Special")
    await shop.save(Special(basket_id=1, items=["not told"]))
    assert await items(shop) == []


@in_shops("sqlite")
async def test_events_recorded_while_loading_are_dropped(shop: Shop) -> None:
    class Recording(SqlBaskets):
        def get(self, connection: Connection, basket_id: int) -> tuple[Any, int] | None:
            if (found := super().get(connection, basket_id)) is not None:
                found[0].add_event(shop.Basket.ItemAdded(item="cup"))
            return found

    declare(shop, Recording)
    await shop.save(filled(shop, "tea"))
    async with shop.unit() as unit:
        assert (await unit.baskets.get(1)).get_events() == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_commit_that_is_cancelled_has_stored_all_or_nothing(tmp_path: Path, times: int) -> None:
    shop = Shop(Dataclasses, SQLite(str(tmp_path / "shop.sqlite")), is_async=True)
    declare(shop)

    async def run() -> None:
        identity = 0
        while True:
            basket, unit = filled(shop, "tea", identity=identity), shop.unit()
            reached = await cancelled_at(identity, store(unit, basket), times=times)
            assert unit.committed == (await items(shop, identity) == ["tea"])
            assert len(basket.get_events()) == (0 if unit.committed else 1)
            if not reached:
                break
            identity += 1
        assert identity > 1
        await shop.dispose()

    asyncio.run(run())


async def store(unit: Any, basket: Any) -> None:
    async with unit:
        assert await unit.baskets.get(basket.basket_id) is None
        await unit.baskets.save(basket)
        await unit.commit()


def test_tasks_share_one_handler(tmp_path: Path) -> None:
    shop = Shop(Dataclasses, SQLite(str(tmp_path / "shop.sqlite")), is_async=True)
    declare(shop)

    async def run() -> None:
        await asyncio.gather(*(store(shop.unit(), filled(shop, f"{number}", identity=number)) for number in range(9)))
        assert [await items(shop, number) for number in range(9)] == [[f"{number}"] for number in range(9)]
        assert len(await shop.messages()) == 9
        await shop.dispose()

    asyncio.run(run())
