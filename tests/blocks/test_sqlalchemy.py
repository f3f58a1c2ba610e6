"""SQLAlchemy maps aggregates of the dataclass flavour imperatively, and loads them without `__init__`."""

from __future__ import annotations

import dataclasses as stdlib
from typing import Any

import pytest
from sqlalchemy import Column, Integer, String, Table, create_engine
from sqlalchemy.orm import Session, clear_mappers, registry

from dddkit.dataclasses import Aggregate, AggregateEvent


@stdlib.dataclass(frozen=True, kw_only=True)
class Renamed(AggregateEvent):
    name: str


def declared_as_dataclass() -> Any:
    @stdlib.dataclass(kw_only=True)
    class Basket(Aggregate):
        name: str
        basket_id: int | None = None

    return Basket


def written_by_hand() -> Any:
    class Basket(Aggregate):
        def __init__(self, name: str) -> None:
            self.name = name

    return Basket


@pytest.mark.parametrize("declare", [declared_as_dataclass, written_by_hand])
def test_a11_a_mapped_aggregate_is_stored_loaded_identified_and_records(declare: Any) -> None:
    basket_class = declare()
    mapper = registry()
    table = Table("basket", mapper.metadata, Column("basket_id", Integer, primary_key=True), Column("name", String))
    mapper.map_imperatively(basket_class, table)
    engine = create_engine("sqlite://")
    mapper.metadata.create_all(engine)
    try:
        with Session(engine, expire_on_commit=False) as session:
            one, other = basket_class(name="a"), basket_class(name="b")
            one.add_event(Renamed(name="a"))
            assert one != other  # neither has an identity yet
            session.add_all([one, other])
            session.commit()
            assert one.basket_id is not None
            assert one.get_events() == [Renamed(name="a", occurred_on=one.get_events()[0].occurred_on)]
            key = one.basket_id
            first = one
            session.expunge_all()
            loaded: Any = session.get(basket_class, key)
            assert loaded is not first
            assert loaded == first
            assert hash(loaded) == hash(first)
            assert loaded != other
            assert loaded.get_events() == []
            loaded.name = "c"
            loaded.add_event(Renamed(name="c"))
            assert len(loaded.pull_events()) == 1
            session.commit()
        with Session(engine) as session:
            reloaded: Any = session.get(basket_class, key)
            assert reloaded.name == "c"
    finally:
        engine.dispose()
        clear_mappers()
