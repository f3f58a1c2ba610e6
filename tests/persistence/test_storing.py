"""What a unit of work stores: all that its block has changed, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, text

from dddkit.exceptions import UncommittedChangesError, UnitClosedError, UnitError
from tests.persistence.shops import Shop, in_shops


@in_shops()
async def test_what_was_saved_and_committed_is_read_by_the_next_unit(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1, items=["tea"]))

    basket = await shop.stored(1)

    assert (type(basket), basket.basket_id, basket.items) == (shop.Basket, 1, ["tea"])
    assert await shop.stored(2) is None


@in_shops()
async def test_a_change_is_stored_without_save(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        basket = await unit.baskets.get(1)
        basket.items.append("tea")
        await unit.commit()

    assert (await shop.stored(1)).items == ["tea"]


@in_shops()
async def test_the_events_of_a_change_are_in_the_outbox_and_no_longer_pending(shop: Shop) -> None:
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    basket.add("cup")

    await shop.save(basket)

    assert basket.get_events() == []
    assert await shop.messages() == [("basket.item-added.v1", "baskets/1")] * 2


@in_shops()
async def test_an_exception_undoes_all_and_the_events_stay_pending(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    changed: list[Any] = []

    async def fail() -> None:
        async with shop.unit() as unit:
            changed.append(await unit.baskets.get(1))
            changed[0].add("tea")
            assert await unit.once("key")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert len(changed[0].get_events()) == 1
    assert (await shop.stored(1)).items == []
    assert await shop.messages() == []
    assert await shop.count(shop.inbox.table) == 0


@in_shops()
async def test_rollback_undoes_all_and_ends_the_unit(shop: Shop) -> None:
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    async with shop.unit() as unit:
        await unit.baskets.save(basket)
        await unit.rollback()
        with pytest.raises(
            UnitClosedError, match=r"ShopUnit: baskets.get after it was rolled back; a unit is used once"
        ):
            await unit.baskets.get(1)

    assert len(basket.get_events()) == 1
    assert not unit.committed
    assert await shop.stored(1) is None


@in_shops()
async def test_a_block_left_with_changes_and_without_commit_is_an_error_that_names_them(shop: Shop) -> None:
    await shop.save(*(shop.Basket(basket_id=number) for number in (1, 2, 3)))

    async def forget() -> None:
        async with shop.unit() as unit:
            for number in (1, 2, 3):
                basket = await unit.baskets.get(number)
                if number != 2:
                    basket.items.append("tea")
            await unit.baskets.save(shop.Basket(basket_id=4))
            unit.publish(shop.Basket.Created())
            assert await unit.once("mail-7")

    with pytest.raises(UncommittedChangesError) as raised:
        await forget()
    assert str(raised.value) == (
        "ShopUnit: the block was left with changes and without commit(), so they were rolled back: "
        "Basket with the identity 1, Basket with the identity 3, Basket with the identity 4, "
        "the published basket.created.v1, the noted key 'mail-7'"
    ).replace("Basket", shop.Basket.__qualname__)
    left: Any = raised.value.aggregates
    assert [basket.basket_id for basket in left] == [1, 3, 4]
    assert await shop.stored(4) is None


@in_shops("sqlite")
async def test_a_block_that_only_reads_needs_no_commit(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        await unit.baskets.get(1)
    async with shop.unit() as unit:
        pass
    with pytest.raises(UnitClosedError):
        await unit.commit()


@in_shops("sqlite")
async def test_a_unit_is_used_once(shop: Shop) -> None:
    async with shop.unit() as unit:
        await unit.commit()
        for use in (unit.commit, unit.rollback, unit.connection, lambda: unit.once("key"), lambda: unit.baskets.get(1)):
            with pytest.raises(UnitClosedError, match=r"after it was committed"):
                await use()
        with pytest.raises(UnitClosedError):
            unit.publish(shop.Basket.Created())
    with pytest.raises(UnitClosedError, match=r"a unit is used once; make another one"):
        await unit.__aenter__()


@in_shops("sqlite")
async def test_a_commit_that_fails_ends_the_unit_and_leaves_the_events_pending(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    basket = shop.Basket(basket_id=1)
    basket.add("tea")
    async with shop.unit() as unit:
        await unit.baskets.save(basket)
        with pytest.raises(Exception, match=r"is new, but one with its identity is stored already"):
            await unit.commit()
        with pytest.raises(UnitClosedError, match=r"after it was ended by an error"):
            await unit.baskets.get(1)

    assert len(basket.get_events()) == 1
    assert not unit.committed


@in_shops("sqlite")
async def test_a_unit_is_used_in_its_block(shop: Shop) -> None:
    with pytest.raises(UnitError, match=r"baskets.get outside of its block"):
        await shop.unit().baskets.get(1)


@in_shops()
async def test_own_statements_are_part_of_the_transaction(shop: Shop) -> None:
    table = shop.Unit.baskets.table
    await shop.save(shop.Basket(basket_id=1), shop.Basket(basket_id=2))
    for left in (2, 1):
        async with shop.unit() as unit:
            connection = await unit.connection()
            await connection.execute(table.delete().where(table.c.key == 1))
            await (unit.rollback if left == 2 else unit.commit)()
        assert await shop.count(table) == left


@in_shops()
async def test_own_statements_that_change_something_need_a_commit(shop: Shop) -> None:
    table = shop.Unit.baskets.table
    await shop.save(shop.Basket(basket_id=1))
    changed: dict[str, list[Any]] = {
        "UPDATE": [table.update().values(version=7)],
        "INSERT": [text(" insert INTO dddkit_inbox (consumer, key) VALUES ('secret', 'secret')")],
        "DELETE": [table.delete().returning(table.c.key)],
        "INSERT, UPDATE, DELETE": [
            text(f"WITH one AS (SELECT 1 AS version) {statement}")
            for statement in (
                "INSERT INTO dddkit_inbox (consumer, key) SELECT '', 'secret' FROM one",
                "UPDATE baskets SET version = (SELECT version FROM one)",
                "DELETE FROM baskets WHERE version IN (SELECT version FROM one)",
            )
        ],
        "CREATE, INSERT": [text("CREATE TABLE more (id INTEGER)")] + [text("INSERT INTO more VALUES (1)")] * 2,
    }
    for words, statements in changed.items():
        shown = ", ".join(f"{word} on its connection" for word in words.split(", "))

        async def forget(statements: list[Any] = statements) -> None:
            async with shop.unit() as unit:
                connection = await unit.connection()
                for statement in statements:
                    await connection.execute(statement)

        with pytest.raises(UncommittedChangesError, match=f"so they were rolled back: {shown}$"):
            await forget()
    assert await shop.count(table) == 1


@in_shops()
async def test_own_statements_that_change_nothing_need_no_commit(shop: Shop) -> None:
    table = shop.Unit.baskets.table
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        connection = await unit.connection()
        await connection.execute(select(table).with_for_update())
        await connection.execute(table.update().where(table.c.key == 2).values(version=7))
        await connection.execute(text("WITH baskets AS (SELECT 1) SELECT * FROM baskets"))
        updates = select(table).cte("updates")
        await connection.execute(
            select(updates, table).join(table, table.c.key == updates.c.key).with_for_update(of=table)
        )
        await unit.baskets.get(1, lock=True)
        await unit.baskets.find()


@in_shops("sqlite")
async def test_a_noted_key_is_no_statement_of_ones_own(shop: Shop) -> None:
    async def forget(*, own: bool) -> None:
        async with shop.unit() as unit:
            connection = await unit.connection()
            if own:
                await connection.execute(text("INSERT INTO dddkit_inbox (consumer, key) VALUES ('', 'mine')"))
            await unit.once("key")

    for own in (False, True):
        with pytest.raises(UncommittedChangesError) as raised:
            await forget(own=own)
        assert raised.value.others == ("the noted key 'key'", "INSERT on its connection")[: 1 + own]
