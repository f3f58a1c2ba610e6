"""Mapped aggregates that are deleted, whatever was done with them before in the same unit."""

from __future__ import annotations

from typing import Any

from tests.persistence.crates import Depot, in_depots


@in_depots()
async def test_one_that_has_got_a_part_in_this_unit_is_deleted(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"), depot.new(2), depot.new(3, "cup"), depot.new(4))
    async with depot.unit() as unit:
        session = await unit.session()
        crates = await unit.crates.get_many([1, 2, 3, 4])
        for crate in crates.values():
            crate.pack("pot")
        await unit.crates.delete(crates[1])
        await session.flush()
        await unit.crates.delete(crates[2])
        await session.delete(crates[3])
        await unit.commit()

    assert [await depot.stored(number) is None for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert [line.item for line in (await depot.stored(4)).lines] == ["pot"]
    assert len(await depot.messages()) == 4


@in_depots()
async def test_one_that_was_never_stored_is_not_stored_by_a_flush(depot: Depot) -> None:
    async with depot.unit() as unit:
        crate = depot.new(1, "cup")
        await unit.crates.save(crate)
        await unit.crates.delete(crate)
        await (await unit.session()).flush()
        await unit.commit()

    assert await depot.stored() is None


@in_depots()
async def test_after_a_flush_it_is_not_deleted_again_by_the_next_one(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"), depot.new(2, "pot"))
    async with depot.unit() as unit:
        session = await unit.session()
        await unit.crates.delete(await unit.crates.get(1))
        await session.flush()
        (await unit.crates.get(2)).name = "coffee"
        await session.flush()  # SQLAlchemy would warn that it has matched no row
        await unit.commit()

    assert await depot.stored(1) is None
    assert (await depot.stored(2)).name == "coffee"


@in_depots("sqlite")
async def test_another_object_that_took_its_row_is_deleted_too(depot: Depot) -> None:
    for flush in ("never", "before", "after"):
        await depot.save(depot.new(1, "cup"))
        async with depot.unit() as unit:
            session = await unit.session()
            await unit.crates.delete(await unit.crates.get(1))
            other = depot.new(1, "pot")
            await unit.crates.save(other)
            if flush == "before":
                await session.flush()
            await unit.crates.delete(other)
            if flush == "after":
                await session.flush()
            await unit.commit()
        assert await depot.stored() is None


@in_depots("sqlite")
async def test_another_object_takes_the_place_of_what_was_never_stored_or_what_the_session_deletes(
    depot: Depot,
) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        await (await unit.session()).delete(await unit.crates.get(1))
        await unit.crates.save(depot.new(1, "pot"))
        new: Any = depot.new(2, "cup")
        await unit.crates.save(new)
        await unit.crates.delete(new)
        await unit.crates.save(depot.new(2, "pot"))
        await unit.commit()

    for number in (1, 2):
        assert [line.item for line in (await depot.stored(number)).lines] == ["pot"]


@in_depots("sqlite")
async def test_another_object_that_took_its_row_is_saved_again_after_a_flush(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        await unit.crates.delete(await unit.crates.get(1))
        other = depot.new(1, "pot")
        await unit.crates.save(other)
        await (await unit.session()).flush()
        other.name = "coffee"
        await unit.crates.save(other)
        await unit.commit()

    stored = await depot.stored()
    assert (stored.name, [line.item for line in stored.lines]) == ("coffee", ["pot"])
