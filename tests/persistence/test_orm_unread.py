"""Aggregates of which something was not read, or has expired: they are compared all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import BigInteger, ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, load_only, mapped_column, selectin_polymorphic

from dddkit.dataclasses import Aggregate
from dddkit.exceptions import ConcurrencyError
from dddkit.sqlalchemy import OrmMapped, UnitError, UnitOfWork, embedded
from tests.persistence.crates import Depot, in_depots


async def expire(session: Any, crate: Any, names: list[str] | None) -> None:
    """Expire it; an AsyncSession has nothing to await there."""
    expiring = session.expire(crate, names)
    if expiring is not None:
        await expiring


@in_depots("sqlite")
async def test_what_has_expired_is_stored_against_the_version_that_was_read(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    before = await depot.version()
    theirs = await depot.stored()
    for names in (None, [depot.way.version]):
        async with depot.unit() as unit:
            crate = await unit.crates.get(1)
            await expire(await unit.session(), crate, names)
            crate.name = "coffee" if names else "milk"
            await unit.commit()
    assert before is not None
    assert await depot.version() == before + 2
    assert (await depot.stored()).name == "coffee"
    theirs.name = "water"
    with pytest.raises(ConcurrencyError):
        await depot.save(theirs)


@in_depots("sqlite")
async def test_the_version_is_read_whatever_the_options_leave_out(depot: Depot) -> None:
    await depot.save(depot.new(1))
    before = await depot.version()
    crates: Any = OrmMapped
    unit_class = depot.declare(crates=crates[depot.Crate, int](options=[load_only(depot.Crate.name)]))
    async with depot.unit(unit_class) as unit:
        (await unit.crates.get(1)).name = "coffee"
        await unit.commit()
    assert before is not None
    assert await depot.version() == before + 1


@in_depots("sqlite")
async def test_a_change_of_what_the_session_has_read_without_its_version_is_refused(depot: Depot) -> None:
    await depot.save(depot.new(1))
    query = select(depot.Crate).options(load_only(depot.Crate.name))
    without = r"identity 1 was read without its version, .*; add undefer\(\w+\.\w*version\) to the options"
    async with depot.unit() as unit:
        session = await unit.session()
        (await session.scalars(query)).one().name = "coffee"
        with pytest.raises(UnitError, match=without):
            await unit.commit()
    async with depot.unit(read_only=True) as unit:
        session = await unit.session()
        crate = (await session.scalars(query)).one()
    with pytest.raises(UnitError, match=without):
        await depot.save(crate)


@in_depots("sqlite")
async def test_a_flush_writes_what_was_changed_in_place_before_it_is_read_again(depot: Depot) -> None:
    await depot.save(depot.new(1))
    async with depot.unit() as unit:
        session, crate = await unit.session(), await unit.crates.get(1)
        crate.tags.append("b")
        await session.flush()
        await session.refresh(crate)
        assert crate.tags == ["a", "b"]
        await unit.commit()

    assert (await depot.stored()).tags == ["a", "b"]


class Base(DeclarativeBase):
    pass


class Vehicle(Aggregate, Base):
    __tablename__ = "vehicles"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    version: Mapped[int] = mapped_column(BigInteger)
    __mapper_args__ = {"version_id_col": version, "polymorphic_on": "kind", "polymorphic_identity": "vehicle"}


class Truck(Vehicle):
    __tablename__ = "trucks"
    id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"), primary_key=True)
    payload: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "truck"}


class FleetUnit(UnitOfWork):
    vehicles = OrmMapped[Vehicle, int]()


class WholeFleetUnit(UnitOfWork):
    vehicles = OrmMapped[Vehicle, int](options=[selectin_polymorphic(Vehicle, [Truck])])


def test_what_a_subclass_adds_is_named_with_the_option_that_loads_it() -> None:
    async def run() -> None:
        engine = embedded(":memory:", Base.metadata)
        async with FleetUnit(engine) as unit:
            await unit.vehicles.save(Truck(id=1, payload=5))
            await unit.commit()
        async with FleetUnit(engine, read_only=True) as unit:
            truck: Any = await unit.vehicles.get(1)
            with pytest.raises(UnitError, match=r"write options=\[selectin_polymorphic\(Vehicle, \[Truck\]\)\] into"):
                _ = truck.payload
        async with WholeFleetUnit(engine, read_only=True) as whole:
            truck = await whole.vehicles.get(1)
            assert truck.payload == 5
        await engine.dispose()

    asyncio.run(run())
