"""Rows are written in the order that foreign keys want, over mapped classes, documents and SQL of the user's own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import BigInteger, ForeignKey, MetaData, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from dddkit.dataclasses import Aggregate, AggregateEvent, Identity
from dddkit.exceptions import ConcurrencyError
from dddkit.sqlalchemy import Documents, OrmMapped, SyncUnitOfWork, UncommittedChangesError, UnitError
from tests.servers.databases import Database

metadata = MetaData()

# Any: declared once here, and used with both databases.
Model = Any


class Base(DeclarativeBase):
    metadata = metadata


@dataclass(frozen=True, kw_only=True)
class Moved(AggregateEvent):
    pass


@dataclass(kw_only=True)
class Depot(Aggregate):
    """Stored as a document, to which rows refer."""

    depot_id: Identity[int]
    name: str = ""


class Product(Base, Aggregate):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="tea")
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}


class Line(Base):
    __tablename__ = "order_lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("a_orders.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))  # without a relationship


class Order(Base, Aggregate):
    __tablename__ = "a_orders"  # before the others in the alphabet
    id: Mapped[int] = mapped_column(primary_key=True)
    depot_id: Mapped[int] = mapped_column(ForeignKey("depots.key"))
    before_id: Mapped[int | None] = mapped_column(ForeignKey("a_orders.id"))
    version: Mapped[int] = mapped_column(BigInteger)
    lines: Mapped[list[Line]] = relationship(cascade="all, delete-orphan")
    __mapper_args__ = {"version_id_col": version}


class Part(Base):
    __tablename__ = "parts"
    id: Mapped[int] = mapped_column(primary_key=True)
    basket_id: Mapped[int] = mapped_column(ForeignKey("a_baskets.id"))
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))


class Basket(Base, Aggregate):
    """Refers to products by its parts alone."""

    __tablename__ = "a_baskets"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    parts: Mapped[list[Part]] = relationship(cascade="all, delete-orphan")
    __mapper_args__ = {"version_id_col": version}


class Owner(Base, Aggregate):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}


class Note(Base):
    """Belongs to no aggregate."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class Car(Base, Aggregate):
    __tablename__ = "cars"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owners.id"))
    garage_id: Mapped[int | None] = mapped_column(ForeignKey("garages.id"))
    version: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[Owner | None] = relationship()
    notes: Mapped[list[Note]] = relationship(secondary="car_notes")
    __mapper_args__ = {"version_id_col": version}


class Garage(Base, Aggregate):
    __tablename__ = "garages"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    cars: Mapped[list[Car]] = relationship(order_by=Car.id)  # of which a car knows nothing
    __mapper_args__ = {"version_id_col": version}


class CarNote(Base):
    __tablename__ = "car_notes"
    car_id: Mapped[int] = mapped_column(ForeignKey("cars.id"), primary_key=True)
    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"), primary_key=True)


class Unit(SyncUnitOfWork):
    orders = OrmMapped[Order, int](options=[selectinload(Order.lines)])
    depots = Documents[Depot, int](metadata)
    products = OrmMapped[Product, int]()
    baskets = OrmMapped[Basket, int]()
    cars = OrmMapped[Car, int](options=[selectinload(Car.owner), selectinload(Car.notes)])
    owners = OrmMapped[Owner, int]()
    garages = OrmMapped[Garage, int](options=[selectinload(Garage.cars)])


@pytest.fixture
def engine(database: Database) -> Any:
    engine = database.sync_engine(metadata)
    yield engine
    engine.dispose()


def save(engine: Model, *aggregates: Model) -> None:
    with Unit(engine) as unit:
        for one in aggregates:
            repository: Model = getattr(unit, f"{type(one).__name__.lower()}s")
            repository.save(one)
        unit.commit()


