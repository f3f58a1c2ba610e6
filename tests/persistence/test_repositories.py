"""The repositories of a unit of work: reading, saving, deleting, finding."""

from __future__ import annotations

import pickle
from copy import deepcopy
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Integer, String, Table, select
from sqlalchemy.exc import DBAPIError

from dddkit.exceptions import ConcurrencyError, UnitError
from tests.persistence.shops import Shop, in_shops


@in_shops("sqlite")
async def test_a_unit_has_one_object_per_identity(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        basket = await unit.baskets.get(1)
        new = shop.Basket(basket_id=2)
        await unit.baskets.save(new)

        assert await unit.baskets.get(1) is basket
        assert await unit.baskets.get(1, lock=True) is basket
        assert await unit.baskets.get(2, lock=True) is new
        assert (await unit.baskets.get_many([1, 2]))[1] is basket
        assert (await unit.baskets.find())[0] is basket
        await unit.rollback()


@in_shops()
async def test_get_many_returns_those_that_are_found_in_the_order_asked_for(shop: Shop) -> None:
    await shop.save(*(shop.Basket(basket_id=number) for number in range(1, 700)))
    async with shop.unit() as unit:
        deleted = await unit.baskets.get(3)
        await unit.baskets.delete(deleted)

        assert list(await unit.baskets.get_many([4, 3, 2000, 1])) == [4, 1]
        assert await unit.baskets.get_many([]) == {}
        assert list(await unit.baskets.get_many(range(1, 700))) == [number for number in range(1, 700) if number != 3]
        await unit.rollback()


@in_shops()
async def test_find_takes_conditions_an_order_and_a_limit_and_tracks_what_it_finds(shop: Shop) -> None:
    Customer = shop.flavour.declare("Aggregate", "Customer", customer_id=str, town=(str, ""), age=(int, 0))
    Unit = shop.declare(customers=shop.documents(Customer, str, columns={"town": String, "age": Integer}))
    town, age = Unit.customers.table.c.town, Unit.customers.table.c.age
    ages = {"ann": 30, "bob": 20, "cid": 40}
    romans = [Customer(customer_id=name, town="Rome", age=years) for name, years in ages.items()]
    await shop.save(*romans, Customer(customer_id="dan", town="Oslo"), repository="customers", unit_class=Unit)

    async with shop.unit(Unit) as unit:
        found = await unit.customers.find(town == "Rome", age > 20, order_by=age.desc())
        assert [customer.customer_id for customer in found] == ["cid", "ann"]
        youngest = await unit.customers.find(order_by=[town, age], limit=2)
        assert [customer.customer_id for customer in youngest] == ["dan", "bob"]
        youngest[1].town = "Oslo"
        await unit.commit()

    async with shop.unit(Unit) as unit:
        assert len(await unit.customers.find(town == "Oslo")) == 2


@in_shops()
async def test_a_join_finds_each_aggregate_once_where_its_first_row_is(shop: Shop) -> None:
    tags = Table("tags", shop.metadata, Column("basket", Integer), Column("rank", Integer))
    await shop.save(*(shop.Basket(basket_id=number) for number in range(1, 5)))
    async with shop.unit() as unit:
        pairs = [(3, 1), (1, 2), (3, 3), (2, 4), (1, 5), (2, 6)]
        connection = await unit.connection()
        await connection.execute(tags.insert(), [{"basket": basket, "rank": rank} for basket, rank in pairs])
        tagged = shop.Unit.baskets.table.c.key == tags.c.basket

        async def found(**arguments: Any) -> list[int]:
            return [basket.basket_id for basket in await unit.baskets.find(tagged, **arguments)]

        assert await found(order_by=tags.c.rank) == [3, 1, 2]
        assert await found(order_by=tags.c.rank.desc()) == [2, 1, 3]
        assert await found(order_by=tags.c.rank.desc(), limit=3) == [2, 1, 3]
        assert await found(order_by=tags.c.rank.desc(), limit=2) == [2, 1]
        assert await found(limit=0) == []
        assert sorted(await found(limit=9)) == [1, 2, 3]
        await unit.rollback()


@in_shops("sqlite")
async def test_a_deleted_aggregate_is_not_found_and_its_events_are_published(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        basket = await unit.baskets.get(1)
        basket.add("tea")
        await unit.baskets.delete(basket)

        assert await unit.baskets.get(1) is None
        assert await unit.baskets.get_many([1]) == {}
        assert await unit.baskets.find() == []
        await unit.commit()

    assert await shop.stored(1) is None
    assert await shop.messages() == [("basket.item-added.v1", "baskets/1")]


@in_shops()
async def test_what_is_deleted_and_saved_again_in_one_unit_replaces_the_row(shop: Shop) -> None:
    old = shop.Basket(basket_id=1)
    await shop.save(old)
    stale = await shop.stored(1)
    async with shop.unit() as unit:
        old = await unit.baskets.get(1)
        old.add_event(shop.Basket.Created())
        await unit.baskets.delete(old)
        new = shop.Basket(basket_id=1)
        new.add("tea")
        await unit.baskets.save(new)
        assert await unit.baskets.get(1) is new
        await unit.commit()

    assert (await shop.stored(1)).items == ["tea"]
    assert [type_ for type_, _ in await shop.messages()] == ["basket.created.v1", "basket.item-added.v1"]
    ((version,),) = await shop.rows(select(shop.Unit.baskets.table.c.version))
    with pytest.raises(ConcurrencyError) as raised:
        await shop.save(stale)
    assert version > (raised.value.expected or 0) + 1  # that of a new row


@in_shops("sqlite")
async def test_deleting_an_unknown_aggregate_is_no_error(shop: Shop) -> None:
    async with shop.unit() as unit:
        await unit.baskets.delete(shop.Basket(basket_id=1))
        await unit.commit()


@in_shops("sqlite")
async def test_deleting_a_new_object_whose_identity_is_stored_is_an_error(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    with pytest.raises(ConcurrencyError, match="is new, but one with its identity is stored already"):
        await shop.delete(shop.Basket(basket_id=1))
    assert await shop.stored(1) is not None


@in_shops("sqlite")
async def test_a_second_object_of_an_identity_is_refused_at_save(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        await unit.baskets.get(1)
        with pytest.raises(ConcurrencyError, match=r"is new, but one with its identity is stored already"):
            await unit.baskets.save(shop.Basket(basket_id=1))
        with pytest.raises(ConcurrencyError, match=r"is another object than the one that this unit of work has"):
            await unit.baskets.save(deepcopy(await unit.baskets.get(1)))


@in_shops("sqlite")
async def test_an_object_of_an_earlier_unit_is_saved_against_its_own_version(shop: Shop) -> None:
    first = shop.Basket(basket_id=1)
    await shop.save(first)
    read = await shop.stored(1)  # in a unit that only reads
    sent = pickle.loads(pickle.dumps(read))

    sent.items.append("tea")
    await shop.save(sent)

    assert (await shop.stored(1)).items == ["tea"]
    for stale in (first, read):
        with pytest.raises(ConcurrencyError, match=r"but version .* is stored now"):
            await shop.save(stale)
        with pytest.raises(ConcurrencyError, match=r"but version .* is stored now"):
            await shop.delete(stale)


@in_shops("sqlite")
async def test_a_copy_under_another_identity_is_new(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    copy = deepcopy(await shop.stored(1))
    copy.basket_id = 2
    await shop.save(copy)

    assert (await shop.stored(2)).basket_id == 2


@in_shops("sqlite")
async def test_an_identity_that_has_changed_is_refused_at_commit(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        (await unit.baskets.get(1)).basket_id = 2
        with pytest.raises(UnitError, match=r"Basket with the identity 1 has another identity now, 2;"):
            await unit.commit()


@in_shops("sqlite")
async def test_what_evolve_returns_is_saved_in_place_of_its_original(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        basket = await unit.baskets.get(1)
        basket.add_event(shop.Basket.Created())
        following = shop.flavour.blocks.evolve(basket, items=["tea"])
        following.add_event(shop.Basket.ItemAdded(item="tea"))
        await unit.baskets.save(following)
        assert await unit.baskets.get(1) is following
        await unit.commit()

    assert (await shop.stored(1)).items == ["tea"]
    assert len(await shop.messages()) == 2


@in_shops("sqlite")
async def test_what_evolve_returns_and_nobody_saves_is_an_error(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        basket = await unit.baskets.get(1)
        basket.add_event(shop.Basket.Created())
        shop.flavour.blocks.evolve(basket, items=["tea"])
        with pytest.raises(UnitError, match=r"evolve made a next state of .*, and it was not saved; call save"):
            await unit.commit()


@in_shops("sqlite")
async def test_what_is_no_aggregate_of_the_class_is_refused_at_save(shop: Shop) -> None:
    Special = shop.flavour.declare(shop.Basket, "Special")
    async with shop.unit() as unit:
        for wrong, message in (
            (Special(basket_id=1), "stores .*Basket, and save got a Special; it would come back as a .*Basket"),
            (shop.flavour.declare("Aggregate", "Other", other_id=int)(other_id=1), "and save got a Other: declare"),
            (None, "save takes an aggregate, and got None"),
            (shop.Basket.Created(), "save takes an aggregate"),
        ):
            with pytest.raises(TypeError, match=message):
                await unit.baskets.save(wrong)


@in_shops("sqlite")
async def test_an_identity_of_another_type_is_an_error(shop: Shop) -> None:
    async with shop.unit() as unit:
        for wrong in ("1", None, 1.0, True, uuid4()):
            with pytest.raises(TypeError, match=r"baskets finds .*Basket by an identity of type int, and got"):
                await unit.baskets.get(wrong)


@in_shops()
async def test_identities_are_int_str_or_uuid(shop: Shop) -> None:
    identities: dict[Any, Any] = {int: -(2**40), str: "ä'\"; DROP TABLE", UUID: uuid4()}
    classes = {kind: shop.flavour.declare("Aggregate", "Thing", thing_id=kind) for kind in identities}
    declared = {f"of_{kind.__name__}": shop.documents(cls, kind) for kind, cls in classes.items()}
    Unit = shop.declare(**declared)
    for kind, identity in identities.items():
        name = f"of_{kind.__name__}"
        await shop.save(classes[kind](thing_id=identity), repository=name, unit_class=Unit)
        assert (await shop.stored(identity, name, Unit)).thing_id == identity


@in_shops("sqlite")
async def test_a_unit_that_only_reads_tracks_nothing_and_refuses_to_change(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit(read_only=True) as unit:
        basket = await unit.baskets.get(1)
        assert await unit.baskets.get(1) is not basket
        basket.add("tea")
        for change in (
            lambda: unit.baskets.save(basket),
            lambda: unit.baskets.delete(basket),
            lambda: unit.baskets.get(1, lock=True),
            lambda: unit.once("key"),
            unit.commit,
        ):
            with pytest.raises(UnitError, match=r"in a unit that only reads; make one without read_only=True"):
                await change()
        with pytest.raises(UnitError, match=r"publish in a unit that only reads"):
            unit.publish(shop.Basket.Created())


@in_shops("sqlite")
async def test_an_event_without_a_change_moves_the_version(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    stale = await shop.stored(1)
    async with shop.unit() as unit:
        (await unit.baskets.get(1)).add_event(shop.Basket.Created())
        await unit.commit()
    with pytest.raises(ConcurrencyError):
        await shop.save(stale)


@in_shops("sqlite")
async def test_reading_moves_no_version(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    first = await shop.stored(1)
    async with shop.unit() as unit:
        await unit.baskets.get(1)
        await unit.commit()
    await shop.save(first)


@in_shops("sqlite")
async def test_a_stale_object_leaves_no_trace_of_its_unit(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    stale = await shop.stored(1)
    await shop.save(await shop.stored(1))
    stale.add("tea")
    async with shop.unit() as unit:
        await unit.baskets.save(shop.Basket(basket_id=2))
        await unit.baskets.save(stale)
        assert await unit.once("key")
        with pytest.raises(ConcurrencyError) as raised:
            await unit.commit()

    error: Any = raised.value
    assert error.aggregate is stale
    assert error.found == error.expected + 1
    assert await shop.stored(2) is None
    assert await shop.count(shop.inbox.table) == 0
    assert await shop.messages() == []
    assert len(error.aggregate.get_events()) == 1


@in_shops("sqlite")
async def test_deleting_what_was_deleted_since_is_an_error(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    first, second = await shop.stored(1), await shop.stored(1)
    await shop.delete(first)
    with pytest.raises(ConcurrencyError, match=r"has been deleted since") as raised:
        await shop.delete(second)
    assert raised.value.found is None


@in_shops()
async def test_locking_what_somebody_has_changed_since_is_an_error(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    stale = await shop.stored(1)
    async with shop.unit() as unit:
        (await unit.baskets.get(1)).add("tea")
        await unit.commit()
    async with shop.unit() as unit:
        await unit.baskets.save(stale)
        with pytest.raises(ConcurrencyError) as raised:
            await unit.baskets.get(1, lock=True)
        assert raised.value.aggregate is stale
        await unit.rollback()


@in_shops("postgresql")
async def test_the_database_refuses_to_write_for_a_unit_that_only_reads(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with shop.unit(read_only=True) as unit:
            await (await unit.connection()).execute(shop.Unit.baskets.table.delete())
    assert await shop.stored(1) is not None
