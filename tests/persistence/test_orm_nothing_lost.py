"""Whatever way a mapped aggregate changes, it is written, its version moves, and nothing of it gets lost in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import JSON, BigInteger, ForeignKey, String, TypeDecorator, select
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, WriteOnlyMapped, composite, mapped_column, relationship

from dddkit.dataclasses import Aggregate, AggregateEvent
from dddkit.messages import EventCatalog
from dddkit.sqlalchemy import OrmMapped, Outbox, SyncUnitOfWork, UncommittedChangesError, UnitError, sync_embedded
from tests.servers.databases import Database, SQLite

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


class Slip(Base):
    __tablename__ = "box_slips"
    id: Mapped[int] = mapped_column(primary_key=True)
    box_id: Mapped[int] = mapped_column(ForeignKey("boxes.id"))
    name: Mapped[str]


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
    slips: WriteOnlyMapped[Slip] = relationship(cascade="all, delete-orphan", passive_deletes=True)
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

    def __init__(self, database: Database) -> None:
        self.engine = database.sync_engine(Base.metadata)

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

    def version(self, box_id: int = 1) -> Any:
        return next(version for found, version in self.rows(Box.id, Box.version) if found == box_id)

    def names(self) -> list[str]:
        return [name for _, name in self.rows(Item.id, Item.name)]


def new(box_id: int = 1, *items: str, **fields: Any) -> Box:
    made = {"labels": {"a": {"b": 1}}, "notes": ["x"], "point": Point(1, 2)} | fields
    return Box(id=box_id, items=[Item(name=item) for item in items], **made)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = Store(SQLite(":memory:") if request.param == "sqlite" else request.getfixturevalue("postgresql"))
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


@pytest.mark.parametrize("by_the_session", [True, False])
def test_what_was_deleted_and_is_kept_keeps_its_parts(store: Store, by_the_session: bool) -> None:
    store.save(new(1, "tea"))
    with store.unit() as unit:
        box = unit.boxes.get(1)
        unit.session().delete(box)
        unit.session().add(box) if by_the_session else unit.boxes.save(box)
        unit.commit()

    assert store.names() == ["tea"]


def test_what_a_flush_has_deleted_is_not_saved_again(store: Store) -> None:
    store.save(new())
    with store.unit() as unit:
        box = unit.boxes.get(1)
        unit.session().delete(box)
        unit.session().flush()
        with pytest.raises(UnitError, match="Box with the identity 1 was deleted by a flush of this unit"):
            unit.boxes.save(box)
        unit.rollback()


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


def test_a_part_that_names_its_aggregate_is_written_and_moves_the_version_of_what_is_not_loaded(store: Store) -> None:
    store.save(new(1), new(2))
    version = store.version()
    with store.unit() as unit:
        Item(name="tea", box=unit.boxes.get(1))
        unit.boxes.get(2).name = "other"
        unit.commit()

    assert store.names() == ["tea"]
    assert store.version() == version + 1


def test_such_a_part_is_missed_where_it_is_not_committed(store: Store) -> None:
    store.save(new())
    with pytest.raises(UncommittedChangesError, match="Box with the identity 1"), store.unit() as unit:
        Item(name="tea", box=unit.boxes.get(1))


def test_such_a_part_is_there_again_after_a_flush_that_was_rolled_back(store: Store) -> None:
    store.save(new())
    with store.unit() as unit:
        box = unit.boxes.get(1)
        Item(name="tea", box=box)
        unit.session().flush()
        unit.rollback()
    store.save(box)

    assert store.names() == ["tea"]


@pytest.mark.parametrize("loaded", [True, False])
def test_a_part_that_goes_to_another_aggregate_moves_the_versions_of_both(store: Store, loaded: bool) -> None:
    store.save(new(1, "tea"), new(2))
    versions = store.version(1), store.version(2)
    with store.unit() as unit:
        one, other = unit.boxes.get(1), unit.boxes.get(2)
        assert not loaded or other.items == []
        one.items[0].box = other
        unit.commit()

    assert store.rows(Item.id, Item.box_id) == [(1, 2)]
    assert (store.version(1), store.version(2)) == (versions[0] + 1, versions[1] + 1)


def change_inside_of_a_mutable_value(box: Box) -> None:
    box.labels["a"]["b"] = 2


def change_a_value_that_was_loaded_later(box: Box) -> None:
    box.notes.append("y")


def change_a_composite(box: Box) -> None:
    box.point.x = 7


def change_a_composite_that_was_set(box: Box) -> None:
    box.point = Point(3, 4)
    box.point.x = 7


def change_a_value_that_compares_by_identity(box: Box) -> None:
    box.stamp.text = "new"


IN_PLACE: dict[Model, tuple[str, object]] = {
    change_inside_of_a_mutable_value: ("labels", {"a": {"b": 2}}),
    change_a_value_that_was_loaded_later: ("notes", ["x", "y"]),
    change_a_composite: ("point", Point(7, 2)),
    change_a_composite_that_was_set: ("point", Point(7, 4)),
    change_a_value_that_compares_by_identity: ("stamp", "new"),
}


@pytest.mark.parametrize("change", IN_PLACE, ids=lambda change: change.__name__)
def test_what_is_changed_in_place_is_written_and_moves_the_version(store: Store, change: Model) -> None:
    store.save(new(stamp=Stamp("old")))
    version = store.version()
    with store.unit() as unit:
        change(unit.boxes.get(1))
        unit.commit()

    with store.unit() as unit:
        attribute, expected = IN_PLACE[change]
        value = getattr(unit.boxes.get(1), attribute)
        assert getattr(value, "text", value) == expected
    assert store.version() == version + 1


def test_what_is_only_read_is_no_change_whatever_it_is(store: Store) -> None:
    store.save(new(stamp=Stamp("old")))
    version = store.version()
    with store.unit() as unit:
        box = unit.boxes.get(1)
        assert (box.labels, box.notes, box.point, box.stamp.text) == ({"a": {"b": 1}}, ["x"], Point(1, 2), "old")
        unit.commit()

    assert store.version() == version


def test_a_column_of_a_composite_that_was_set_wins_over_what_the_composite_was_read_as(store: Store) -> None:
    store.save(new())
    with store.unit() as unit:
        box: Model = unit.boxes.get(1)
        assert box.point.x == 1
        setattr(box, next(one.key for one in Box.__mapper__.column_attrs if one.columns[0].name == "x"), 5)
        unit.commit()

    assert store.rows(Box.__table__.c.x) == [(5,)]


def test_a_part_that_is_never_loaded_with_its_aggregate_is_refused_with_what_to_declare(store: Store) -> None:
    box = new()
    box.slips.add(Slip(name="old"))
    store.save(box)
    with store.unit() as unit:
        slips = unit.boxes.get(1).slips.select()
        unit.session().scalars(slips).one().name = "new"
        with pytest.raises(UnitError, match=r"declare Box\.slips as a list"):
            unit.commit()


def test_begin_of_the_session_is_refused_since_its_end_would_be_no_commit(store: Store) -> None:
    with store.unit() as unit:
        session = unit.session()
        with pytest.raises(UnitError, match="begin of its session; leave it to the unit"):
            session.begin()
        with session.begin_nested():
            session.add(new())
        unit.commit()

    assert store.rows(Box.id) == [(1,)]


def test_the_limit_of_find_counts_aggregates_where_a_condition_repeats_rows(store: Store) -> None:
    store.save(new(1, "tea", "milk"), new(2, "tea"), new(3))
    with store.unit(read_only=True) as unit:
        table, items = unit.boxes.table, Item.__table__
        found = unit.boxes.find(table.c.id == items.c.box_id, order_by=[table.c.id], limit=2)
        assert [box.id for box in found] == [1, 2]


class TreeBase(DeclarativeBase):
    pass


class Node(TreeBase, Aggregate):
    """Owns others of its own class, which are aggregates too."""

    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    upper_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"))
    version: Mapped[int] = mapped_column(BigInteger)
    upper: Mapped[Node | None] = relationship(remote_side="Node.id", back_populates="nodes")
    nodes: Mapped[list[Node]] = relationship(cascade="all, delete-orphan", back_populates="upper")
    __mapper_args__ = {"version_id_col": version}


class TreeUnit(SyncUnitOfWork):
    nodes: Model = OrmMapped[Node, int]()


@pytest.mark.parametrize("owner", [1, 3], ids=["before it", "after it"])
def test_an_aggregate_that_its_owner_has_taken_out_is_deleted_with_it(owner: int) -> None:
    engine = sync_embedded(":memory:", TreeBase.metadata)
    with TreeUnit(engine) as unit:
        unit.nodes.save(Node(id=owner, nodes=[Node(id=2)]))
        unit.commit()
    with TreeUnit(engine) as unit:
        unit.nodes.get(owner).nodes.clear()
        unit.commit()
    with TreeUnit(engine) as unit:
        assert [node.id for node in unit.nodes.find()] == [owner]
    engine.dispose()


def test_concrete_inheritance_is_refused() -> None:
    class Base(DeclarativeBase):
        pass

    class Vehicle(Base, Aggregate):
        __tablename__ = "vehicles"
        id: Mapped[int] = mapped_column(primary_key=True)
        version: Mapped[int] = mapped_column(BigInteger)
        __mapper_args__: Model = {"version_id_col": version}

    class Car(Vehicle):
        __tablename__ = "cars"
        id: Mapped[int] = mapped_column(primary_key=True)
        version: Mapped[int] = mapped_column(BigInteger)
        __mapper_args__: Model = {"concrete": True}

    for cls in (Vehicle, Car):
        unit = type("VehicleUnit", (SyncUnitOfWork,), {"vehicles": Boxes[cls, int]()})
        engine = sync_embedded(":memory:", Base.metadata)
        with pytest.raises(TypeError, match=r"VehicleUnit\.vehicles: .*Car is mapped with concrete=True.* join it"):
            unit(engine)
        engine.dispose()
