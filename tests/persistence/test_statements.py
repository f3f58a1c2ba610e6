"""The statements of units: their tables, their values and their engines are what SQLAlchemy makes of them."""

from __future__ import annotations

import enum
import gc
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from weakref import ref

import pytest
from sqlalchemy import Dialect, Enum, MetaData, String, TypeDecorator, func, select

from dddkit.dataclasses import Aggregate, AggregateEvent
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy import Documents, Outbox, SyncUnitOfWork, sync_embedded
from tests.persistence.shops import Shop, in_shops


class Shouted(TypeDecorator[str]):
    """Stores a text in capital letters."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.upper()


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


@in_shops()
async def test_copied_columns_hold_what_their_types_make_of_a_value(shop: Shop) -> None:
    Tune = shop.flavour.declare("Aggregate", "Tune", tune_id=UUID, title=str, mood=Mood)
    for name, type_, calm, wild in (("mood", Enum(Mood), Mood.CALM, Mood.WILD), ("title", Shouted, "BLUE", "RED")):
        tunes = shop.documents(Tune, UUID, table=f"tunes_by_{name}", columns={name: type_})
        Unit = shop.declare(tunes=tunes)
        shop.use(None)  # the next engine knows the table
        tune = Tune(tune_id=UUID(int=1), title="Blue", mood=Mood.CALM)
        await shop.save(tune, repository="tunes", unit_class=Unit)
        column = tunes.table.c[name]
        assert await shop.rows(select(column)) == [(calm,)]
        async with shop.unit(Unit) as unit:
            tune = await unit.tunes.get(UUID(int=1))
            tune.title, tune.mood = "Red", Mood.WILD
            await unit.commit()
        assert await shop.rows(select(column)) == [(wild,)]
        await shop.dispose()


@dataclass(kw_only=True)
class Box(Aggregate):
    box_id: int
    label: str = ""
    items: list[str] = field(default_factory=list[str])

    @dataclass(frozen=True, kw_only=True)
    class Filled(AggregateEvent):
        item: str

    def fill(self, item: str) -> None:
        self.items.append(item)
        self.add_event(Box.Filled(item=item))


class Storage:
    """Units over a metadata of their own."""

    def __init__(self, **columns: Any) -> None:
        self.metadata = metadata = MetaData()
        catalog = EventCatalog("/shop")
        catalog.add(Box.Filled, "box.filled")

        class Unit(SyncUnitOfWork):
            boxes = Documents[Box, int](metadata, columns=columns)
            outbox = Outbox(metadata, catalog)

        self.Unit = Unit

    def fill(self, engine: Any, *items: str) -> None:
        with self.Unit(engine) as unit:
            box = unit.boxes.get(1)
            if box is None:
                unit.boxes.save(box := Box(box_id=1))
            for item in items:
                box.fill(item)
            unit.commit()


def test_a_tenant_of_a_schema_translate_map_has_rows_and_messages_of_its_own() -> None:
    storage = Storage()
    engine = sync_embedded(":memory:", storage.metadata)
    storage.fill(engine, "tea")
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ATTACH ':memory:' AS tenant")
    tenant = engine.execution_options(schema_translate_map={None: "tenant"})
    with tenant.begin() as connection:
        storage.metadata.create_all(connection)
    for one, item in ((tenant, "salt"), (engine, "cups"), (tenant, "rice")):
        storage.fill(one, item)

    for one, items in ((engine, ["tea", "cups"]), (tenant, ["salt", "rice"])):
        with storage.Unit(one, read_only=True) as unit:
            box = unit.boxes.get(1)
            messages = unit.connection().execute(select(func.count()).select_from(storage.Unit.outbox.table))
            assert (box and box.items, messages.scalar_one()) == (items, 2)
    engine.dispose()


@pytest.mark.parametrize("type_", [String, Shouted])
def test_an_engine_that_nobody_has_any_more_is_freed(type_: Any) -> None:
    storage = Storage(label=type_)
    engine = sync_embedded(":memory:", storage.metadata)
    storage.fill(engine, "tea")
    storage.fill(engine, "cups", "rice")
    dialect = ref(engine.dialect)
    engine.dispose()
    del engine
    gc.collect()
    assert dialect() is None