def test_owners_are_written_before_what_they_own_and_deleted_after(engine: Model) -> None:
    order = Order(id=1, depot_id=1, lines=[Line(product_id=1)])
    save(engine, order, Depot(depot_id=1), Product(id=1))
    with Unit(engine) as unit:
        found = unit.orders.get(1)
        product, depot = unit.products.get(1), unit.depots.get(1)
        assert found is not None
        assert product is not None
        assert depot is not None
        unit.products.delete(product)
        unit.depots.delete(depot)
        unit.orders.delete(found)
        unit.orders.save(Order(id=2, depot_id=2, lines=[Line(product_id=2)]))
        unit.products.save(Product(id=2))
        unit.depots.save(Depot(depot_id=2))
        unit.commit()
    with Unit(engine, read_only=True) as unit:
        assert [one.id for one in unit.orders.find()] == [2]
        assert [one.id for one in unit.products.find()] == [2]
        assert [one.depot_id for one in unit.depots.find()] == [2]


def test_the_tables_of_parts_count_too(engine: Model) -> None:
    basket, product = Basket(id=1, parts=[Part(product_id=1)]), Product(id=1)
    save(engine, basket, product)
    with Unit(engine) as unit:
        unit.products.delete(product)
        unit.baskets.delete(basket)
        unit.commit()


def test_a_changed_row_refers_to_a_new_one(engine: Model) -> None:
    save(engine, Order(id=1, depot_id=1), Depot(depot_id=1))
    with Unit(engine) as unit:
        order = unit.orders.get(1)
        assert order is not None
        order.depot_id = 2
        order.lines.append(Line(product_id=2))
        unit.products.save(Product(id=2))
        unit.depots.save(Depot(depot_id=2))
        unit.commit()
    with Unit(engine, read_only=True) as unit:
        order = unit.orders.get(1)
        assert order is not None
        assert (order.depot_id, [line.product_id for line in order.lines]) == (2, [2])


def test_rows_of_one_table_refer_to_each_other(engine: Model) -> None:
    save(
        engine,
        Depot(depot_id=1),
        Order(id=1, depot_id=1, before_id=2),
        Order(id=2, depot_id=1, before_id=3),
        Order(id=3, depot_id=1),
    )
    with Unit(engine) as unit:
        for order in unit.orders.find(order_by=Order.id.desc()):
            unit.orders.delete(order)
        unit.commit()


def test_an_aggregate_that_another_one_refers_to_has_a_version_of_its_own(engine: Model) -> None:
    save(engine, Car(id=1, owner=Owner(id=1, name="ada")))
    with Unit(engine) as unit:
        car = unit.cars.get(1)
        assert car is not None
        assert car.owner is not None
        assert unit.owners.get(1) is car.owner
        versions = car.version, car.owner.version
        car.owner.name = "grace"
        car.owner.add_event(Moved())
        unit.commit()
        assert (car.version, car.owner.version) == (versions[0], versions[1] + 1)
        assert car.owner.get_events() == []
    with Unit(engine) as unit:
        car = unit.cars.get(1)
        assert car is not None
        owner = car.owner = Owner(id=2, name="barbara")  # saved with the car
        unit.commit()
        assert car.version == versions[0] + 1
        owner.name = "margaret"
    save(engine, owner)
    with Unit(engine, read_only=True) as unit:
        names = [owner.name for owner in unit.owners.find(order_by=Owner.id)]
        assert names == ["grace", "margaret"]


def test_a_row_that_another_aggregate_writes_keeps_its_object_up_to_date(engine: Model) -> None:
    save(engine, Car(id=1), Garage(id=1))
    with Unit(engine) as unit:
        garage, car = unit.garages.get(1), unit.cars.get(1)
        assert garage is not None
        assert car is not None
        garage.cars.append(car)
        unit.commit()
    with Unit(engine) as unit:
        unit.cars.save(car)
        assert unit.cars.get(1, lock=True) is car
        unit.commit()
    with Unit(engine) as unit:
        garage = unit.garages.get(1)
        assert garage is not None
        assert [car.id for car in garage.cars] == [1]
        unit.garages.delete(garage)
        unit.commit()
    with Unit(engine, read_only=True) as unit:
        assert unit.cars.get(1) is not None


