"""Schemas that others have made, with their data: a version column is all that a unit needs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from dddkit.exceptions import ConcurrencyError
from tests.persistence.schemas import chinook
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
