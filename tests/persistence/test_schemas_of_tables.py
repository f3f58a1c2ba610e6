"""Mapped aggregates and SQL of one's own where the tables lie in schemas: those of tenants, or their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from sqlalchemy import BigInteger, Engine, ForeignKey, MetaData, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from dddkit.dataclasses import Aggregate, Identity
from dddkit.exceptions import ConcurrencyError
from dddkit.sqlalchemy import Custom, OrmMapped, SyncUnitOfWork
from tests.persistence.baskets_by_hand import ByHand, handler_for
from tests.persistence.crates import Depot, in_depots
from tests.persistence.shops import Model, Shop, in_shops
from tests.servers.databases import Database, PostgreSQL, SQLite

SCHEMAS: Final = ("leeds", "York city")


def with_schemas(database: Database, engine: Model, metadata: MetaData) -> None:
    """Make both schemas, and their tables where they are those of tenants: SQLite's engine makes them when needed."""
    if isinstance(database, PostgreSQL):
        made = database.sync_engine(MetaData())
        for name in SCHEMAS:
            with made.execution_options(schema_translate_map={None: name}).begin() as connection:
                connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
                metadata.create_all(connection)
        made.dispose()
        return
    assert isinstance(database, SQLite)

    @event.listens_for(engine if isinstance(engine, Engine) else engine.sync_engine, "connect")
    def attach(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        for name in SCHEMAS:
            path = ":memory:" if database.path == ":memory:" else f"{database.path}-{name}"
            cursor.execute(f'ATTACH DATABASE ? AS "{name}"', (path,))
        cursor.close()


def tenants(made: Depot | Shop) -> Iterator[str]:
    """Iterate over the tenants, whose units are made meanwhile."""
    engine = made.engine
    for name in SCHEMAS:
        made.use(engine.execution_options(schema_translate_map={None: name}))
        yield name
    made.use(engine)


@in_depots()
async def test_each_tenant_has_mapped_rows_of_its_own(depot: Depot) -> None:
    with_schemas(depot.database, depot.engine, depot.metadata)
    for tenant in tenants(depot):
        await depot.save(depot.new(1, "tea", name=tenant), depot.new(2))
    crates: dict[str, Model] = {}
    for tenant in tenants(depot):
        before = await depot.version() or 0
        async with depot.unit() as unit:
            crate = await unit.crates.get(1, lock=True)
            crate.lines[0].item = f"tea of {tenant}"
            (await unit.crates.get(2)).pack("cup")
            await unit.commit()
        crates[tenant] = await depot.stored()
        assert await depot.version() == before + 1
        assert await depot.messages() == [("crate.packed.v1", "crates/2")]
    assert {name: (one.name, one.lines[0].item) for name, one in crates.items()} == {
        name: (name, f"tea of {name}") for name in SCHEMAS
    }

    crates["leeds"].name = "of another tenant"
    for tenant in tenants(depot):
        if tenant != "leeds":
            with pytest.raises(ConcurrencyError):
                await depot.save(crates["leeds"])
        await depot.delete(await depot.stored(2))
        assert await depot.stored(2) is None
    assert await depot.stored() is None


@in_shops()
async def test_each_tenant_has_rows_by_hand_of_its_own(shop: Shop) -> None:
    custom: Model = Custom
    sql = ByHand(shop, shop.metadata).sql()
    declared = custom[shop.Basket, int](sql, changes=handler_for(shop.flavour))
    Unit = shop.declare(by_hand=declared, outbox=shop.outbox)
    with_schemas(shop.database, shop.engine, shop.metadata)
    for tenant in tenants(shop):
        basket = shop.Basket(basket_id=1)
        basket.add(tenant)
        await shop.save(basket, repository="by_hand", unit_class=Unit)
    for tenant in tenants(shop):
        async with shop.unit(Unit) as unit:
            (await unit.by_hand.get(1, lock=True)).add("tea")
            await unit.commit()
        assert (await shop.stored(1, "by_hand", Unit)).items == [tenant, "tea"]
        assert await shop.messages() == [("basket.item-added.v1", "by_hand/1")] * 2
    stranger: Model = None
    for tenant in tenants(shop):
        if stranger is None:
            stranger = await shop.stored(1, "by_hand", Unit)
            async with shop.unit(Unit) as unit:
                await unit.by_hand.delete(stranger)
                await unit.commit()
        else:
            assert (await shop.stored(1, "by_hand", Unit)).items == [tenant, "tea"]


class Base(DeclarativeBase):
    pass


class Line(Base):
    __tablename__ = "lines"
    __table_args__ = {"schema": "York city"}
    line_id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("leeds.orders.order_id"))
    article: Mapped[str]


class Order(Aggregate, Base):
    __tablename__ = "orders"
    __table_args__ = {"schema": "leeds"}
    order_id: Mapped[Identity[int]] = mapped_column(primary_key=True)
    lines: Mapped[list[Line]] = relationship(cascade="all, delete-orphan", order_by=Line.line_id)
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}


class Copy(Aggregate, Base):
    """Of an order, in a table with the same name."""

    __tablename__ = "orders"
    __table_args__ = {"schema": "York city"}
    order_id: Mapped[Identity[int]] = mapped_column(ForeignKey("leeds.orders.order_id"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}


class BothSchemas(SyncUnitOfWork):
    copies = OrmMapped[Copy, int]()
    orders = OrmMapped[Order, int](options=[selectinload(Order.lines)])


def test_tables_of_one_name_in_two_schemas_are_two_kinds_of_aggregates(postgresql: PostgreSQL) -> None:
    with_schemas(postgresql, None, MetaData())
    engine = postgresql.sync_engine(Base.metadata)
    with BothSchemas(engine) as unit:
        unit.copies.save(Copy(order_id=1))
        unit.orders.save(Order(order_id=1, lines=[Line(article="tea")]))
        unit.commit()
    with BothSchemas(engine) as unit:
        order, copy = unit.orders.get(1, lock=True), unit.copies.get(1)
        assert order is not None
        assert copy is not None
        before = order.version, copy.version
        order.lines[0].article = "cup"
        unit.commit()
    assert (order.version, copy.version) == (before[0] + 1, before[1])
    with BothSchemas(engine) as unit:
        unit.orders.delete(order)
        unit.copies.delete(copy)
        unit.commit()
    with BothSchemas(engine, read_only=True) as unit:
        assert not unit.orders.find() + unit.copies.find()
        assert not unit.session().scalars(select(Line)).all()
    engine.dispose()
