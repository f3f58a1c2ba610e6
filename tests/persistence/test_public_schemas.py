"""Schemas that others have made, with their data: a version column is all that a unit needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, Table, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import registry

from dddkit.dataclasses import Aggregate, Identity
from dddkit.exceptions import ConcurrencyError
from dddkit.sqlalchemy import OrmMapped, SyncUnitOfWork, sync_embedded
from tests.persistence.schemas import chinook, northwind, pagila
from tests.persistence.schemas.adopting import adopt
from tests.servers.databases import Database


def test_chinook_gets_version_columns_and_nothing_else(database: Database, tmp_path: Path) -> None:
    added = adopt(database, [*chinook.TABLES, *chinook.ROWS], chinook.Base.metadata, tmp_path)
    assert added == {f"{table}.version" for table in ("Customer", "Employee", "Invoice", "Playlist", "Track")}
    asyncio.run(_with_engine(database, _sell))


async def _with_engine(database: Database, work: Callable[[AsyncEngine], Awaitable[None]]) -> None:
    engine = database.engine(MetaData())
    try:
        await work(engine)
    finally:
        await engine.dispose()


async def _sell(engine: AsyncEngine) -> None:
    async with chinook.MusicUnit(engine, read_only=True) as unit:
        shown = await unit.invoices.get(1)
        nowhere = await unit.invoices.get(2)
    assert shown is not None
    assert nowhere is not None
    assert shown.version == 1
    assert shown.billing == chinook.Address("1600 Parkway", "Mountain View", "CA", "USA", "94043")
    assert nowhere.billing.city is None

    async with chinook.MusicUnit(engine) as unit:
        track = await unit.tracks.get(2)
        invoice = await unit.invoices.get(1)
        assert track is not None
        assert invoice is not None
        invoice.sell(3, track, 2)
        invoice.billing = replace(invoice.billing, city="Palo Alto")
        await unit.commit()
    assert (invoice.version, track.version) == (2, 1)

    shown.lines[0].quantity = 5
    with pytest.raises(ConcurrencyError):
        await _save_invoice(engine, shown)

    async with chinook.MusicUnit(engine) as unit:
        fresh = chinook.Invoice(
            invoice_id=3,
            customer_id=2,
            invoice_date=datetime(2021, 3, 1),
            billing=chinook.Address(None, "Ulm", None, "Germany", None),
            total=Decimal(0),
        )
        fresh.sell(4, track)
        await unit.invoices.save(fresh)  # before what it refers to
        await unit.customers.save(
            chinook.Customer(customer_id=2, first_name="Ada", last_name="L", email="ada@example.com", support_rep_id=4)
        )
        await unit.employees.save(chinook.Employee(employee_id=4, last_name="B", first_name="B", reports_to=3))
        await unit.employees.save(chinook.Employee(employee_id=3, last_name="A", first_name="A", reports_to=2))
        await unit.commit()

    async with chinook.MusicUnit(engine) as unit:
        playlist = await unit.playlists.get(1)
        assert playlist is not None
        del playlist.entries[1]
        playlist.entries[2] = chinook.PlaylistTrack(track_id=2)
        await unit.commit()
    assert playlist.version == 2

    async with chinook.MusicUnit(engine, read_only=True) as unit:
        stored = await unit.invoices.find(order_by=chinook.Invoice.invoice_id)
        assert [[(line.track_id, line.quantity) for line in one.lines] for one in stored] == [
            [(1, 1), (2, 2)],
            [(2, 1)],
            [(2, 1)],
        ]
        assert [one.total for one in stored] == [Decimal("2.97"), Decimal("0.99"), Decimal("0.99")]
        assert [one.billing.city for one in stored] == ["Palo Alto", None, "Ulm"]
        listed = await unit.playlists.get(1)
        assert listed is not None
        assert [*listed.entries] == [2]


async def _save_invoice(engine: AsyncEngine, invoice: chinook.Invoice) -> None:
    async with chinook.MusicUnit(engine) as unit:
        await unit.invoices.save(invoice)
        await unit.commit()


def test_northwind_gets_version_columns_and_nothing_else(database: Database, tmp_path: Path) -> None:
    added = adopt(database, [*northwind.TABLES, *northwind.ROWS], northwind.metadata, tmp_path)
    assert added == {f"{table}.version" for table in ("customers", "employees", "orders", "products")}
    engine = database.sync_engine(MetaData())
    try:
        _order(engine)
        _assign(engine)
    finally:
        engine.dispose()


def _versions(engine: Engine, table: Table) -> list[int]:
    with engine.connect() as connection:
        return [*connection.scalars(select(table.c.version).order_by(*table.primary_key.columns))]


def _order(engine: Engine) -> None:
    with northwind.TradeUnit(engine, read_only=True) as unit:
        shown = unit.orders.get(10248)
    assert shown is not None
    assert [detail.quantity for detail in shown.details] == [12, 5]

    with northwind.TradeUnit(engine) as unit:
        order, chai = unit.orders.get(10248), unit.products.get(northwind.ProductId(1))
        assert order is not None
        assert chai is not None
        order.order(chai, 9)
        order.details[0].discount = 0.25
        del order.details[1]
        order.destination = replace(order.destination, city="Paris")
        unit.commit()
    assert _versions(engine, northwind.orders) == [2]
    assert _versions(engine, northwind.products) == [2, 1, 1]  # by the reaction

    shown.details[1].quantity = 6
    with pytest.raises(ConcurrencyError):
        _save_order(engine, shown)

    new_lines = [northwind.OrderDetail(product_id=northwind.ProductId(11), unit_price=1.5, quantity=1)]
    with northwind.TradeUnit(engine) as unit:  # other objects for the same rows
        again = unit.orders.get(10248)
        assert again is not None
        assert [(detail.product_id, detail.quantity) for detail in again.details] == [(1, 9), (11, 12)]
        again.details = new_lines
        unit.orders.save(
            northwind.Order(
                order_id=10249,
                customer_id=northwind.CustomerId("TOMSP"),
                destination=northwind.Destination("Toms", None, None),
                details=[northwind.OrderDetail(product_id=northwind.ProductId(90), unit_price=18.6, quantity=2)],
            )
        )
        unit.products.save(northwind.Product(product_id=northwind.ProductId(90), product_name="Tofu"))
        unit.customers.save(northwind.Customer(customer_id=northwind.CustomerId("TOMSP"), company_name="Toms"))
        unit.commit()

    with northwind.TradeUnit(engine) as unit:
        stored = unit.orders.get_many([10248, 10249])
        assert [[(one.product_id, one.quantity) for one in stored[key].details] for key in stored] == [
            [(11, 1)],
            [(90, 2)],
        ]
        assert stored[10248].destination == northwind.Destination("Vins et alcools", "Paris", "France")
        taken = unit.products.get(northwind.ProductId(1))
        assert taken is not None
        assert (taken.units_in_stock, taken.discontinued) == (30, True)
        unit.orders.delete(stored[10249])
        unit.commit()
    with northwind.TradeUnit(engine, read_only=True) as unit:
        connection = unit.connection()
        assert connection.scalars(select(northwind.order_details.c.order_id)).all() == [10248]


def _save_order(engine: Engine, order: northwind.Order) -> None:
    with northwind.TradeUnit(engine) as unit:
        unit.orders.save(order)
        unit.commit()


def _assign(engine: Engine) -> None:
    """Territories are shared: they are no parts, and who has them is part of the employee."""
    with northwind.TradeUnit(engine) as unit:
        fuller, buchanan = unit.employees.get(2), unit.employees.get(5)
        assert fuller is not None
        assert buchanan is not None
        buchanan.territories.append(fuller.territories.pop())
        unit.commit()
    assert _versions(engine, northwind.employees) == [2, 2]
    with northwind.TradeUnit(engine) as unit:
        gone = unit.employees.get(5)
        assert gone is not None
        assert [one.territory_id for one in gone.territories] == ["01730", "02903"]
        (order,) = unit.orders.find(northwind.orders.c.employee_id == 5)
        order.employee_id = None
        unit.employees.delete(gone)
        unit.commit()
    with northwind.TradeUnit(engine, read_only=True) as unit:
        session = unit.session()
        assert session.scalars(select(northwind.territories.c.territory_id)).all() == ["01581", "01730", "02903"]
        rows = session.execute(select(northwind.employee_territories)).all()
        assert [tuple(row) for row in rows] == [(2, "01581")]


def test_pagila_gets_version_columns_and_nothing_else(database: Database, tmp_path: Path) -> None:
    statements = pagila.ON_SQLITE if database.name == "sqlite" else pagila.ON_POSTGRESQL
    added = adopt(database, statements, pagila.Base.metadata, tmp_path)
    assert added == {f"{table}.version" for table in ("actor", "customer", "film", "rental", "staff", "store")}
    asyncio.run(_with_engine(database, _rent))


async def _rent(engine: AsyncEngine) -> None:
    changed = datetime(2030, 1, 1)
    async with pagila.FilmUnit(engine) as unit:
        film, rental = await unit.films.get(1), await unit.rentals.get(1)
        assert film is not None
        assert rental is not None
        assert (film.rating, film.special_features) == (pagila.Rating.PG_13, ["Deleted Scenes", "Trailers"])
        assert film.special_features is not None
        film.special_features.append("Commentaries")
        film.cast[1:] = []
        rental.bring_back(datetime(2005, 6, 1), Decimal("1.50"))
        await unit.commit()
    assert (film.version, rental.version) == (2, 2)
    assert (film.last_update, rental.last_update) == (changed, changed)  # the triggers have written them

    async with pagila.FilmUnit(engine) as unit:
        other = pagila.Actor(first_name="Ed", last_name="Chase")
        await unit.actors.save(other)
        session = await unit.session()
        await session.flush()  # now it has an identity
        again = await unit.films.get(1)
        assert again is not None
        again.cast.append(pagila.FilmActor(actor_id=other.actor_id))
        await unit.films.save(
            pagila.Film(
                title="Ace Goldfinger",
                language_id=1,
                rating=pagila.Rating.G,
                special_features=["Trailers"],
                cast=[pagila.FilmActor(actor_id=1)],
                categories=[pagila.FilmCategory(category_id=1)],
            )
        )
        await unit.commit()

    film.cast[0].actor_id = 2
    with pytest.raises(ConcurrencyError):
        await _save_film(engine, film)

    async with pagila.FilmUnit(engine) as unit:  # two tables that need each other
        stores, staff = await unit.stores.get_many([1, 2]), await unit.staff.get_many([1, 2])
        stores[1].manager_staff_id, stores[2].manager_staff_id = 2, 1
        staff[1].store_id, staff[2].store_id = 2, 1
        await unit.commit()
    assert [one.version for one in stores.values()] == [one.version for one in staff.values()] == [2, 2]

    async with pagila.FilmUnit(engine) as unit:
        store = pagila.Store(manager_staff_id=3)
        manager = pagila.Staff(first_name="Ann", last_name="Miller", store_id=3)
        store.store_id = manager.staff_id = 3
        await unit.stores.save(store)
        await unit.staff.save(manager)
        await unit.commit()

    async with pagila.FilmUnit(engine, read_only=True) as unit:
        assert [one.manager_staff_id for one in await unit.stores.find(order_by=pagila.Store.store_id)] == [2, 1, 3]
        films = await unit.films.find(order_by=pagila.Film.film_id)
        assert [(one.title, [part.actor_id for part in one.cast]) for one in films] == [
            ("Academy Dinosaur", [1, 3]),
            ("Ace Goldfinger", [1]),
        ]
        assert [one.special_features for one in films] == [["Deleted Scenes", "Trailers", "Commentaries"], ["Trailers"]]
        returned = await unit.rentals.get(1)
        assert returned is not None
        assert [payment.amount for payment in returned.payments] == [Decimal("2.99"), Decimal("1.50")]


async def _save_film(engine: AsyncEngine, film: pagila.Film) -> None:
    async with pagila.FilmUnit(engine) as unit:
        await unit.films.save(film)
        await unit.commit()


def test_a_table_with_a_key_of_two_columns_holds_parts_and_no_aggregates() -> None:
    @dataclass(kw_only=True)
    class Detail(Aggregate):
        product_id: Identity[int]

    registry().map_imperatively(Detail, northwind.order_details)

    class DetailUnit(SyncUnitOfWork):
        details = OrmMapped[Detail, int]()

    engine = sync_embedded(":memory:", MetaData())
    with pytest.raises(
        TypeError, match=r"the primary key of .*Detail is \(order_id, product_id\), and an aggregate has one"
    ):
        DetailUnit(engine)
    engine.dispose()
