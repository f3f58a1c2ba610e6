"""Consumers: what a handler does and the note that it is done are one transaction, and each message has one effect."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from dddkit.dataclasses import EventBroker
from dddkit.exceptions import (
    ConcurrencyError,
    MessageRejectedError,
    UnitClosedError,
    UnitError,
    UnknownMessageError,
    UnnamedEventError,
)
from dddkit.messages import EventCatalog, Message
from dddkit.sqlalchemy import Consumer, SyncUnitOfWork, UnitOfWork
from tests.persistence.consuming import added, adding, consumer_of, consuming, items
from tests.persistence.shops import Shop


@consuming()
async def test_a_message_that_comes_again_has_no_effect_and_is_acknowledged(shop: Shop) -> None:
    adding(shop, refunds := consumer_of(shop))
    tea, cup = added(shop, "tea"), added(shop, "cup")
    for message in (tea, cup, tea, cup, tea):
        await refunds.receive(message)
    assert await items(shop) == ["tea", "cup"]
    assert await shop.messages() == [("basket.item-added.v1", "baskets/7")] * 2


@consuming()
async def test_two_deliveries_at_once_have_one_effect(shop: Shop) -> None:
    adding(shop, refunds := consumer_of(shop))
    message = added(shop)
    await asyncio.gather(*(refunds.receive(message) for _ in range(4)))
    assert await items(shop) == ["tea"]


@consuming("postgresql")
async def test_a_delivery_waits_for_another_one_and_takes_over_where_that_fails(shop: Shop) -> None:
    refunds, begun, may_fail = consumer_of(shop), asyncio.Event(), asyncio.Event()
    calls: list[str] = []

    @refunds.on(shop.Basket.ItemAdded)
    async def fail_once(event: Any, unit: Any) -> None:
        calls.append(event.item)
        if len(calls) == 1:
            begun.set()
            await may_fail.wait()
            raise LookupError
        await unit.baskets.save(shop.Basket(basket_id=7, items=["done"]))

    message = added(shop)
    first = asyncio.ensure_future(refunds.receive(message))
    await begun.wait()
    second = asyncio.ensure_future(refunds.receive(message))
    await asyncio.wait([second], timeout=0.1)
    assert (len(calls), second.done()) == (1, False)
    may_fail.set()
    with pytest.raises(LookupError):
        await first
    await second
    assert (len(calls), await items(shop)) == (2, ["done"])


@consuming()
async def test_the_error_of_a_handler_comes_out_as_it_is_and_undoes_all(shop: Shop) -> None:
    refunds, error = consumer_of(shop), LookupError("as it is")

    @refunds.on(shop.Basket.ItemAdded)
    async def fail(event: Any, unit: Any) -> None:
        await unit.baskets.save(shop.Basket(basket_id=7))
        unit.publish(shop.Basket.Created())
        raise error

    message = added(shop)
    for _ in range(2):  # not noted either
        with pytest.raises(LookupError) as raised:
            await refunds.receive(message)
        assert raised.value is error
    assert await shop.stored(7) is None
    assert await shop.messages() == []


@consuming("sqlite")
async def test_a_commit_that_fails_leaves_no_note(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=7))
    refunds, is_first = consumer_of(shop), [True]

    @refunds.on(shop.Basket.ItemAdded)
    async def create(event: Any, unit: Any) -> None:
        if is_first.pop() if is_first else False:
            await unit.baskets.save(shop.Basket(basket_id=7))

    message = added(shop)
    with pytest.raises(ConcurrencyError):
        await refunds.receive(message)
    assert await shop.count(shop.inbox.table) == 0
    await refunds.receive(message)
    assert await shop.count(shop.inbox.table) == 1


@consuming("sqlite")
async def test_consumers_of_other_names_each_have_their_effect(shop: Shop) -> None:
    consumers = [consumer_of(shop, name) for name in ("refunds", "mails")]
    message = added(shop)
    for number, consumer in enumerate(consumers):
        adding(shop, consumer, number)
        await consumer.receive(message)
    assert [await items(shop, number) for number in range(2)] == [["tea"], ["tea"]]
    again = consumer_of(shop)  # as after a new start of the program
    adding(shop, again, 0)
    await again.receive(message)
    assert await items(shop, 0) == ["tea"]


@consuming("sqlite")
async def test_fu5_messages_of_two_sources_with_one_id_are_two_messages(shop: Shop) -> None:
    adding(shop, refunds := consumer_of(shop))
    for source, id_, item in (("/a", "1", "one"), ("/b", "1", "two"), ("/a", "b c", "three"), ("/a b", "c", "four")):
        data = {"item": item}
        await refunds.receive(Message(id=id_, source=source, type="basket.item-added.v1", data=data))
    assert await items(shop) == ["one", "two", "three", "four"]


@consuming("sqlite")
async def test_a_note_does_not_take_a_key_of_once(shop: Shop) -> None:
    adding(shop, refunds := consumer_of(shop))
    await refunds.receive(message := added(shop))
    ((consumer, key),) = await shop.rows(select(shop.inbox.table.c.consumer, shop.inbox.table.c.key))
    assert (consumer, key) == ("refunds", f"/shop {message.id}")
    async with shop.unit() as unit:
        assert await unit.once(key)
        await unit.rollback()


@consuming("sqlite")
async def test_effects_carry_the_message_as_their_cause_those_of_reactions_and_subscribers_too(shop: Shop) -> None:
    broker = EventBroker(unhandled="ignore")
    refunds = Consumer("refunds", shop.catalog, lambda: shop.unit(broker=broker))
    caused: list[Message] = []

    async def react(event: Any, unit: Any) -> None:
        unit.publish(shop.Basket.Created(), subject="reaction")

    shop.Unit.on(shop.Basket.ItemAdded)(react)

    @broker.handle(shop.Basket.ItemAdded)
    def look(event: Any) -> None:
        caused.append(shop.catalog.encode(event))

    @refunds.on(shop.Basket.ItemAdded)
    async def effect(event: Any, unit: Any) -> None:
        unit.publish(shop.Basket.Created(), subject="handler")
        (basket := shop.Basket(basket_id=7)).add("cup")
        await unit.baskets.save(basket)

    cause = Message(
        id="5", source="/a", type="basket.item-added.v1", data={"item": "tea"}, correlation_id="1", causation_id="4"
    )
    await refunds.receive(cause)
    caused += [Message.from_json(text) for (text,) in await shop.rows(select(shop.outbox.table.c.message))]
    assert [(one.causation_id, one.correlation_id) for one in caused] == [("5", "1")] * 4
    assert shop.catalog.encode(shop.Basket.Created()).causation_id is None


@consuming("sqlite")
async def test_an_older_version_comes_to_the_handler_in_the_newest(shop: Shop) -> None:
    catalog = EventCatalog("/shop")
    catalog.add(shop.Basket.ItemAdded, "added", version=2)

    @catalog.upcast("added", to=2)
    def _(data: dict[str, Any]) -> dict[str, Any]:
        return {"item": data["name"]}

    refunds = Consumer("refunds", catalog, lambda: shop.unit())
    adding(shop, refunds)
    await refunds.receive(Message(id="1", source="/a", type="added.v1", data={"name": "tea"}))
    await refunds.receive(Message(id="2", source="/a", type="added.v2", data={"item": "cup"}))
    assert await items(shop) == ["tea", "cup"]


@consuming("sqlite")
async def test_a_published_domain_event_comes_to_its_handler(shop: Shop) -> None:
    Placed, seen = shop.flavour.Placed, list[object]()
    shop.catalog.add(Placed, "order.placed")
    refunds = consumer_of(shop)

    @refunds.on(Placed)
    async def see(event: Any, unit: Any) -> None:
        seen.append((event.order, str(event.id)))

    message = shop.catalog.encode(Placed(order=7))
    await refunds.receive(message)
    assert seen == [(7, message.id)]


@consuming("sqlite")
async def test_which_messages_without_a_reader_are_errors(shop: Shop) -> None:
    """Rows: type, error where unknown names are errors, error where they are ignored."""
    strict, lenient = consumer_of(shop), consumer_of(shop, unknown="ignore")
    for consumer in (strict, lenient):
        adding(shop, consumer)
    unknown = UnknownMessageError
    for type_, raised, raised_by_lenient in (
        ("com.github.push", unknown, None),
        ("order.placed.v1", unknown, None),
        ("basket.created.v1", None, None),
        ("basket.created.v9", None, None),
        ("basket.item-added.v2", unknown, unknown),
        ("basket.item-added", unknown, unknown),
    ):
        for consumer, expected in ((strict, raised), (lenient, raised_by_lenient)):
            message = Message(id="1", source="/a", type=type_, data={"item": "tea"})
            if expected is None:
                await consumer.receive(message)
            else:
                with pytest.raises(expected, match=type_):
                    await consumer.receive(message)
    assert await shop.count(shop.inbox.table) == 0


@consuming("sqlite")
async def test_a_message_that_can_never_be_read_is_rejected(shop: Shop) -> None:
    adding(shop, refunds := consumer_of(shop))
    wrong: Any
    for name, wrong, problem in (
        ("data", {"item": 7}, r"data\.item"),
        ("data", {}, r"data\.item"),
        ("data", "secret", "its data is a str"),
        ("id", "a\0b", r"no database can note that it is done: id: NUL"),
        ("source", "a\0b", r"source: NUL"),
    ):
        given: Any = {"id": "1", "source": "/a", "type": "basket.item-added.v1", "data": {"item": "tea"}, name: wrong}
        with pytest.raises(MessageRejectedError, match=problem) as raised:
            await refunds.receive(Message(**given))
        assert (raised.value.message_type, "secret" in str(raised.value)) == ("basket.item-added.v1", False)
    wrong = {"id": "1"}
    with pytest.raises(TypeError, match=r"refunds: receive takes a Message, and got a dict; read it with Message"):
        await refunds.receive(wrong)


@consuming()
async def test_an_id_of_any_length_is_noted(shop: Shop) -> None:
    adding(shop, refunds := consumer_of(shop))
    long = Random(0).randbytes(100_000).hex()  # no database can compress it
    for id_ in ("é" * 250, long, long, f"{long[:-1]}x"):
        data = {"item": f"{len(id_)}{id_[-1]}"}
        await refunds.receive(Message(id=id_, source="/a", type="basket.item-added.v1", data=data))
    assert await items(shop) == ["250é", f"200000{long[-1]}", "200000x"]
    assert max(len(key) for (key,) in await shop.rows(select(shop.inbox.table.c.key))) < 300


@consuming("sqlite")
async def test_a_handler_leaves_the_end_of_the_unit_to_the_consumer(shop: Shop) -> None:
    refunds, errors = consumer_of(shop), list[str]()

    @refunds.on(shop.Basket.ItemAdded)
    async def end(event: Any, unit: Any) -> None:
        await unit.baskets.save(shop.Basket(basket_id=7, items=[event.item]))
        for ending in (unit.commit, unit.rollback):
            with pytest.raises(UnitError) as raised:
                await ending()
            errors.append(str(raised.value))

    await refunds.receive(added(shop))
    assert errors == [
        f"ShopUnit: {name} in a handler of the consumer refunds, which ends the unit itself; return, and it commits, "
        f"or raise"
        for name in ("commit", "rollback")
    ]
    assert await items(shop) == ["tea"]


@consuming("sqlite")
async def test_the_error_of_a_subscriber_comes_out_and_the_next_delivery_has_no_effect(shop: Shop) -> None:
    broker, calls = EventBroker(), list[object]()

    @broker.handle(shop.Basket.ItemAdded)
    def fail(event: Any) -> None:
        calls.append(event)
        raise LookupError

    refunds = Consumer("refunds", shop.catalog, lambda: shop.unit(broker=broker))
    adding(shop, refunds)
    message = added(shop)
    with pytest.raises(LookupError):
        await refunds.receive(message)
    await refunds.receive(message)
    assert (await items(shop), len(calls)) == (["tea"], 1)


@consuming("sqlite")
async def test_a_delivery_that_is_cancelled_stores_nothing(shop: Shop) -> None:
    refunds, begun = consumer_of(shop), asyncio.Event()

    @refunds.on(shop.Basket.ItemAdded)
    async def wait(event: Any, unit: Any) -> None:
        await unit.baskets.save(shop.Basket(basket_id=7, items=[event.item]))
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(refunds.receive(added(shop)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await items(shop), await shop.count(shop.inbox.table)) == ([], 0)


@consuming("sqlite")
async def test_any_callable_that_is_async_can_be_a_handler(shop: Shop) -> None:
    seen: list[str] = []

    class Handler:
        async def method(self, event: Any, unit: Any) -> None:
            seen.append(f"method {event.item}")

        async def __call__(self, event: Any, unit: Any) -> None:
            seen.append(f"object {event.item}")

        @staticmethod
        async def with_prefix(prefix: str, event: Any, unit: Any) -> None:
            seen.append(f"{prefix} {event.item}")

    for handler in (Handler().method, Handler(), partial(Handler.with_prefix, "partial")):
        consumer = consumer_of(shop, f"consumer {len(seen)}")
        registered: Any = consumer.on(shop.Basket.ItemAdded)(handler)
        assert registered is handler
        await consumer.receive(added(shop))
    assert seen == ["method tea", "object tea", "partial tea"]


@consuming("sqlite")
async def test_what_is_refused_as_a_handler(shop: Shop) -> None:
    refunds = consumer_of(shop)

    async def right(event: Any, unit: Any) -> None: ...

    async def event_alone(event: Any) -> None: ...

    def sync(event: Any, unit: Any) -> None: ...

    class Handler:
        async def event_alone(self, event: Any) -> None: ...

    handler: Any
    on: Any = refunds.on(shop.Basket.ItemAdded)
    write = r"write `async def {}\(event: .*Basket\.ItemAdded, unit: \.\.\.\) -> None`"
    for handler, error in (
        (sync, rf"refunds: .*sync is not async, so it could not await the unit; {write.format('sync')}"),
        (event_alone, rf"refunds: .*event_alone is called with the event and the unit; {write.format('event_alone')}"),
        (Handler().event_alone, r"event_alone is called with the event and the unit"),
        (partial(sync), rf"sync is not async, .*{write.format('sync')}"),
        (id, r"id is not async"),
        (7, r"refunds: a handler is an async function, and this is 7"),
    ):
        with pytest.raises(TypeError, match=error):
            on(handler)
    on(right)
    with pytest.raises(ValueError, match=r"refunds: .*ItemAdded is handled by .*right already; call the one from"):
        refunds.on(shop.Basket.ItemAdded)(partial(right))


@consuming("sqlite")
async def test_only_events_with_a_name_can_be_handled(shop: Shop) -> None:
    refunds = consumer_of(shop)
    Special = shop.flavour.declare(shop.Basket.ItemAdded, "Special")
    Hidden = shop.flavour.declare("AggregateEvent", "Hidden")
    shop.catalog.private(Hidden)
    with pytest.raises(UnnamedEventError) as raised:
        refunds.on(Special)
    assert raised.value.event_classes == (Special,)
    with pytest.raises(ValueError, match=r"refunds: Hidden is private in the catalog, so no message brings it"):
        refunds.on(Hidden)
    wrong: Any
    for wrong, shown in (("ItemAdded", "'ItemAdded'"), (list[int], r"list\[int\]"), (None, "None")):
        with pytest.raises(TypeError, match=rf"on takes the class of an event, .* and got {shown}"):
            refunds.on(wrong)


@consuming("sqlite")
async def test_units_that_a_consumer_cannot_use_are_refused_by_name(shop: Shop) -> None:
    Plain = shop.declare(baskets=shop.Unit.baskets)
    Sync = shop.declare(SyncUnitOfWork, inbox=shop.inbox)

    async def later() -> None: ...

    used, ended = shop.unit(), shop.unit()
    async with ended:
        await ended.rollback()
    wrong: Any
    async with used:
        for wrong, error, message in (
            (lambda: shop.unit(Plain), TypeError, r"refunds: ShopUnit has no inbox, .* declare `inbox = Inbox"),
            (
                lambda: Sync.__new__(Sync),
                TypeError,
                r"refunds: ShopUnit is a SyncUnitOfWork, .* derive it from UnitOfWork",
            ),
            (lambda: None, TypeError, r"this one returned None; write lambda: ShopUnit\(engine\)"),
            (lambda: later(), TypeError, r"this one returned a coroutine; write lambda: ShopUnit\(engine\)"),
            (lambda: shop.Unit, TypeError, r"this one returned the class ShopUnit; write lambda"),
            (lambda: used, UnitClosedError, r"ShopUnit: the consumer refunds got one that is in use or has ended;"),
            (lambda: ended, UnitClosedError, r"returns a new one at each call, as in lambda: ShopUnit\(engine\)"),
            (lambda: shop.unit(read_only=True), UnitError, r"in a unit that only reads"),
        ):
            refunds: Consumer[Any] = Consumer("refunds", shop.catalog, wrong)
            adding(shop, refunds)
            with pytest.raises(error, match=message):
                await refunds.receive(added(shop))


@consuming("sqlite")
async def test_what_is_known_of_the_units_is_refused_when_the_consumer_is_made(shop: Shop) -> None:
    class Plain(UnitOfWork):
        pass

    class Sync(SyncUnitOfWork):
        inbox = shop.inbox

    async def later() -> None: ...

    def on(engine: AsyncEngine) -> UnitOfWork:
        return UnitOfWork(engine)

    wrong: Any
    for wrong, message in (
        (partial(Plain, shop.engine), r"refunds: .*Plain has no inbox, where a consumer notes what is done"),
        (partial(Sync, shop.engine), r"refunds: .*Sync is a SyncUnitOfWork, and a consumer awaits"),
        (dict, r"make_unit makes a unit of work, and this is the class dict; write lambda: ShopUnit\(engine\)"),
        (later, r"refunds: .*later is async, and make_unit is not awaited"),
        (shop.Unit, r"refunds: make_unit is called without arguments, and .*ShopUnit needs some; write lambda: ShopUn"),
        (on, r"refunds: make_unit is called without arguments, and .*on needs some; write lambda: ShopUnit\(engine\)"),
        (shop.unit(), r"make_unit is called for each message, and this is a ShopUnit; write lambda"),
    ):
        with pytest.raises(TypeError, match=message):
            Consumer("refunds", shop.catalog, wrong)
    wrong = None
    with pytest.raises(TypeError, match=r"refunds: a consumer takes the EventCatalog that names the events, and got"):
        Consumer("refunds", wrong, shop.unit)
    wrong = "rise"
    with pytest.raises(ValueError, match=r"refunds: unknown is 'raise' or 'ignore', and not 'rise'"):
        Consumer("refunds", shop.catalog, shop.unit, unknown=wrong)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", ValueError),
        ("  ", ValueError),
        ("a\0b", ValueError),
        ("\ud800", ValueError),
        ("x" * 201, ValueError),
        (7, TypeError),
    ],
    ids=["empty", "blank", "nul", "surrogate", "long", "int"],
)
def test_the_name_of_a_consumer_is_one_that_a_database_holds(name: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"the name of a consumer is"):
        Consumer(name, EventCatalog("/shop"), lambda: UnitOfWork.__new__(UnitOfWork))


def test_a_consumer_shows_its_name() -> None:
    consumer = Consumer("refunds", EventCatalog("/shop"), lambda: UnitOfWork.__new__(UnitOfWork))
    assert (repr(consumer), consumer.name) == ("<Consumer refunds>", "refunds")
