"""Values that a database does not hold: identities, keys, copied columns, rows that somebody else has written."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from sqlalchemy import Enum, Integer, String, text

from dddkit.exceptions import UnitError
from tests.persistence.shops import Shop, in_shops


class Color(enum.Enum):
    RED = "red"


@in_shops()
async def test_an_identity_that_no_column_holds_is_not_found_and_cannot_be_stored(shop: Shop) -> None:
    Page = shop.flavour.declare("Aggregate", "Page", page_id=str)
    Unit = shop.declare(pages=shop.documents(Page, str), baskets=shop.Unit.baskets)
    for name, identities in (("pages", ("a\0b", "a\ud800b")), ("baskets", (2**63, -(2**63) - 1))):
        for identity in identities:
            async with shop.unit(Unit) as unit:
                pages = getattr(unit, name)
                assert await pages.get(identity) is None
                assert await pages.get(identity, lock=True) is None
                assert await pages.get_many([identity]) == {}
                aggregate = Page(page_id=identity) if name == "pages" else shop.Basket(basket_id=identity)
                with pytest.raises(UnitError, match=r"cannot be stored: a column holds an int of 64 bits, and a str w"):
                    await pages.save(aggregate)
    for page_id in ("", "ü%s:x'\"--", "\U0001f36b"):
        await shop.save(Page(page_id=page_id), repository="pages", unit_class=Unit)
        assert (await shop.stored(page_id, "pages", Unit)).page_id == page_id
    for basket_id in (2**63 - 1, -(2**63)):
        await shop.save(shop.Basket(basket_id=basket_id))
        assert (await shop.stored(basket_id)).basket_id == basket_id


@in_shops()
async def test_a_key_of_the_inbox_is_text_that_a_column_holds(shop: Shop) -> None:
    async with shop.unit() as unit:
        wrong: Any
        for wrong in (5, None, b"a"):
            with pytest.raises(TypeError, match=r"a key of the inbox is a str, and this one is .*; write it as text"):
                await unit.once(wrong)
        for wrong in ("a\0", "\ud800"):
            with pytest.raises(ValueError, match="a key of the inbox is a str without NUL and lone surrogates"):
                await unit.once(wrong)
        assert await unit.once("a")
        await unit.commit()


@in_shops()
async def test_a_copied_enum_is_its_value_as_in_the_json(shop: Shop) -> None:
    Car = shop.flavour.declare("Aggregate", "Car", car_id=int, color=Color)
    Unit = shop.declare(cars=shop.documents(Car, columns={"color": String}))
    Other = shop.declare(others=shop.documents(Car, columns={"color": Enum(Color)}))
    for unit_class, name, copy in ((Unit, "cars", "red"), (Other, "others", Color.RED)):
        await shop.save(Car(car_id=1, color=Color.RED), repository=name, unit_class=unit_class)
        table = getattr(unit_class, name).table
        assert await shop.rows(table.select().with_only_columns(table.c.color)) == [(copy,)]


@in_shops()
async def test_a_value_that_does_not_fit_its_copied_column_is_refused_without_it(shop: Shop) -> None:
    Tag = shop.flavour.declare("Aggregate", "Tag", tag_id=int, parts=dict[str, int], weight=(int, 1))
    Unit = shop.declare(tags=shop.documents(Tag, columns={"parts": String, "weight": Integer}))
    for fields in ({"parts": {"secret": 1}}, {"weight": 2**64}):
        tag = Tag(tag_id=1, **{"parts": {}, **fields})
        async with shop.unit(Unit) as unit:
            await unit.tags.save(tag)
            with pytest.raises(
                UnitError, match=r"Tag with the identity 1 does not fit its columns \(parts, weight\); copy a property"
            ) as raised:
                await unit.commit()
            assert not unit.committed
        assert "secret" not in str(raised.value)
        assert raised.value.__suppress_context__


@in_shops()
async def test_a_row_that_was_written_by_hand_is_named(shop: Shop) -> None:
    Stock = shop.flavour.declare("Aggregate", "Stock", stock_id=int, number=(int, 0))
    Unit = shop.declare(stocks=shop.documents(Stock, schema=2))

    def mend(stock: dict[str, Any]) -> dict[str, Any]:
        return stock

    Unit.stocks.upcast(to=2)(mend)
    rows = [('{"stock_id": 1}', 0, "has schema 0, and they begin at 1"), ("null", 2, "does not fit the class")]
    if shop.database.name == "sqlite":  # PostgreSQL checks the JSON
        rows += [("secret", 1, "holds no JSON"), ("secret", 2, "does not fit the class"), ("[" * 10**5, 1, "no JSON")]
    for data, schema, problem in rows:
        async with shop.unit(Unit) as unit:
            connection = await unit.connection()
            await connection.execute(
                text("INSERT INTO stocks (key, data, version, schema) VALUES (1, CAST(:data AS JSON), 1, :schema)")
                if shop.database.name == "postgresql"
                else text("INSERT INTO stocks (key, data, version, schema) VALUES (1, :data, 1, :schema)"),
                {"data": data, "schema": schema},
            )
            with pytest.raises(UnitError, match=rf"the row of Stock with the identity 1 .*{problem}") as raised:
                await unit.stocks.get(1)
            assert "secret" not in str(raised.value)
            await unit.rollback()


@in_shops("sqlite")
async def test_conditions_and_limits_that_would_find_what_was_not_meant_are_refused(shop: Shop) -> None:
    await shop.save(shop.Basket(basket_id=1))
    async with shop.unit() as unit:
        with pytest.raises(TypeError, match=r"find of baskets takes conditions on the columns of `baskets.table`, and"):
            await unit.baskets.find(shop.Basket == 1)
        with pytest.raises(ValueError, match="find of baskets: limit is how many to return at most, and got -1"):
            await unit.baskets.find(limit=-1)
        assert await unit.baskets.find(limit=0) == []
