"""Parts with more than one owner, and parts that are aggregates themselves: the versions of all that are read move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import BigInteger, Engine, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from dddkit.dataclasses import Aggregate, Identity
from dddkit.sqlalchemy import OrmMapped, SyncUnitOfWork, UncommittedChangesError, sync_embedded

# Any: what a class holds is mapped, and read back from the tables.
Model = Any


class Base(DeclarativeBase):
    pass


class Address(Base):
    __tablename__ = "addresses"
    address_id: Mapped[int] = mapped_column(primary_key=True)
    town: Mapped[str]


class Order(Aggregate, Base):
    __tablename__ = "orders"
    order_id: Mapped[Identity[int]] = mapped_column(primary_key=True)
    address_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.address_id"))
    address: Mapped[Address | None] = relationship(cascade="all, delete-orphan", single_parent=True)
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}


class Customer(Aggregate, Base):
    __tablename__ = "customers"
    customer_id: Mapped[Identity[int]] = mapped_column(primary_key=True)
    address_id: Mapped[int | None] = mapped_column(ForeignKey("addresses.address_id"))
    address: Mapped[Address | None] = relationship(cascade="all, delete-orphan", single_parent=True)
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}


class Node(Aggregate, Base):
    """Owns others of its own class, which are aggregates too."""

    __tablename__ = "nodes"
    node_id: Mapped[Identity[int]] = mapped_column(primary_key=True)
    upper_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.node_id"))
    nodes: Mapped[list[Node]] = relationship(cascade="all, delete-orphan")
    leaves: Mapped[list[Leaf]] = relationship(cascade="all, delete-orphan")
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}


class Leaf(Aggregate, Base):
    """Belongs to a node, and is an aggregate too."""

    __tablename__ = "leaves"
    leaf_id: Mapped[Identity[int]] = mapped_column(primary_key=True)
    node_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.node_id"))
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version}


class Unit(SyncUnitOfWork):
    customers: Model = OrmMapped[Customer, int]()
    leaves: Model = OrmMapped[Leaf, int]()
    nodes: Model = OrmMapped[Node, int]()
    orders: Model = OrmMapped[Order, int]()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = sync_embedded(":memory:", Base.metadata)
    yield engine
    engine.dispose()


def versions(engine: Engine, *names: str) -> list[int | None]:
    """Return the versions of those with the identity 1."""
    with Unit(engine, read_only=True) as unit:
        found = [getattr(unit, name).get(1) for name in names]
        return [one and one.version for one in found]


@pytest.mark.parametrize("flushes", [False, True])
def test_a_part_of_two_aggregates_moves_the_versions_of_both_where_both_are_read(engine: Engine, flushes: bool) -> None:
    with Unit(engine) as unit:
        shared = Address(town="Kiel")
        unit.orders.save(Order(order_id=1, address=shared))
        unit.customers.save(Customer(customer_id=1, address=shared))
        unit.commit()
    before = versions(engine, "orders", "customers")
    with Unit(engine) as unit:
        order, customer = unit.orders.get(1), unit.customers.get(1)
        assert order.address is customer.address
        order.address.town = "Ulm"
        if flushes:
            unit.session().flush()
        unit.commit()
    assert versions(engine, "orders", "customers") == [1 + (version or 0) for version in before]
    with Unit(engine) as unit:  # nobody was faster
        unit.orders.save(order)
        unit.customers.save(customer)
        unit.commit()


def delete_one_of_the_same_class(unit: Model) -> None:
    unit.nodes.delete(unit.nodes.get(2))


def delete_one_of_the_same_class_by_the_session(unit: Model) -> None:
    unit.session().delete(unit.nodes.get(2))


def delete_one_of_another_class(unit: Model) -> None:
    unit.leaves.delete(unit.leaves.get(1))


def delete_one_of_another_class_by_the_session(unit: Model) -> None:
    unit.session().delete(unit.leaves.get(1))


@pytest.mark.parametrize("flushes", [False, True])
@pytest.mark.parametrize(
    "delete",
    [
        delete_one_of_the_same_class,
        delete_one_of_the_same_class_by_the_session,
        delete_one_of_another_class,
        delete_one_of_another_class_by_the_session,
    ],
    ids=lambda function: str(function.__name__),
)
def test_an_owned_aggregate_that_is_deleted_moves_the_version_of_its_owner(
    engine: Engine, delete: Callable[[Model], None], flushes: bool
) -> None:
    with Unit(engine) as unit:
        unit.nodes.save(Node(node_id=1, nodes=[Node(node_id=2)], leaves=[Leaf(leaf_id=1)]))
        unit.commit()
    (before,) = versions(engine, "nodes")
    with Unit(engine) as unit:
        node = unit.nodes.get(1)
        assert (len(node.nodes), len(node.leaves)) == (1, 1)
        delete(unit)
        if flushes:
            unit.session().flush()
        unit.commit()
    assert versions(engine, "nodes") == [1 + (before or 0)]
    assert len(node.nodes) + len(node.leaves) == 1
    with Unit(engine) as unit:
        unit.nodes.save(node)
        unit.commit()
    with Unit(engine, read_only=True) as unit:
        assert len(unit.nodes.get(1).nodes) + len(unit.nodes.get(1).leaves) == 1


def test_an_owner_has_what_was_deleted_by_a_flush_again_when_its_unit_is_rolled_back(engine: Engine) -> None:
    with Unit(engine) as unit:
        unit.nodes.save(Node(node_id=1, leaves=[Leaf(leaf_id=1), Leaf(leaf_id=2)]))
        unit.commit()
    with Unit(engine) as unit:
        node = unit.nodes.get(1)
        leaf = node.leaves[0]
        unit.leaves.delete(leaf)
        unit.session().flush()
        assert leaf not in node.leaves
        unit.rollback()
    assert node.leaves[0] is leaf
    with Unit(engine) as unit:
        node.leaves.remove(leaf)
        unit.nodes.save(node)
        unit.commit()
    with Unit(engine, read_only=True) as unit:
        assert [one.leaf_id for one in unit.leaves.find()] == [2]


def test_an_owner_is_named_among_what_was_not_committed_where_a_part_was_deleted(engine: Engine) -> None:
    with Unit(engine) as unit:
        unit.nodes.save(Node(node_id=1, leaves=[Leaf(leaf_id=1)]))
        unit.commit()

    def forget_to_commit() -> None:
        with Unit(engine) as unit:
            assert unit.nodes.get(1).leaves
            unit.leaves.delete(unit.leaves.get(1))

    with pytest.raises(UncommittedChangesError) as caught:
        forget_to_commit()
    assert {type(one) for one in caught.value.aggregates} == {Node, Leaf}