def test_an_aggregate_of_an_earlier_unit_that_comes_with_another_one_is_compared_too(engine: Model) -> None:
    save(engine, Car(id=1, owner=Owner(id=1, name="ada")))
    with Unit(engine, read_only=True) as unit:
        car = unit.cars.get(1)
    assert car is not None
    assert car.owner is not None
    with Unit(engine) as unit:
        owner = unit.owners.get(1)
        assert owner is not None
        owner.name = "faster"
        unit.commit()
    with Unit(engine) as unit:
        unit.cars.save(car)  # the owner has not changed
        unit.commit()
    car.owner.name = "mine"
    with pytest.raises(ConcurrencyError, match="Owner with the identity 1"):
        save(engine, car)


def test_another_object_of_what_was_read_already_is_named(engine: Model) -> None:
    save(engine, Car(id=1, owner=Owner(id=1, name="ada")))
    with Unit(engine, read_only=True) as unit:
        car = unit.cars.get(1)
    assert car is not None
    with Unit(engine) as unit:
        unit.owners.get(1)
        with pytest.raises(UnitError, match="Car with the identity 1 holds another object of what this unit has read"):
            unit.cars.save(car)
        unit.rollback()


def change_and_forget(engine: Model) -> None:
    with Unit(engine) as unit:
        note = unit.session().get(Note, 1)
        assert note is not None
        note.text = "changed"


def test_what_belongs_to_no_aggregate_is_written_too(engine: Model) -> None:
    with Unit(engine) as unit:
        unit.session().add(Note(id=1, text="alone"))
        unit.commit()
    with pytest.raises(UncommittedChangesError, match="a changed Note"):
        change_and_forget(engine)
    with Unit(engine) as unit:
        note = unit.session().get(Note, 1)
        assert note is not None
        note.text = "changed"
        car = Car(id=1)
        car.notes = [note]
        unit.cars.save(car)
        unit.commit()
        version = car.version
    with Unit(engine) as unit:
        found = unit.cars.get(1)
        assert found is not None
        assert [note.text for note in found.notes] == ["changed"]
        found.notes.clear()
        unit.commit()
        assert found.version == version + 1


def test_an_aggregate_that_the_unit_does_not_store_is_refused(engine: Model) -> None:
    class CarUnit(SyncUnitOfWork):
        cars = OrmMapped[Car, int](options=[selectinload(Car.owner)])

    save(engine, Car(id=1, owner=Owner(id=1, name="ada")))
    with CarUnit(engine) as unit:
        car = unit.cars.get(1)
        assert car is not None
        assert car.owner is not None
        car.owner.name = "grace"
        with pytest.raises(UnitError, match=r"Owner with the identity 1 has changed.*declare OrmMapped\[Owner,"):
            unit.commit()


def test_many_aggregates_are_written_with_few_statements(engine: Model) -> None:
    counted: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        counted.append(statement.split()[0])

    event.listen(engine, "before_cursor_execute", count)
    save(engine, *(Owner(id=number, name="ada") for number in range(1, 101)))
    assert counted.count("INSERT") < 5
    with Unit(engine) as unit:
        for owner in unit.owners.find():
            owner.name = "grace"
        counted.clear()
        unit.commit()
    assert counted.count("SELECT") < 5


def test_twice_as_many_new_aggregates_are_twice_the_work(engine: Model) -> None:
    def calls(number: int) -> int:
        counted = 0

        def count(*_: object) -> None:
            nonlocal counted
            counted += 1

        products = [Product() for _ in range(number)]  # the database gives the identities
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            save(engine, *products)
        finally:
            sys.setprofile(before)
        return counted

    calls(1)  # what is done once for the program
    assert calls(240) < 4.4 * calls(60)
