"""Schemas that others have made, with their data: a version column is all that a unit needs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, MetaData, select

from dddkit.exceptions import ConcurrencyError
from tests.persistence.schemas import chinook, northwind
from tests.persistence.schemas.adopting import adopt
from tests.servers.databases import Database


def test_chinook_gets_version_columns_and_nothing_else(database: Database, tmp_path: Path) -> None:
    added = adopt(database, [*chinook.TABLES, *chinook.ROWS], chinook.Base.metadata, tmp_path)
    assert added == {f"{table}.version" for table in ("Customer", "Employee", "Invoice", "Playlist", "Track")}
    asyncio.run(_sell(database))


async def _sell(database: Database) -> None:
    engine = database.engine(MetaData())
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
        async with chinook.MusicUnit(engine) as unit:
            await unit.invoices.save(shown)
            await unit.commit()

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
    await engine.dispose()


def test_northwind_gets_version_columns_and_nothing_else(database: Database, tmp_path: Path) -> None:
    added = adopt(database, [*northwind.TABLES, *northwind.ROWS], northwind.metadata, tmp_path)
    assert added == {f"{table}.version" for table in ("customers", "employees", "orders", "products")}
    engine = database.sync_engine(MetaData())
    _order(engine)
    _assign(engine)
    engine.dispose()


def _order(engine: Engine) -> None:
    with northwind.SyncTradeUnit(engine, read_only=True) as unit:
        shown = unit.orders.get(10248)
    assert shown is not None
    assert [detail.quantity for detail in shown.details] == [12, 5]

    with northwind.SyncTradeUnit(engine) as unit:
        order, chai = unit.orders.get(10248), unit.products.get(northwind.ProductId(1))
        assert order is not None
        assert chai is not None
        order.order(chai, 9)
        order.details[0].discount = 0.25
        del order.details[1]
        order.destination = replace(order.destination, city="Paris")
        unit.commit()
    assert (order.version, chai.version) == (2, 2)  # type: ignore[attr-defined]  # pyright: ignore  # mapped

    shown.details[1].quantity = 6
    with pytest.raises(ConcurrencyError), northwind.SyncTradeUnit(engine) as unit:
        unit.orders.save(shown)
        unit.commit()

    new_lines = [northwind.OrderDetail(product_id=northwind.ProductId(11), unit_price=1.5, quantity=1)]
    with northwind.SyncTradeUnit(engine) as unit:  # other objects for the same rows
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

    with northwind.SyncTradeUnit(engine) as unit:
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
    with northwind.SyncTradeUnit(engine, read_only=True) as unit:
        connection = unit.connection()
        assert connection.scalars(select(northwind.order_details.c.order_id)).all() == [10248]


def _assign(engine: Engine) -> None:
    """Territories are shared: they are no parts, and who has them is part of the employee."""
    with northwind.SyncTradeUnit(engine) as unit:
        fuller, buchanan = unit.employees.get(2), unit.employees.get(5)
        assert fuller is not None
        assert buchanan is not None
        buchanan.territories.append(fuller.territories.pop())
        unit.commit()
    assert (fuller.version, buchanan.version) == (2, 2)  # type: ignore[attr-defined]  # pyright: ignore  # mapped
    with northwind.SyncTradeUnit(engine) as unit:
        gone = unit.employees.get(5)
        assert gone is not None
        assert [one.territory_id for one in gone.territories] == ["01730", "02903"]
        (order,) = unit.orders.find(northwind.orders.c.employee_id == 5)
        order.employee_id = None
        unit.employees.delete(gone)
        unit.commit()
    with northwind.SyncTradeUnit(engine, read_only=True) as unit:
        session = unit.session()
        assert session.scalars(select(northwind.territories.c.territory_id)).all() == ["01581", "01730", "02903"]
        rows = session.execute(select(northwind.employee_territories)).all()
        assert [tuple(row) for row in rows] == [(2, "01581")]
