"""The events of a unit of work: into the outbox, to reactions before the commit, to a broker after it."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from dddkit._awaitables import is_awaitable
from dddkit.dataclasses import EventBroker
from dddkit.exceptions import MessageRejectedError, UnitError, UnnamedEventError
from dddkit.messages import EventCatalog, Message, caused_by
from dddkit.sqlalchemy import Inbox, Outbox, SyncUnitOfWork
from tests.blocks.flavours import Dataclasses
from tests.persistence.cancelling import cancelled_at
from tests.persistence.shops import Awaited, Shop, in_shops
from tests.servers.databases import SQLite


def react(shop: Shop, unit_class: Any, event_class: Any, function: Any, name: str = "react") -> None:
    """Register an async function as a reaction, also to a sync unit."""

    async def reaction(event: Any, unit: Any) -> None:
        if is_awaitable(result := function(event, unit)):
            await result

    def sync_reaction(event: Any, unit: Any) -> None:
        coroutine = reaction(event, Awaited(unit))
        with pytest.raises(StopIteration):
            coroutine.send(None)

    registered = reaction if shop.is_async else sync_reaction
    registered.__name__ = registered.__qualname__ = name
    unit_class.on(event_class)(registered)


@in_shops()
async def test_messages_stand_by_aggregate_in_the_order_met_then_as_recorded(shop: Shop) -> None:
    await shop.save(*(shop.Basket(basket_id=number) for number in (1, 2)))
    async with shop.unit() as unit:
        second, first = await unit.baskets.get(2), await unit.baskets.get(1)
        first.add("tea")
        second.add_event(shop.Basket.Created())
        unit.publish(shop.Basket.Created(), subject="shops/1")
        second.add("cup")
        await unit.commit()

    created, added = "basket.created.v1", "basket.item-added.v1"
    assert await shop.messages() == [
        (created, "baskets/2"),
        (added, "baskets/2"),
        (added, "baskets/1"),
        (created, "shops/1"),
    ]


@in_shops("sqlite")
async def test_private_events_stay_in_the_process(shop: Shop) -> None:
    Hidden = shop.flavour.declare("AggregateEvent", "Hidden")
    shop.catalog.private(Hidden)
    basket = shop.Basket(basket_id=1)
    basket.add_event(Hidden())
    async with shop.unit() as unit:
        with pytest.raises(ValueError, match=r"private"):
            unit.publish(Hidden())
        await unit.baskets.save(basket)
        await unit.commit()
    assert await shop.messages() == []
    assert basket.get_events() == []


@in_shops("sqlite")
async def test_an_event_without_a_name_is_an_error_at_commit(shop: Shop) -> None:
    basket = shop.Basket(basket_id=1)
    basket.add_event(shop.flavour.declare("AggregateEvent", "Unnamed")())
    async with shop.unit() as unit:
        await unit.baskets.save(basket)
        with pytest.raises(UnnamedEventError, match=r"Unnamed"):
            await unit.commit()
    assert await shop.stored(1) is None


@in_shops("sqlite")
async def test_a_nested_event_without_a_name_is_an_error_when_the_unit_is_first_made(shop: Shop) -> None:
    catalog = EventCatalog("/shop")
    catalog.private(shop.Basket.Created)
    Unit = shop.declare(outbox=Outbox(shop.metadata, catalog, table="other"), baskets=shop.documents(shop.Basket))
    with pytest.raises(UnnamedEventError) as raised:
        shop.unit(Unit)
    assert raised.value.event_classes == (shop.Basket.ItemAdded,)
    catalog.add(shop.Basket.ItemAdded, "basket.item-added")
    shop.unit(Unit)


@in_shops("sqlite")
async def test_publish_needs_an_outbox(shop: Shop) -> None:
    async with shop.unit(shop.declare()) as unit:
        with pytest.raises(UnitError, match=r"publish needs an outbox; declare `outbox = Outbox"):
            unit.publish(shop.Basket.Created())
        with pytest.raises(UnitError, match=r"once needs an inbox; declare `inbox = Inbox"):
            await unit.once("key")


@in_shops("sqlite")
async def test_a_unit_has_one_outbox(shop: Shop) -> None:
    with pytest.raises(TypeError, match=r"ShopUnit has more than one Outbox; a unit has one"):
        shop.declare(one=shop.outbox, other=Outbox(shop.metadata, shop.catalog, table="other"))


@in_shops("sqlite")
async def test_a_subclass_may_replace_the_outbox_of_its_base(shop: Shop) -> None:
    other = Outbox(shop.metadata, shop.catalog, table="other")
    Base = shop.declare(outbox=shop.outbox, inbox=Inbox(shop.metadata, table="inbox"))
    Unit = shop.declare(Base, outbox=other, inbox=Inbox(shop.metadata, table="other_inbox"))
    async with shop.unit(Unit) as unit:
        unit.publish(shop.Basket.Created())
        assert await unit.once("key")
        await unit.commit()
    assert await shop.messages() == []


@in_shops()
async def test_once_is_true_until_a_unit_has_committed_the_key(shop: Shop) -> None:
    for expected, commits in ((True, False), (True, True), (False, False)):
        async with shop.unit() as unit:
            assert await unit.once("key") is expected
            assert await unit.once("key") is False
            await (unit.commit() if commits else unit.rollback())


@in_shops()
async def test_reactions_are_part_of_the_transaction(shop: Shop) -> None:
    async def copy(event: Any, unit: Any) -> None:
        await unit.baskets.save(shop.Basket(basket_id=2, items=[event.item]))

    react(shop, shop.Unit, shop.Basket.ItemAdded, copy)
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    await shop.save(basket)
    assert (await shop.stored(2)).items == ["tea"]

    basket = shop.Basket(basket_id=1)
    basket.add("cup")
    with pytest.raises(Exception, match=r"is new, but one with its identity is stored already"):
        await shop.save(basket)
    assert (await shop.stored(2)).items == ["tea"]


@in_shops("sqlite")
async def test_reactions_run_in_the_order_of_registration_inherited_and_for_subclasses(shop: Shop) -> None:
    calls: list[str] = []

    def note(name: str, event: Any, unit: Any) -> None:
        calls.append(name)

    Special = shop.flavour.declare(shop.Basket.ItemAdded, "Special")
    shop.catalog.add(Special, "special")
    Child = shop.declare(shop.Unit)
    for unit_class, event_class, name in (
        (Child, shop.Basket.ItemAdded, "one"),
        (shop.Unit, shop.Basket.ItemAdded, "two"),
        (Child, Special, "three"),
        (shop.Unit, shop.Basket.Created, "never"),
    ):
        react(shop, unit_class, event_class, partial(note, name))

    basket = shop.Basket(basket_id=1)
    basket.add_event(Special(item="tea"))
    await shop.save(basket, unit_class=Child)
    assert calls == ["one", "two", "three"]

    calls.clear()
    basket.add("cup")
    await shop.save(basket)
    assert calls == ["two"]


@in_shops("sqlite")
async def test_reactions_see_the_events_that_reactions_record(shop: Shop) -> None:
    seen: list[Any] = []

    def see(event: Any, unit: Any) -> None:
        seen.append(event)

    async def create(event: Any, unit: Any) -> None:
        (await unit.baskets.get(1)).add_event(shop.Basket.Created())

    react(shop, shop.Unit, shop.Basket.ItemAdded, create)
    react(shop, shop.Unit, shop.Basket.Created, see)
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    basket.add("cup")
    await shop.save(basket)
    assert len(seen) == 2
    assert len(await shop.messages()) == 4


@in_shops("sqlite")
async def test_reactions_without_end_are_stopped_by_an_error_that_shows_the_chain(shop: Shop) -> None:
    rounds: list[Any] = []

    async def add(event: Any, unit: Any) -> None:
        rounds.append(event)
        (await unit.baskets.get(1)).add("more")

    react(shop, shop.Unit, shop.Basket.ItemAdded, add, "add_more")
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    with pytest.raises(UnitError, match=r"without end: \.\.\. -> add_more -> .*ItemAdded -> add_more -> .*ItemAdded;"):
        await shop.save(basket)
    assert len(rounds) == 100
    assert await shop.stored(1) is None


@in_shops("sqlite")
async def test_a_reaction_does_not_end_the_unit(shop: Shop) -> None:
    errors: list[str] = []

    async def end(event: Any, unit: Any) -> None:
        for ending in (unit.commit, unit.rollback):
            with pytest.raises(UnitError) as raised:
                await ending()
            errors.append(str(raised.value))

    react(shop, shop.Unit, shop.Basket.ItemAdded, end)
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    await shop.save(basket)
    assert errors == [
        f"ShopUnit: {name} while commit is under way; a reaction leaves the end to the unit, or raises"
        for name in ("commit", "rollback")
    ]
    assert await shop.stored(1) is not None


@in_shops("sqlite")
async def test_the_error_of_a_reaction_undoes_all(shop: Shop) -> None:
    def fail(event: Any, unit: Any) -> None:
        raise LookupError

    react(shop, shop.Unit, shop.Basket.ItemAdded, fail)
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    with pytest.raises(LookupError):
        await shop.save(basket)
    assert await shop.stored(1) is None
    assert len(basket.get_events()) == 1


def test_an_async_reaction_of_a_sync_unit_is_a_type_error() -> None:
    class ShopUnit(SyncUnitOfWork):
        pass

    async def later(event: object, unit: ShopUnit) -> None: ...

    with pytest.raises(
        TypeError, match=r"ShopUnit: .*later is async, and a SyncUnitOfWork does not await; write it with"
    ):
        ShopUnit.on(object)(later)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is tested
    with pytest.raises(TypeError, match=r"on takes the class of an event, as in on\(Order.Cancelled\), and got"):
        ShopUnit.on("Cancelled")(print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is tested


@in_shops()
async def test_the_broker_gets_the_events_after_the_commit_when_the_connection_is_back(shop: Shop) -> None:
    broker = EventBroker()
    seen: list[Any] = []

    async def look(event: Any) -> None:
        seen.append((event.item, unit.committed, (await shop.stored(1)).items))

    def sync_look(event: Any) -> None:
        with pytest.raises(StopIteration):
            look(event).send(None)

    broker.subscribe(shop.Basket.ItemAdded, look if shop.is_async else sync_look)
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    basket.add_event(shop.Basket.Created())  # nobody handles it
    async with shop.unit(broker=broker) as unit:
        await unit.baskets.save(basket)
        await unit.commit()

    assert seen == [("tea", True, ["tea"])]


@in_shops("sqlite")
async def test_the_error_of_a_subscriber_reaches_the_caller_of_a_unit_that_has_committed(shop: Shop) -> None:
    Plain = shop.declare(baskets=shop.Unit.baskets)  # without an outbox
    broker = EventBroker()

    def fail(event: Any) -> None:
        raise LookupError

    broker.subscribe(shop.Basket.ItemAdded, fail)
    for unit_class, left in ((shop.Unit, 0), (Plain, 1)):
        basket = shop.Basket(basket_id=left)
        basket.add("tea")
        basket.add_event(shop.Basket.Created())
        async with shop.unit(unit_class, broker=broker) as unit:
            await unit.baskets.save(basket)
            with pytest.raises(LookupError):
                await unit.commit()
            assert unit.committed
        assert len(basket.get_events()) == left  # what is in the outbox would be published twice
        assert await shop.stored(left) is not None


@in_shops("sqlite")
async def test_an_async_subscriber_is_refused_before_a_sync_unit_commits(shop: Shop) -> None:
    broker = EventBroker()

    async def later(event: Any) -> None:
        await asyncio.sleep(0)

    broker.subscribe(shop.Basket.ItemAdded, later)
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    async with shop.unit(broker=broker) as unit:
        await unit.baskets.save(basket)
        if shop.is_async:
            await unit.commit()
        else:
            with pytest.raises(TypeError, match=r"later is async, and ShopUnit publishes to sync handlers"):
                await unit.commit()
    assert (await shop.stored(1) is None) is not shop.is_async
    assert len(basket.get_events()) == (0 if shop.is_async else 1)


@in_shops("sqlite")
async def test_published_events_go_to_the_outbox_only(shop: Shop) -> None:
    broker = EventBroker(unhandled="ignore")
    seen: list[Any] = []

    def see(event: Any, unit: Any = None) -> None:
        seen.append(event)

    broker.subscribe(object, see)
    react(shop, shop.Unit, object, see)
    async with shop.unit(broker=broker) as unit:
        unit.publish(shop.Basket.Created())
        await unit.commit()
    assert seen == []
    assert await shop.messages() == [("basket.created.v1", "-")]


@in_shops()
async def test_the_outbox_holds_the_json_of_the_message_that_the_catalog_makes(shop: Shop) -> None:
    Moved = shop.flavour.declare("DomainEvent", "Moved", to=str, weight=float, tags=list[str])
    shop.catalog.add(Moved, 'moved."far"', version=1)
    here = timezone(timedelta(hours=-5))
    cause = shop.catalog.encode(shop.Basket.Created())
    effect = Message(id="2", type="x", source="/y", correlation_id='1"')
    cases = [
        (Moved(to='Zür"ich\n', weight=0.5, tags=["\u2028", ""]), "baskets/ü\\", cause),
        (Moved(to="", weight=2, tags=[], occurred_on=datetime(2025, 7, 1, 12, 0, 0, 5, tzinfo=here)), None, effect),
        (Moved(to="\0", weight=-0.0, tags=[], occurred_on=datetime(2025, 7, 1, tzinfo=timezone.utc)), "1", None),
    ]
    written: list[str] = []
    async with shop.unit() as unit:
        for event, subject, by in cases:
            with caused_by(by) if by else nullcontext():
                unit.publish(event, subject=subject)
                written.append(shop.catalog.encode(event, subject).to_json().decode())
        await unit.commit()

    table = shop.outbox.table
    rows = await shop.rows(select(table.c.message, table.c.id, table.c.type, table.c.subject).order_by(table.c.number))
    assert [row[0] for row in rows] == written
    messages = [Message.from_json(text) for text in written]
    assert [row[1:] for row in rows] == [(one.id, one.type, one.subject) for one in messages]


@in_shops("sqlite")
async def test_what_no_message_may_say_is_refused_when_it_is_published(shop: Shop) -> None:
    async with shop.unit() as unit:
        for subject, problem in (("", "empty"), ("half of \ud800", "surrogate"), (7, "text is needed")):
            with pytest.raises(MessageRejectedError, match=problem):
                unit.publish(shop.Basket.Created(), subject=subject)


@in_shops("sqlite")
async def test_a_broker_of_another_kind_is_a_type_error(shop: Shop) -> None:
    with pytest.raises(TypeError, match=r"ShopUnit: broker is an EventBroker, or nothing, and not"):
        shop.unit(broker=EventBroker)


@in_shops("sqlite")
async def test_a_reaction_to_what_no_aggregate_records_is_refused(shop: Shop) -> None:
    def react(event: Any, unit: Any) -> None: ...

    with pytest.raises(TypeError, match=r"Placed is a DomainEvent, which none does; derive it from AggregateEvent"):
        shop.Unit.on(shop.flavour.Placed)(react)


def test_events_of_a_commit_that_was_cancelled_before_they_were_published_are_pending_again(tmp_path: Path) -> None:
    shop = Shop(Dataclasses, SQLite(str(tmp_path / "shop.sqlite")), is_async=True)
    Unit = shop.declare(lists=shop.documents(shop.Basket))
    broker = EventBroker()
    seen = list[object]()
    broker.subscribe(shop.Basket.ItemAdded, seen.append)

    async def store(unit: Any, basket: Any) -> None:
        async with unit:
            await unit.lists.save(basket)
            await unit.commit()

    async def run() -> None:
        places, reached = 0, True
        while reached:
            basket = shop.Basket(basket_id=places)
            basket.add("tea")
            unit = shop.unit(Unit, broker=broker)
            seen.clear()
            reached = await cancelled_at(places, store(unit, basket))
            assert unit.committed == (await shop.stored(places, "lists", Unit) is not None)
            assert len(seen) + len(basket.get_events()) == 1
            places += 1
        assert places > 1
        await shop.dispose()

    asyncio.run(run())
