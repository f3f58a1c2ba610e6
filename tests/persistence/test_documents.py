"""Documents: what can be stored as JSON, what is rejected by name, and what becomes of older rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, NewType, TypeVar

import pytest
from sqlalchemy import Column, DateTime, MetaData, String, Table, text

from dddkit.dataclasses import Aggregate, AggregateEvent, Identity
from dddkit.exceptions import UnitError
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy import Documents, Inbox, Outbox, SyncUnitOfWork, UnitOfWork
from tests.persistence.shops import Shop, in_shops

UserId = NewType("UserId", str)

# Any: what a checker rejects is tried.
Declared: Any = Documents


@dataclasses.dataclass(kw_only=True)
class User(Aggregate):
    user_id: Identity[UserId]
    name: str = ""


T = TypeVar("T")


@dataclasses.dataclass(kw_only=True)
class Box(Aggregate, Generic[T]):
    box_id: Identity[int]
    content: T


@dataclasses.dataclass(kw_only=True)
class TeaBox(Box[str]):
    content: str


def declare(declaration: Any) -> Any:
    return type("UserUnit", (UnitOfWork,), {"__module__": __name__, "users": declaration})


@in_shops()
async def test_copied_columns_hold_what_the_aggregate_says_with_times_in_utc(shop: Shop) -> None:
    Visit = shop.flavour.declare("Aggregate", "Visit", visit_id=int, town=str, at=datetime, until=(datetime, None))
    columns = {"town": String, "at": DateTime(timezone=True), "until": DateTime}
    Unit = shop.declare(visits=shop.documents(Visit, columns=columns))
    here = timezone(timedelta(hours=2))
    noon, evening = datetime(2025, 7, 1, 12, tzinfo=here), datetime(2025, 7, 1, 20, tzinfo=here)
    await shop.save(Visit(visit_id=1, town="Rome", at=noon, until=evening), repository="visits", unit_class=Unit)

    table = Unit.visits.table
    ((town, at, until),) = await shop.rows(table.select().with_only_columns(table.c.town, table.c.at, table.c.until))
    assert (town, until) == ("Rome", datetime(2025, 7, 1, 18))
    assert at.replace(tzinfo=timezone.utc) == noon
    assert (await shop.stored(1, "visits", Unit)).at == noon
    assert all(table.c[name].index for name in columns)


@in_shops("sqlite")
async def test_what_would_not_come_back_is_rejected_when_the_unit_class_is_defined(shop: Shop) -> None:
    Bad = shop.flavour.declare("Aggregate", "Bad", bad_id=int, anything=Any, things=list)
    with pytest.raises(TypeError) as raised:
        shop.declare(bad=shop.documents(Bad))

    text = str(raised.value)
    assert text.startswith("ShopUnit.bad: ")
    assert "anything" in text
    assert "things" in text
    assert "bad" not in shop.metadata.tables


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        (
            lambda: Declared(MetaData()),
            r"UserUnit.users: say what it stores, as in users = Documents\[Order, OrderId\]",
        ),
        (lambda: Declared[int, int](MetaData()), "UserUnit.users: Documents stores aggregates, and .* is none"),
        (lambda: Declared[User, bytes](MetaData()), "an identity is an int, a str, a UUID or a NewType .* is bytes"),
        (lambda: Declared[User, UserId](), "missing 1 required positional argument"),
        (lambda: Declared[User, UserId]("sqlite://"), "Documents takes the MetaData in which its table is declared"),
        (
            lambda: Declared[User, UserId](MetaData(), columns={"nme": String}),
            "^UserUnit.users: User has no field 'nme' to copy into a column",
        ),
        (
            lambda: Declared[User, UserId](MetaData(), columns={"version": String}),
            "the table has a column version of its own",
        ),
    ],
)
def test_a_wrong_declaration_is_a_type_error_that_names_it(declaration: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        declare(declaration())


def test_an_aggregate_without_identity_is_rejected() -> None:
    @dataclasses.dataclass(kw_only=True)
    class Nameless(Aggregate):  # type: ignore[dddkit-missing-identity]  # what is tested
        title: str

    with pytest.raises(TypeError, match=r"Nameless has no identity; annotate the field that is it as Identity"):
        declare(Declared[Nameless, int](MetaData()))


def test_units_that_declare_the_same_aggregate_share_its_table() -> None:
    metadata = MetaData()

    class One(UnitOfWork):
        users = Documents[User, UserId](metadata, columns={"name": String})

    class Other(SyncUnitOfWork):
        users = Documents[User, UserId](metadata, columns={"name": String})

    class Third(SyncUnitOfWork):
        users = One.users

    assert One.users.table is Other.users.table is Third.users.table is metadata.tables["users"]


def test_another_aggregate_under_the_same_name_is_refused() -> None:
    @dataclasses.dataclass(kw_only=True)
    class Reader(Aggregate):
        reader_id: int

    metadata = MetaData()
    Table("mine", metadata)
    declare(Documents[User, UserId](metadata))
    with pytest.raises(TypeError, match=r"UserUnit.users: the table users is that of User, and here of .*Reader; call"):
        declare(Documents[Reader, int](metadata))
    with pytest.raises(TypeError, match=r"the table users is declared twice, with another identity, schema or columns"):
        declare(Documents[User, UserId](metadata, schema=2))
    with pytest.raises(TypeError, match=r'the table mine is in this MetaData already; call this one table="..."'):
        declare(Documents[User, UserId](metadata, table="mine"))


def test_a_table_has_a_name_and_a_schema_of_its_own_where_they_are_given() -> None:
    metadata = MetaData(schema="shop")
    declare(Documents[User, UserId](metadata, table="people"))
    assert list(metadata.tables) == ["shop.people"]


def test_a_repository_is_not_assigned() -> None:
    unit_class = declare(Documents[User, UserId](MetaData()))
    with pytest.raises(AttributeError, match=r"UserUnit: a repository is declared in the class, and not assigned"):
        unit_class.__new__(unit_class).users = None


@in_shops("sqlite")
async def test_a_value_that_does_not_fit_its_field_is_refused_at_commit_by_field(shop: Shop) -> None:
    Stock = shop.flavour.declare("Aggregate", "Stock", stock_id=int, number=(int, 0))
    Unit = shop.declare(stocks=shop.documents(Stock))
    for wrong in (None, "secret"):
        stock = Stock(stock_id=1)
        stock.__dict__["number"] = wrong
        async with shop.unit(Unit) as unit:
            await unit.stocks.save(stock)
            with pytest.raises(UnitError, match=r"Stock with the identity 1 .*number") as raised:
                await unit.commit()
            assert "secret" not in str(raised.value)


@in_shops("sqlite")
async def test_events_that_are_recorded_while_loading_are_dropped(shop: Shop) -> None:
    class Opened(Aggregate):
        class Happened(AggregateEvent):
            pass

        def __post_init__(self) -> None:
            self.add_event(self.Happened())

    account: Any = dataclasses.dataclass(kw_only=True)(
        type("Account", (Opened,), {"__annotations__": {"account_id": int}, "__module__": __name__})
    )
    Unit = shop.declare(accounts=shop.documents(account))
    await shop.save(account(account_id=1), repository="accounts", unit_class=Unit)
    async with shop.unit(Unit) as unit:
        assert (await unit.accounts.get(1)).get_events() == []


async def _write_row(shop: Shop, table: Table, *, schema: int = 1, data: str = "{}") -> None:
    """Put a row of identity 1 into the table, as another program may have left it."""
    async with shop.unit() as unit:
        connection = await unit.connection()
        await connection.execute(
            text(f"INSERT INTO {table.name} (key, data, version, schema) VALUES (1, :data, 1, :schema)"),
            {"data": data, "schema": schema},
        )
        await unit.commit()


@in_shops("sqlite")
async def test_a_row_that_does_not_fit_the_class_is_an_error_that_names_it_and_the_field(shop: Shop) -> None:
    await _write_row(shop, shop.Unit.baskets.table, data='{"basket_id": 1, "items": "secret"}')
    with pytest.raises(UnitError) as raised:
        await shop.stored(1)

    assert "the row of " in str(raised.value)
    assert "Basket with the identity 1 does not fit the class: items" in str(raised.value)
    assert "Documents(..., schema=2) and `@ShopUnit.baskets.upcast(to=2)`" in str(raised.value)
    assert "secret" not in str(raised.value)


@in_shops("sqlite")
async def test_a_row_with_another_identity_in_it_is_an_error(shop: Shop) -> None:
    await _write_row(shop, shop.Unit.baskets.table, data='{"basket_id": 7, "items": []}')
    with pytest.raises(UnitError, match=r"Basket with the identity 1 holds another identity"):
        await shop.stored(1)


@in_shops("sqlite")
async def test_a_row_of_a_newer_schema_is_an_error(shop: Shop) -> None:
    await _write_row(shop, shop.Unit.baskets.table, schema=3)
    with pytest.raises(UnitError, match=r"has schema 3, and this program knows 1; a newer release has written it"):
        await shop.stored(1)


@in_shops("sqlite")
async def test_older_rows_go_through_the_upcasts_and_are_written_anew_when_they_change(shop: Shop) -> None:
    Unit = shop.declare(stocks=shop.documents(shop.Basket, schema=3))
    for to in (0, 1, 4):
        with pytest.raises(ValueError, match=r"stocks has schema 3, and no upcast to"):
            Unit.stocks.upcast(to=to)
    with pytest.raises(TypeError, match=r"ShopUnit.stocks has schema 3, and no upcast to 2; write `@ShopUnit.stocks"):
        shop.unit(Unit)

    @Unit.stocks.upcast(to=2)  # type: ignore[untyped-decorator]  # the class is made at run time
    def _(stock: dict[str, Any]) -> dict[str, Any]:
        return {"basket_id": stock["number"]}

    @Unit.stocks.upcast(to=3)  # type: ignore[untyped-decorator]  # as above
    def _(stock: dict[str, Any]) -> dict[str, Any]:
        return {**stock, "items": ["tea"]}

    with pytest.raises(ValueError, match=r"stocks has an upcast to 2 already"):
        Unit.stocks.upcast(to=2)

    table = Unit.stocks.table
    await _write_row(shop, table, data='{"number": 1}')
    async with shop.unit(Unit) as unit:  # that it was read and upcast is no change
        assert (await unit.stocks.get(1)).items == ["tea"]
    async with shop.unit(Unit) as unit:
        (await unit.stocks.get(1)).items.append("cup")
        await unit.commit()
    assert await shop.rows(table.select().with_only_columns(table.c.schema, table.c.version)) == [(3, 2)]
    assert (await shop.stored(1, "stocks", Unit)).items == ["tea", "cup"]


@in_shops("sqlite")
async def test_an_upcast_that_fails_is_an_error_that_names_it(shop: Shop) -> None:
    Unit = shop.declare(stocks=shop.documents(shop.Basket, schema=2))
    results: list[Any] = [None]

    def upcast(stock: dict[str, Any]) -> Any:
        return results[0] or stock["missing"]

    Unit.stocks.upcast(to=2)(upcast)
    await _write_row(shop, Unit.stocks.table)
    with pytest.raises(UnitError, match=r"the upcast of stocks to schema 2 failed for .*Basket with the identity 1"):
        await shop.stored(1, "stocks", Unit)
    results[0] = [1]
    with pytest.raises(UnitError, match=r"the upcast of stocks to schema 2 returned .*list.*, not a dict"):
        await shop.stored(1, "stocks", Unit)


@in_shops("sqlite")
async def test_fu4_reading_what_an_older_release_has_written_otherwise_is_no_change(shop: Shop) -> None:
    await _write_row(shop, shop.Unit.baskets.table, data='{ "items": [],  "basket_id": 1, "gone": 1 }')
    async with shop.unit() as unit:
        assert (await unit.baskets.get(1)).items == []


@in_shops("sqlite")
async def test_verify_names_the_field_that_does_not_come_back_from_the_database(shop: Shop) -> None:
    for verify in (False, True):
        Unit = shop.declare(stocks=shop.documents(shop.Basket, table=f"stocks_{verify}", verify=verify))
        async with shop.unit() as unit:
            connection = await unit.connection()
            await connection.run_sync(shop.metadata.create_all) if shop.is_async else None
            if not shop.is_async:
                shop.metadata.create_all(connection._target)
            await connection.execute(
                text(
                    f"CREATE TRIGGER cut_{verify} AFTER INSERT ON stocks_{verify} BEGIN UPDATE stocks_{verify} "
                    f"SET data = replace(data, 'tea', 'te'); END"
                )
            )
            await unit.commit()
        async with shop.unit(Unit) as unit:
            await unit.stocks.save(shop.Basket(basket_id=1, items=["cup", "tea"]))
            if verify:
                with pytest.raises(UnitError, match=r"Basket with the identity 1 does not come back .*: items.1: "):
                    await unit.commit()
            else:
                await unit.commit()


@pytest.mark.parametrize("name", ["commit", "rollback", "on", "once", "publish", "connection", "committed", "_work"])
def test_a_repository_does_not_hide_what_units_have(name: str) -> None:
    for kind in (UnitOfWork, SyncUnitOfWork):
        with pytest.raises(TypeError, match=rf"UserUnit.{name}: units have a {name} of their own; take another name"):
            type("UserUnit", (kind,), {"__module__": __name__, name: Documents[User, UserId](MetaData())})


def test_a_second_outbox_or_inbox_in_one_metadata_is_refused_by_name() -> None:
    wrong: Any = "users"

    def outbox(metadata: MetaData) -> Outbox:
        return Outbox(metadata, EventCatalog("/shop"))

    makers: list[Callable[[MetaData], Outbox | Inbox]] = [outbox, Inbox]
    for make in makers:
        metadata = MetaData()
        made = make(metadata)
        with pytest.raises(TypeError, match=r"the table dddkit_\w+ is in this MetaData already; write one (Out|In)box"):
            make(metadata)
        assert Outbox(metadata, EventCatalog("/shop"), table="other").table is not made.table
        with pytest.raises(TypeError, match=r"(Out|In)box takes the MetaData in which its table is declared, and"):
            make(wrong)
    with pytest.raises(TypeError, match=r"Outbox takes the EventCatalog that names the events, and got a str"):
        Outbox(MetaData(), wrong)


def test_wrong_arguments_of_documents_are_named() -> None:
    for columns in ({"name": str}, {"name": Column(String)}):
        with pytest.raises(TypeError, match=r"columns maps fields to types of SQLAlchemy, as in {'name': String}, and"):
            Declared[User, UserId](MetaData(), columns=columns)
    with pytest.raises(ValueError, match=r"the schema of Documents is a number from 1 on"):
        Declared[User, UserId](MetaData(), schema="2")
    with pytest.raises(TypeError, match=r"^UserUnit.users: an identity is an int"):
        declare(Declared[User, bytes](MetaData()))


def test_an_async_upcast_is_refused() -> None:
    unit_class = declare(Documents[User, UserId](MetaData(), schema=2))

    async def upcast(user: dict[str, Any]) -> dict[str, Any]:
        return user

    with pytest.raises(TypeError, match=r"upcast is async, and nobody awaits it; write it with `def`"):
        unit_class.users.upcast(to=2)(upcast)


def test_a_generic_aggregate_is_stored_by_a_class_that_names_its_argument() -> None:
    declared: Any = Documents
    with pytest.raises(TypeError, match=r"UserUnit.users: .*Box\[...\] is no class of its own at run time; derive one"):
        declare(declared[Box[str], int](MetaData()))
    assert declare(declared[TeaBox, int](MetaData())).users.table is not None


def test_a_module_that_runs_again_makes_its_metadata_again() -> None:
    metadata = MetaData()

    def run() -> None:
        @dataclasses.dataclass(kw_only=True)
        class Reader(Aggregate):
            reader_id: int

        declare(Documents[Reader, int](metadata))

    run()
    with pytest.raises(TypeError, match=r"where its module runs a second time, let it make its MetaData too"):
        run()
