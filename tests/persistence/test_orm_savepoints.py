"""Savepoints of the session of a unit: what was undone is as if it had not happened, for the unit too."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from dddkit.exceptions import ConcurrencyError
from tests.persistence.crates import Depot, in_depots


async def undo(savepoint: Any) -> None:
    """Roll it back, in either kind of unit."""
    if inspect.isawaitable(undoing := savepoint.rollback()):
        await undoing


async def read_again(session: Any, crate: Any) -> None:
    """Load what SQLAlchemy has expired."""
    await session.refresh(crate)
    await session.refresh(crate, ["lines"])


@in_depots()
async def test_a_part_that_changes_after_an_undone_savepoint_moves_the_version(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    before = await depot.version()
    async with depot.unit() as unit:
        session, crate = await unit.session(), await unit.crates.get(1)
        savepoint = await session.begin_nested()
        crate.name = "coffee"
        await session.flush()
        await undo(savepoint)
        await read_again(session, crate)
        crate.lines[0].amount = 7
        await unit.commit()

    assert before is not None
    assert await depot.version() == getattr(crate, depot.way.version) == before + 1
    stored = await depot.stored()
    assert (stored.name, stored.lines[0].amount) == ("tea", 7)


@in_depots("postgresql")
async def test_what_others_write_after_an_undone_savepoint_is_found(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "pot"))
    async with depot.unit() as unit:
        session, crate = await unit.session(), await unit.crates.get(1)
        savepoint = await session.begin_nested()
        crate.name = "coffee"
        await session.flush()
        await undo(savepoint)  # and with it the lock of the row
        await read_again(session, crate)
        theirs = await depot.stored()
        theirs.lines[0].amount = 8
        await depot.save(theirs)
        crate.lines[1].amount = 7
        with pytest.raises(ConcurrencyError):
            await unit.commit()


@in_depots()
async def test_what_was_deleted_in_an_undone_savepoint_stays(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"), depot.new(2, "cup"))
    async with depot.unit() as unit:
        session = await unit.session()
        crate, other = await unit.crates.get(1), await unit.crates.get(2)
        savepoint = await session.begin_nested()
        await unit.crates.delete(crate)
        await session.delete(other)
        await session.flush()
        await undo(savepoint)
        assert await unit.crates.get(1) is crate
        assert await unit.crates.get(2) is other
        await unit.commit()

    assert len((await depot.stored(1)).lines) == len((await depot.stored(2)).lines) == 1


@in_depots()
async def test_what_was_deleted_in_an_undone_savepoint_can_be_deleted_again(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        session, crate = await unit.session(), await unit.crates.get(1)
        savepoint = await session.begin_nested()
        await unit.crates.delete(crate)
        await session.flush()
        await undo(savepoint)
        await unit.crates.delete(crate)
        await unit.commit()

    assert await depot.stored() is None


@in_depots()
async def test_what_was_new_in_an_undone_savepoint_is_not_stored(depot: Depot) -> None:
    async with depot.unit() as unit:
        session = await unit.session()
        savepoint = await session.begin_nested()
        crate = depot.new(1, "cup")
        crate.weigh()
        await unit.crates.save(crate)
        await session.flush()
        await undo(savepoint)
        assert await unit.crates.get(1) is None
        await unit.crates.save(depot.new(2))
        await unit.commit()

    assert await depot.stored(1) is None
    assert await depot.stored(2) is not None
    assert await depot.messages() == []


@in_depots()
async def test_after_an_undone_insert_the_stored_aggregate_is_found(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        session = await unit.session()
        savepoint = await session.begin_nested()
        await unit.crates.save(depot.new(1, "pot"))
        with pytest.raises(IntegrityError):
            await session.flush()
        await undo(savepoint)
        crate = await unit.crates.get(1)
        crate.pack("tea")
        await unit.commit()

    assert [line.item for line in (await depot.stored()).lines] == ["cup", "tea"]
    assert await depot.messages() == [("crate.packed.v1", "crates/1")]


@in_depots()
async def test_what_was_recorded_in_an_undone_savepoint_is_not_published(depot: Depot) -> None:
    await depot.save(depot.new(1), depot.new(2))
    before = await depot.version(1), await depot.version(2)
    async with depot.unit() as unit:
        session, crate = await unit.session(), await unit.crates.get(1)
        crate.weigh()
        savepoint = await session.begin_nested()
        crate.pack("cup")
        late = await unit.crates.get(2)
        late.weigh()
        await session.flush()
        await undo(savepoint)
        assert (len(crate.get_events()), len(late.get_events())) == (1, 0)
        await unit.commit()  # in async code too, where nobody has read them again

    assert await depot.messages() == [("crate.weighed.v1", "crates/1")]
    assert before[0] is not None
    assert (await depot.version(1), await depot.version(2)) == (before[0] + 1, before[1])


@in_depots("sqlite")
async def test_an_inner_savepoint_is_undone_alone(depot: Depot) -> None:
    await depot.save(depot.new(1), depot.new(2))
    async with depot.unit() as unit:
        session = await unit.session()
        outer = await session.begin_nested()
        (await unit.crates.get(1)).weigh()
        inner = await session.begin_nested()
        (await unit.crates.get(2)).weigh()
        await session.flush()
        await undo(inner)
        if inspect.isawaitable(ending := outer.commit()):
            await ending
        await unit.commit()

    assert await depot.messages() == [("crate.weighed.v1", "crates/1")]


@in_depots("sqlite")
async def test_what_was_changed_in_place_in_an_undone_savepoint_is_as_before(depot: Depot) -> None:
    await depot.save(depot.new(1))
    before = await depot.version()
    async with depot.unit() as unit:
        session, crate = await unit.session(), await unit.crates.get(1)
        savepoint = await session.begin_nested()
        crate.tags.append("b")
        await undo(savepoint)
        assert crate.tags == ["a"]
        await unit.commit()

    assert await depot.version() == before
