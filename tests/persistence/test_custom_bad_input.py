"""What is rejected of a class with SQL: when a unit class is defined, and what its methods return and do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NewType, Protocol

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError

from dddkit.exceptions import ConcurrencyError, UnitError
from dddkit.sqlalchemy import Custom, SyncUnitOfWork
from tests.blocks.flavours import Dataclasses
from tests.persistence.baskets_by_hand import ByHand, SqlBaskets, SqlWithoutLock, handler_for
from tests.persistence.shops import Model, Shop, in_shops
from tests.persistence.test_custom import custom, declare, filled, items
from tests.servers.databases import SQLite

Basket: Model = Dataclasses.Basket


class Sql:
    """Has all methods."""

    def get(self, connection: Connection, basket_id: int) -> Any: ...
    def insert(self, connection: Connection, basket: Any, changes: Any, version: int) -> Any: ...
    def update(self, connection: Connection, basket: Any, changes: Any, expected: int) -> Any: ...
    def delete(self, connection: Connection, basket: Any, expected: int) -> Any: ...


HANDLER: Model = handler_for(Dataclasses).__class__


class AsyncGet(Sql):
    async def get(self, connection: Connection, basket_id: int) -> Any: ...


class AsyncLock(Sql):
    async def lock(self, connection: Connection, basket_id: int) -> Any: ...


class WithoutDelete:
    get, insert, update = Sql.get, Sql.insert, Sql.update


class WithoutVersion:
    get, update, delete = Sql.get, Sql.update, Sql.delete

    def insert(self, connection: Connection, basket: Any, changes: Any) -> Any: ...


class StaticWithSelf(Sql):
    update: Any = staticmethod(Sql.update)


class Needy(Sql):
    def __init__(self, table: str) -> None: ...


class Abstract(Sql, ABC):
    @abstractmethod
    def table(self) -> str: ...


class LikeSql(Protocol):
    def get(self, connection: Connection, basket_id: int) -> Any: ...


class EmptyGet(LikeSql):
    insert, update, delete = Sql.insert, Sql.update, Sql.delete


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((AsyncGet,), r"ShopUnit\.baskets: AsyncGet\.get is async, .* write `def get\(self, connection, id\)`"),
        ((AsyncLock,), r"AsyncLock\.lock is async"),
        ((WithoutDelete,), r"WithoutDelete has no method delete; write `def delete\(self, connection, aggregate, exp"),
        ((WithoutVersion,), r"WithoutVersion\.insert is called with other parameters; write `def insert\(self, conn"),
        ((StaticWithSelf,), r"StaticWithSelf\.update is called with other parameters"),
        ((EmptyGet,), r"EmptyGet has no method get"),
        ((Needy,), r"Needy is made without arguments, and needs some; pass functools\.partial\(Needy, \.\.\.\)"),
        ((Abstract,), r"Abstract is abstract; define"),
        ((Sql(),), r"takes the class with the SQL, .* got a Sql$"),
        ((Sql, HANDLER), r"changes is a ChangesHandler, .* write handler_for.*Handler\(\)"),
        ((Sql, len), r"changes is a ChangesHandler, and got a builtin"),
        ((Sql, None, "baskets"), r"table is a Table of SQLAlchemy, and got a str"),
    ],
)
def test_a_wrong_class_is_rejected_when_the_unit_class_is_defined(arguments: tuple[Any, ...], message: str) -> None:
    sql, changes, table = (*arguments, None, None)[:3]
    with pytest.raises(TypeError, match=message):
        declare_unit(custom[Basket, int](sql, changes=changes, table=table))


def declare_unit(baskets: object, **attributes: object) -> type[SyncUnitOfWork]:
    return type("ShopUnit", (SyncUnitOfWork,), {"baskets": baskets, "__module__": __name__, **attributes})


@pytest.mark.parametrize("sql", [Sql, partial(Needy, "baskets"), partial(partial(Needy), "baskets")])
def test_a_class_may_be_given_its_arguments(sql: Any) -> None:
    declare_unit(custom[Basket, int](sql))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (lambda: Custom(Sql), r"say what it stores, as in baskets = Custom\[Ledger, LedgerId\]\(SqlLedgers\)"),
        (lambda: custom[str, int](Sql), r"Custom stores aggregates, and the class str is none"),
        (lambda: custom[Basket, Any](Sql), r"an identity is of one class"),
        (lambda: custom[Basket, int | str](Sql), r"an identity is of one class"),
        (lambda: custom[Basket, list[int]](Sql), r"an identity is hashable, and list is not; freeze it"),
    ],
)
def test_wrong_parameters_are_rejected_when_the_unit_class_is_defined(declared: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        declare_unit(declared())


def test_outside_of_a_unit_class_it_is_nothing() -> None:
    class NoUnit:
        baskets = custom[Basket, int](Sql)

    with pytest.raises(TypeError, match="belongs into the body of a unit class"):
        NoUnit.baskets._stored  # the only way to it, without a unit


@in_shops("sqlite")
async def test_a_unit_that_cannot_lock_says_which_method_is_missing(shop: Shop) -> None:
    by_hand = ByHand(shop, shop.metadata)

    baskets = custom[shop.Basket, int](by_hand.sql(SqlWithoutLock), changes=handler_for(shop.flavour))
    shop.Unit = shop.declare(baskets=baskets)
    await shop.save(filled(shop, "tea"), filled(shop, "cup", identity=2))
    async with shop.unit() as unit:
        with pytest.raises(UnitError, match=r"needs a method .*SqlWithoutLock\.lock\(connection, id\), which locks"):
            await unit.baskets.get(1, lock=True)
        for basket in (await unit.baskets.get_many([1, 2])).values():
            basket.add("pot")
        await unit.commit()
    assert await items(shop, 2) == ["cup", "pot"]


# What the methods return


def returning(method: str, value: Any) -> Any:
    """Return a class of which a method returns this, after it has done its work."""

    def do(self: Any, connection: Connection, *arguments: Any) -> Any:
        result = getattr(SqlBaskets, method)(self, connection, *arguments)
        return value(result) if callable(value) else value

    return type("Wrong", (SqlBaskets,), {method: do})


async def coroutine() -> int:
    return 1


def awaitable(_: Any) -> Any:
    return coroutine()


def without_version(found: Any) -> Any:
    return found and found[0]


def version_none(found: Any) -> Any:
    return found and (found[0], None)


def turned_round(found: Any) -> Any:
    return found and found[::-1]


def another(found: Any) -> Any:
    return found and (Basket(basket_id=8), 1)


@pytest.mark.parametrize(
    ("method", "value", "error", "message"),
    [
        ("update", None, TypeError, r"Wrong\.update returned None, and not how many rows matched; let it `return conn"),
        ("delete", None, TypeError, r"Wrong\.delete returned None"),
        ("update", -1, UnitError, r"returned -1, since the driver did not count; .*preserve_rowcount=True"),
        ("update", 2, UnitError, r"Wrong\.update matched 2 rows"),
        ("update", 0, ConcurrencyError, r"was read at version"),  # it has written, so another version is there
        ("update", awaitable, TypeError, r"Wrong\.update returned an awaitable"),
        ("insert", -1, UnitError, r"returned -1"),
        ("insert", 0, ConcurrencyError, r"is new, but one with its identity is stored"),
        ("lock", "7", TypeError, r"Wrong\.lock returned a str as the version"),
        (
            "get",
            without_version,
            TypeError,
            r"Wrong\.get returned a .*Basket, and not \(aggregate, ve",
        ),
        ("get", version_none, TypeError, r"returned None as the version, which is an int"),
        ("get", turned_round, TypeError, r"Wrong\.get returned \d+ as the aggregate; it has"),
        ("get", another, UnitError, r"identity 1, and returned .* identity 8"),
    ],
)
def test_what_a_method_returns_is_checked(
    method: str, value: Any, error: type[Exception], message: str, tmp_path: Path
) -> None:
    shop = shop_in(tmp_path)
    by_hand = ByHand(shop, shop.metadata)
    right, wrong = (
        declare_unit(custom[Basket, int](by_hand.sql(sql), changes=handler_for(Dataclasses), table=by_hand.baskets))
        for sql in (SqlBaskets, returning(method, value))
    )
    with right(shop.engine) as unit:
        baskets_of(unit).save(Basket(basket_id=1))
        unit.commit()
    with pytest.raises(error, match=message), wrong(shop.engine) as unit:
        use(unit, method)
    with right(shop.engine, read_only=True) as unit:
        assert baskets_of(unit).get(1).items == []
        assert baskets_of(unit).get(2) is None
    shop.engine.dispose()


def baskets_of(unit: Any) -> Any:
    return unit.baskets


def use(unit: Any, method: str) -> None:
    """Let the unit call this method, after `get`."""
    if method == "insert":
        basket = Basket(basket_id=2)
        unit.baskets.save(basket)
    else:
        basket = unit.baskets.get(1, lock=method == "lock")
        if method == "delete":
            unit.baskets.delete(basket)
    basket.add("tea")
    unit.commit()


def shop_in(tmp_path: Path) -> Shop:
    return Shop(Dataclasses, SQLite(str(tmp_path / "shop.sqlite")), is_async=False)


@in_shops("sqlite")
async def test_a_statement_that_compares_no_version_is_told_from_a_change_of_somebody_else(shop: Shop) -> None:
    class Wrong(SqlBaskets):
        def update(self, connection: Connection, basket: Any, changes: Any, expected: int) -> int:
            return super().update(connection, basket, changes, expected + 5)

    declare(shop, Wrong)
    await shop.save(filled(shop, "tea"))
    basket = await shop.stored(1)
    with pytest.raises(UnitError, match=r"Wrong\.update matched 0 rows where the expected version is stored"):
        await shop.save(basket)


# What they do


@in_shops()
async def test_a_method_that_ends_the_transaction_is_an_error(shop: Shop) -> None:
    class Ending(SqlBaskets):
        def update(self, connection: Connection, basket: Any, changes: Any, expected: int) -> int:
            connection.rollback()
            return 1

    declare(shop, Ending)
    await shop.save(filled(shop, "tea"))
    basket = await shop.stored(1)
    basket.add("cup")
    with pytest.raises(UnitError, match=r"Ending\.update has ended the transaction; leave commit and rollback to the"):
        await shop.save(basket)
    assert len(basket.get_events()) == 1


@in_shops()
async def test_an_error_of_the_sql_stores_nothing_and_shows_no_values(shop: Shop) -> None:
    class Failing(SqlBaskets):
        def update(self, connection: Connection, basket: Any, changes: Any, expected: int) -> int:
            connection.execute(self.items.insert().values(basket_id=99, item="secret", number=1))
            return 1

    by_hand = declare(shop, Failing)
    await shop.save(filled(shop), filled(shop, identity=2))
    async with shop.unit() as unit:
        baskets = await unit.baskets.get_many([1, 2])
        baskets[1].add("tea")
        with pytest.raises(IntegrityError) as error:
            await unit.commit()
    assert "secret" not in str(error.value)
    assert await shop.count(by_hand.items) == 0
    assert len(baskets[1].get_events()) == 1


@in_shops()
async def test_another_rule_of_the_database_is_no_concurrency_error(shop: Shop) -> None:
    class Failing(SqlBaskets):
        def add_items(self, connection: Connection, basket: Any, items: list[str]) -> None:
            connection.execute(self.items.insert().values(basket_id=99, item="tea"))
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE")) if shop.database.name == "postgresql" else None

    by_hand = declare(shop, Failing)
    basket = filled(shop, "tea")
    with pytest.raises(IntegrityError):
        await shop.save(basket)
    assert await shop.count(by_hand.baskets) == 0
    assert len(basket.get_events()) == 1


@in_shops()
async def test_an_error_that_the_sql_hides_is_found_where_it_has_ended_the_transaction(shop: Shop) -> None:
    class Hiding(SqlBaskets):
        def add_items(self, connection: Connection, basket: Any, items: list[str]) -> None:
            super().add_items(connection, basket, items)
            with suppress(IntegrityError):
                connection.execute(self.baskets.insert().values(id=basket.basket_id, version=1))

    by_hand = ByHand(shop, shop.metadata)
    baskets = custom[shop.Basket, int](by_hand.sql(Hiding), changes=handler_for(shop.flavour))
    shop.Unit = shop.declare(baskets=baskets)
    basket = filled(shop, "tea")
    if shop.database.name == "postgresql":
        with pytest.raises(UnitError, match="the database has undone the whole transaction"):
            await shop.save(basket)
        assert len(basket.get_events()) == 1
    else:
        await shop.save(basket)  # SQLite goes on with the transaction
        assert basket.get_events() == []
    assert (await items(shop) == ["tea"]) == (shop.database.name != "postgresql")


@in_shops("sqlite")
async def test_after_an_error_that_has_ended_the_transaction_nothing_is_stored_by_itself(shop: Shop) -> None:
    class Hiding(SqlBaskets):
        def update(self, connection: Connection, basket: Any, changes: Any, expected: int) -> int:
            again = self.baskets.insert().prefix_with("OR ROLLBACK").values(id=basket.basket_id, version=1)
            with suppress(IntegrityError):
                connection.execute(again)
            return 1

    declare(shop, Hiding)
    await shop.save(filled(shop), filled(shop, identity=2))
    async with shop.unit() as unit:
        for basket in (await unit.baskets.get_many([1, 2])).values():
            basket.add("tea")
        with pytest.raises(UnitError, match="the database has undone the whole transaction"):
            await unit.commit()
    assert await items(shop) == []
    assert await shop.count(shop.Unit.outbox.table) == 0


# Identities

BasketNumber = NewType("BasketNumber", int)


class Place(NamedTuple):
    shop: str
    number: int


class PlaceWithText(Place):
    def __str__(self) -> str:
        return f"{self.shop}/{self.number}"


@dataclass(frozen=True)
class Unordered:
    number: int

    def __str__(self) -> str:
        return f"number-{self.number}"


@pytest.mark.parametrize(
    ("kind", "identity", "other", "subject"),
    [
        (BasketNumber, 2**70, 1, str(2**70)),
        (Annotated[str, "a mark"], "a", "b", "a"),
        (date, date(2024, 2, 29), date(2024, 3, 1), "2024-02-29"),
        (PlaceWithText, PlaceWithText("a", 2), PlaceWithText("a", 1), "a/2"),
        (Unordered, Unordered(2), Unordered(1), "number-2"),
    ],
)
def test_an_identity_may_be_of_any_class_with_a_text(
    kind: Any, identity: Any, other: Any, subject: str, tmp_path: Path
) -> None:
    shop, stored = shop_in(tmp_path), dict[Any, Any]()

    class InMemory(Sql):
        def get(self, connection: Connection, basket_id: Any) -> Any:
            return stored.get(basket_id)

        def insert(self, connection: Connection, basket: Any, changes: Any, version: int) -> None:
            stored[basket.basket_id] = Basket(basket_id=basket.basket_id), version

    Unit: Any = declare_unit(custom[Basket, kind](InMemory), outbox=shop.outbox)
    with Unit(shop.engine) as unit:
        basket = Basket(basket_id=identity)
        basket.add("tea")
        unit.baskets.save(basket)
        unit.baskets.save(Basket(basket_id=other))
        unit.commit()
    with Unit(shop.engine, read_only=True) as unit:
        assert unit.baskets.get(identity).basket_id == identity
        assert [*unit.baskets.get_many([other, identity])] == [other, identity]
        with pytest.raises(TypeError, match=r"finds .*Basket by an identity of type"):
            unit.baskets.get(None)
        subjects = unit.connection().scalars(select(shop.outbox.table.c.subject))
        assert subjects.all() == [f"baskets/{subject}"]
    shop.engine.dispose()


@in_shops("sqlite")
async def test_an_identity_without_a_text_is_refused_beside_an_outbox(shop: Shop) -> None:
    for kind in (Place, shop.flavour.Money):
        baskets = custom[shop.Basket, kind](Sql)
        with pytest.raises(TypeError, match=r"baskets: with an outbox, .* define `__str__` in .*(Place|Money)$"):
            shop.unit(shop.declare(outbox=shop.outbox, baskets=baskets))
        async with shop.unit(shop.declare(baskets=baskets)) as unit:
            await unit.rollback()
