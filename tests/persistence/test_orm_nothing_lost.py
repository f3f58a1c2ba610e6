"""Whatever way a mapped aggregate changes, it is written, its version moves, and nothing of it gets lost in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import JSON, BigInteger, ForeignKey, String, TypeDecorator, select
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, composite, mapped_column, object_session, relationship

from dddkit.dataclasses import Aggregate, AggregateEvent
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy import OrmMapped, Outbox, SyncUnitOfWork, UncommittedChangesError, UnitError, sync_embedded

# Any: what a class holds is mapped, and read back from the tables.
Model = Any


class Base(DeclarativeBase):
    pass


@dataclass(frozen=True, kw_only=True)
class Sealed(AggregateEvent):
    pass


@dataclass
class Point:
    """A composite that can be changed in place."""

    x: int
    y: int


class Stamp:
    """A value that compares by identity."""

    def __init__(self, text: str) -> None:
        self.text = text


class StampType(TypeDecorator[Stamp]):
    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.text

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Stamp(value)


class Item(Base):
    __tablename__ = "box_items"
    id: Mapped[int] = mapped_column(primary_key=True)
    box_id: Mapped[int] = mapped_column(ForeignKey("boxes.id"))
    name: Mapped[str]
    box: Mapped[Box] = relationship(back_populates="items")


class Box(Base, Aggregate):
    __tablename__ = "boxes"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="")
    inside: Mapped[int | None] = mapped_column("outer_box", ForeignKey("boxes.id"))
    labels: Mapped[dict[str, Any]] = mapped_column(MutableDict.as_mutable(JSON), default=dict)
    notes: Mapped[list[str]] = mapped_column(JSON, default=list, deferred=True)
    stamp: Mapped[Any] = mapped_column(StampType, nullable=True)
    point: Mapped[Point] = composite(mapped_column("x"), mapped_column("y"))
    version: Mapped[int] = mapped_column(BigInteger)
    items: Mapped[list[Item]] = relationship(back_populates="box", cascade="all, delete-orphan", order_by=Item.id)
    __mapper_args__ = {"version_id_col": version}


catalog = EventCatalog("/boxes")
catalog.add(Sealed, "box.sealed", version=1)
Boxes: Model = OrmMapped


class BoxUnit(SyncUnitOfWork):
    outbox = Outbox(Base.metadata, catalog)
    boxes = Boxes[Box, int]()


class Store:
    """One database, and what is stored there."""

    def __init__(self) -> None:
        self.engine = sync_embedded(":memory:", Base.metadata)

    def unit(self, **arguments: Any) -> BoxUnit:
        return BoxUnit(self.engine, **arguments)

    def save(self, *boxes: Box) -> None:
        with self.unit() as unit:
            for box in boxes:
                unit.boxes.save(box)
            unit.commit()

    def rows(self, *columns: Any) -> list[tuple[Any, ...]]:
        with self.unit(read_only=True) as unit:
            return [tuple(row) for row in unit.connection().execute(select(*columns).order_by(columns[0]))]

    def version(self, box_id: int = 1) -> int:
        return dict(map(tuple, self.rows(Box.id, Box.version)))[box_id]

    def names(self) -> list[str]:
        return [name for _, name in self.rows(Item.id, Item.name)]


def new(box_id: int = 1, *items: str, **fields: Any) -> Box:
    made = {"labels": {"a": {"b": 1}}, "notes": ["x"], "point": Point(1, 2)} | fields
    return Box(id=box_id, items=[Item(name=item) for item in items], **made)


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.engine.dispose()


def test_an_aggregate_with_events_that_the_session_deletes_is_deleted(store: Store) -> None:
    store.save(new())
    with store.unit() as unit:
        box = unit.boxes.get(1)
        box.add_event(Sealed())
        unit.session().delete(box)
        assert unit.boxes.get(1) is None
        unit.commit()

    assert store.rows(Box.id) == []
    assert store.rows(BoxUnit.outbox.table.c.type) == [("box.sealed.v1",)]


def test_so_it_is_after_a_flush(store: Store) -> None:
    store.save(new())
    with store.unit() as unit:
        box = unit.boxes.get(1)
        box.add_event(Sealed())
        unit.session().delete(box)
        unit.session().flush()
        assert unit.boxes.get(1) is None
        unit.commit()

    assert store.rows(Box.id) == []


def test_what_was_deleted_and_is_added_again_stays(store: Store) -> None:
    store.save(new())
    version = store.version()
    with store.unit() as unit:
        box = unit.boxes.get(1)
        unit.session().delete(box)
        unit.session().add(box)
        assert unit.boxes.get(1) is box
        unit.commit()

    assert store.version() == version + 1


@pytest.mark.parametrize("others", [[], [2]], ids=["alone", "with another"])
@pytest.mark.parametrize("name", ["", "new"], ids=["alone", "with a column"])
def test_a_part_that_the_session_deletes_is_deleted_and_moves_the_version(
    store: Store, name: str, others: list[int]
) -> None:
    store.save(new(1, "tea", "milk"), *map(new, others))
    version = store.version()
    with store.unit() as unit:
        box = unit.boxes.get(1)
        unit.session().delete(box.items[0])
        box.name = name
        for other in others:
            unit.boxes.get(other).name = "other"
        unit.commit()

    assert store.names() == ["milk"]
    assert store.version() == version + 1


def test_a_part_that_the_session_deletes_is_missed_where_it_is_not_committed(store: Store) -> None:
    store.save(new(1, "tea"))
    with pytest.raises(UncommittedChangesError, match="Box with the identity 1"), store.unit() as unit:
        unit.session().delete(unit.boxes.get(1).items[0])


def test_merge_of_an_aggregate_is_refused_since_its_events_would_be_lost(store: Store) -> None:
    store.save(new())
    with store.unit() as unit:
        box = unit.boxes.get(1)
    box.add_event(Sealed())
    with store.unit() as unit, pytest.raises(UnitError, match=r"without its events; save it: `boxes\.save"):
        unit.session().merge(box)


def test_rows_that_refer_to_their_own_table_are_ordered_whatever_the_column_is_called(store: Store) -> None:
    store.save(new(1, inside=2), new(2))
    assert store.rows(Box.id, Box.inside) == [(1, 2), (2, None)]
