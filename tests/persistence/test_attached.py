"""Tenants in one engine of SQLite: files that are attached, and chosen by a translation of schemas."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, event

from dddkit.exceptions import UnitError
from dddkit.sqlalchemy import sync_embedded
from tests.persistence.shops import Shop, in_shops

metadata = MetaData()
orders = Table("orders", metadata, Column("id", Integer, primary_key=True))
Translation = Mapping[str | None, str | None]
MAIN: Translation = {None: None}
LEEDS: Translation = {None: "leeds"}
OXFORD: Translation = {None: "oxford"}


def attach(engine: Engine, folder: Path) -> None:
    @event.listens_for(engine, "connect")
    def run(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        for name in ("leeds", "oxford"):
            cursor.execute(f"ATTACH DATABASE ? AS {name}", (str(folder / f"{name}.sqlite"),))
        cursor.close()


def tables(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    finally:
        connection.close()


@pytest.mark.parametrize("first", [None, LEEDS], ids=["main", "leeds"])
def test_each_tenant_gets_its_tables_whoever_comes_first(tmp_path: Path, first: Translation | None) -> None:
    engine = sync_embedded(tmp_path / "shop.sqlite", metadata)
    attach(engine, tmp_path)
    try:
        for translation in (first, None, MAIN, LEEDS, OXFORD, LEEDS):
            with engine.execution_options(schema_translate_map=translation).begin() as connection:
                connection.execute(orders.insert())
    finally:
        engine.dispose()
    assert {name: tables(tmp_path / f"{name}.sqlite") for name in ("shop", "leeds", "oxford")} == {
        "shop": ["orders"],
        "leeds": ["orders"],
        "oxford": ["orders"],
    }


@in_shops("sqlite-file")
async def test_a_unit_of_a_tenant_stores_all_of_it_in_the_file_of_the_tenant(shop: Shop) -> None:
    engine = shop.engine
    folder = Path(engine.url.database).parent
    attach(engine if isinstance(engine, Engine) else engine.sync_engine, folder)
    for translation in (LEEDS, OXFORD):
        shop.use(engine.execution_options(schema_translate_map=translation))
        async with shop.unit() as unit:
            assert await unit.baskets.get(1) is None
            basket = shop.Basket(basket_id=1)
            basket.add("pen")
            await unit.baskets.save(basket)
            assert await unit.once("key")
            with pytest.raises(UnitError, match="it would wait for itself"):
                async with shop.unit() as inner:  # BEGIN IMMEDIATE locks all files that are attached
                    await inner.baskets.get(1)
            await unit.commit()
        assert await shop.messages() == [("basket.item-added.v1", "baskets/1")]
        async with shop.unit() as unit:
            (await unit.baskets.get(1)).add("ink")
            await unit.commit()
    assert not (tables(folder / "shop.sqlite"))
    assert set(tables(folder / "leeds.sqlite")) == set(shop.metadata.tables)
    shop.use(engine)
    assert await shop.stored(1) is None


@in_shops("sqlite-file")
async def test_a_tenant_whose_file_is_not_attached_is_named(shop: Shop) -> None:
    shop.use(shop.engine.execution_options(schema_translate_map=LEEDS))
    with pytest.raises(ValueError, match=r"shop\.sqlite: no database is attached as leeds"):
        await shop.stored(1)


def test_tables_with_a_schema_of_their_own_are_in_the_database_that_is_attached_so(tmp_path: Path) -> None:
    declared = MetaData(schema="Leeds")
    orders = Table("orders", declared, Column("id", Integer, primary_key=True))
    engine = sync_embedded(tmp_path / "shop.sqlite", declared)
    attach(engine, tmp_path)
    for translation in (None, {"Leeds": None}):
        with engine.execution_options(schema_translate_map=translation).begin() as connection:
            connection.execute(orders.insert())
    engine.dispose()
    assert tables(tmp_path / "shop.sqlite") == tables(tmp_path / "leeds.sqlite") == ["orders"]
