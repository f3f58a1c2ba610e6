"""The session of a unit: statements of the user's own, flushes, what is not loaded, and what follows a failure."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import lazyload
from sqlalchemy.orm.exc import DetachedInstanceError

from dddkit.exceptions import ConcurrencyError
from dddkit.sqlalchemy import OrmMapped, UncommittedChangesError, UnitError
from tests.persistence.crates import Depot, Money, Packed, in_depots


@in_depots()
async def test_statements_of_the_users_own_see_the_transaction(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    async with depot.unit() as unit:
        session = await unit.session()
        assert not depot.is_async or session is await unit.session()
        crate = await unit.crates.get(1)
        assert (await session.scalars(select(depot.Crate))).one() is crate
        crate.pack("pot")
        lines = select(func.count()).select_from(depot.Line)
        assert await session.scalar(lines) == 2
        await session.flush()
        assert await session.scalar(lines) == 3
        await unit.commit()
    assert await depot.rows(lines) == [(3,)]


@in_depots("sqlite")
async def test_an_aggregate_read_by_the_session_is_tracked(depot: Depot) -> None:
    await depot.save(depot.new(1), depot.new(2))
    before = await depot.version(1)
    async with depot.unit() as unit:
        session = await unit.session()
        for crate in (await session.scalars(select(depot.Crate).order_by(depot.Crate.crate_id))).all():
            if crate.crate_id == 1:
                crate.weigh()
            else:
                await session.delete(crate)
        assert (await unit.crates.get(1)).get_events() != []
        await unit.commit()
    assert before is not None
    assert await depot.version(1) == before + 1
    assert await depot.stored(2) is None
    assert await depot.messages() == [("crate.weighed.v1", "crates/1")]


@in_depots("sqlite")
async def test_an_aggregate_added_to_the_session_is_saved(depot: Depot) -> None:
    async with depot.unit() as unit:
        session = await unit.session()
        crate = depot.new(1, "cup")
        crate.weigh()
        session.add(crate)
        assert await unit.crates.get(1) is crate
        await unit.commit()
    assert len((await depot.stored()).lines) == 1
    assert await depot.messages() == [("crate.weighed.v1", "crates/1")]


@in_depots()
async def test_after_a_flush_that_the_user_asked_for_the_version_has_moved_once(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    before = await depot.version()
    theirs = await depot.stored()
    async with depot.unit() as unit:
        session = await unit.session()
        crate = await unit.crates.get(1)
        crate.lines[0].amount = 7  # a part alone
        await session.flush()
        assert crate.get_events() == []
        await unit.commit()
    assert before is not None
    assert await depot.version() == before + 1
    assert getattr(crate, depot.way.version) == before + 1
    theirs.name = "coffee"
    with pytest.raises(ConcurrencyError):
        await depot.save(theirs)
    crate.name = "coffee"
    await depot.save(crate)


@in_depots()
async def test_what_changes_after_a_flush_is_written_too(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        session = await unit.session()
        crate, new = await unit.crates.get(1), depot.new(2, "pot")
        await unit.crates.save(new)
        crate.name = "coffee"
        await session.flush()
        for one in (crate, new):
            one.tags.append("late")
            one.lines[0].amount += 1
            one.weigh()
        await session.flush()
        crate.pack("tea")
        assert await unit.crates.get(1, lock=True) is crate
        await unit.commit()
    for one in (crate, new):
        stored = await depot.stored(one.crate_id)
        assert stored.tags == one.tags == ["a", "late"]
        assert [line.amount for line in stored.lines] == [line.amount for line in one.lines]
        assert getattr(stored, depot.way.version) == getattr(one, depot.way.version)
        one.name = "again"
        await depot.save(one)


@in_depots("sqlite")
async def test_a_flush_is_a_change_that_has_to_be_committed(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))

    async def change_and_forget() -> None:
        async with depot.unit() as unit:
            (await unit.crates.get(1)).name = "coffee"
            await (await unit.session()).flush()

    with pytest.raises(UncommittedChangesError):
        await change_and_forget()
    assert (await depot.stored()).name == "tea"


@in_depots("sqlite")
async def test_what_was_flushed_and_rolled_back_can_be_saved_as_if_it_had_not_been(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    async with depot.unit() as unit:
        session = await unit.session()
        crate, new, gone = await unit.crates.get(1), depot.new(2, "pot"), depot.new(3)
        crate.name = "coffee"
        crate.lines[0].amount = 5
        del crate.lines[1]
        await unit.crates.save(new)
        await session.flush()
        crate.tags.append("late")
        crate.pack("late")
        await unit.crates.save(gone)
        await session.flush()
        await unit.rollback()
    await depot.save(crate, new)
    stored = await depot.stored()
    assert (stored.name, stored.tags) == ("coffee", ["a", "late"])
    assert [(line.item, line.amount) for line in stored.lines] == [("cup", 5), ("late", 1)]
    assert [line.item for line in (await depot.stored(2)).lines] == ["pot"]
    assert await depot.stored(3) is None


@in_depots("sqlite")
async def test_so_it_is_with_what_was_deleted(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        crate = await unit.crates.get(1)
        await unit.crates.delete(crate)
        await (await unit.session()).flush()
        assert await unit.crates.get(1) is None
        await unit.rollback()
    crate.name = "still there"
    await depot.save(crate)
    assert [line.item for line in (await depot.stored()).lines] == ["cup"]


@in_depots("sqlite")
async def test_a_deletion_that_was_flushed_is_committed(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        crate = await unit.crates.get(1)
        crate.weigh()
        await unit.crates.delete(crate)
        session = await unit.session()
        await session.flush()
        assert await session.scalar(select(func.count()).select_from(depot.Crate)) == 0
        await unit.commit()
    assert await depot.stored() is None
    assert await depot.messages() == [("crate.weighed.v1", "crates/1")]
    with pytest.raises(ConcurrencyError, match="has been deleted since"):
        await depot.save(crate)


@in_depots("sqlite")
async def test_the_unit_commits_the_session_and_closes_it(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        session = await unit.session()
        for operation in (session.commit, session.rollback):
            with pytest.raises(UnitError, match="of its session; leave it to the unit"):
                await operation()
        crate = await unit.crates.get(1)
        crate.name = "coffee"
        await session.close()
        await session.refresh(crate, ["lines"])
        await unit.commit()
    assert (await depot.stored()).name == "coffee"


@in_depots("sqlite")
async def test_a_unit_that_only_reads_flushes_nothing(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit(read_only=True) as unit:
        session = await unit.session()
        crate = await unit.crates.get(1)
        crate.name = "coffee"
        with pytest.raises(UnitError, match="flush in a unit that only reads"):
            await session.flush()
    await depot.save(crate)
    assert (await depot.stored()).name == "coffee"


# What is not loaded


def lazy(depot: Depot) -> Any:
    crates: Any = OrmMapped
    return depot.declare(crates=crates[depot.Crate, int](options=[lazyload(depot.Crate.lines)]))


@in_depots("sqlite")
async def test_what_is_not_loaded_is_named_in_async_code_and_loaded_in_sync_code(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit(lazy(depot)) as unit:
        crate = await unit.crates.get(1)
        if depot.is_async:
            with pytest.raises(UnitError, match=r"Crate\.lines is not loaded.*selectinload\(\w+Crate\.lines\)"):
                print(crate.lines)
            await (await unit.session()).refresh(crate, ["lines"])
        assert [line.item for line in crate.lines] == ["cup"]
        crate.name = "coffee"
        await unit.commit()
    assert (await depot.stored()).name == "coffee"


@in_depots("sqlite")
async def test_an_aggregate_is_changed_and_deleted_without_what_is_not_loaded(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"), depot.new(2, "tea"))
    async with depot.unit(lazy(depot)) as unit:
        (await unit.crates.get(1)).name = "coffee"
        await unit.crates.delete(await unit.crates.get(2))
        await unit.commit()
    assert [line.item for line in (await depot.stored()).lines] == ["cup"]
    assert await depot.rows(select(func.count()).select_from(depot.Line)) == [(1,)]


@in_depots("sqlite")
async def test_after_the_unit_nothing_is_loaded(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit(lazy(depot)) as unit:
        crate = await unit.crates.get(1)
    with pytest.raises(DetachedInstanceError, match="lines"):
        print(crate.lines)


@in_depots("sqlite")
async def test_a_part_that_changes_without_its_aggregate_is_refused(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        session = await unit.session()
        line = (await session.scalars(select(depot.Line))).one()
        line.amount = 7
        with pytest.raises(UnitError, match=r"a \w+Line has changed, which belongs to a \w+Crate.*change it there"):
            await session.flush()
        with pytest.raises(UnitError, match="no version would move"):
            await unit.commit()
    assert (await depot.stored()).lines[0].amount == 1


# Failures


async def move_version(unit: Any) -> None:
    """Do what somebody else would have done, who was faster; here in the same transaction, since SQLite has one."""
    connection = await unit.connection()
    await connection.execute(update(unit.crates.table).values(version=unit.crates.table.c.version + 1))


@in_depots()
async def test_a_stale_flush_is_a_concurrency_error_and_so_is_the_unit(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    crate = await depot.stored()
    async with depot.unit() as unit:
        await unit.crates.save(crate)
        await move_version(unit)
        crate.pack("pot")
        session = await unit.session()
        with pytest.raises(ConcurrencyError, match="repeat"):
            await session.flush()
        assert await unit.crates.get(1) is crate
        with pytest.raises(UnitError, match="has undone the whole transaction"):
            await unit.crates.get(2)
        with pytest.raises(UnitError, match="has undone the whole transaction"):
            await unit.commit()
    assert [type(event) for event in crate.get_events()] == [Packed]
    await depot.save(crate)  # what the transaction has changed is undone
    assert [line.item for line in (await depot.stored()).lines] == ["cup", "tea", "pot"]


@in_depots()
async def test_a_stale_commit_is_a_concurrency_error_and_leaves_the_objects_as_they_were(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    async with depot.unit() as unit:
        crate = await unit.crates.get(1)
        await move_version(unit)
        crate.pack("pot")
        del crate.lines[0]
        with pytest.raises(ConcurrencyError, match=r"but version .* is stored now"):
            await unit.commit()
    assert [line.item for line in crate.lines] == ["tea", "pot"]
    assert [type(event) for event in crate.get_events()] == [Packed]
    await depot.save(crate)
    assert [line.item for line in (await depot.stored()).lines] == ["tea", "pot"]


@in_depots()
async def test_a_stale_row_read_again_is_no_error_of_the_session(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        crate = await unit.crates.get(1)
        await move_version(unit)
        crate.name = "coffee"
        assert await unit.crates.find() == [crate]
        with pytest.raises(ConcurrencyError):
            await unit.crates.get(1, lock=True)
        session = await unit.session()
        await session.refresh(crate)  # the user takes what is there
        assert crate.name == "tea"
        crate.name = "after all"
        await unit.commit()
    assert (await depot.stored()).name == "after all"


@in_depots("sqlite")
async def test_what_was_read_again_is_no_change(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        crate, session = await unit.crates.get(1), await unit.session()
        await (await unit.connection()).execute(update(unit.crates.table).values(tags=["b"]))
        await session.refresh(crate, ["tags"])
        assert crate.tags == ["b"]
        await unit.rollback()
    async with depot.unit() as unit:
        crate, session = await unit.crates.get(1), await unit.session()
        crate.tags.append("c")
        await session.refresh(crate, ["lines"])
        await unit.commit()
    assert (await depot.stored()).tags == ["a", "c"]


@in_depots("postgresql")
async def test_a_locked_aggregate_waits_for_the_unit_that_has_it(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"), depot.new(2))
    async with depot.unit() as one, depot.unit() as other:
        crate = await one.crates.get(1, lock=True)
        assert await one.crates.get(1, lock=True) is crate
        await (await other.connection()).execute(text("SET LOCAL lock_timeout = '20ms'"))
        assert await other.crates.get(2, lock=True) is not None
        assert await other.crates.get(3, lock=True) is None
        assert await other.crates.get(1) is not None
        with pytest.raises(DBAPIError, match="lock timeout"):
            await other.crates.get(1, lock=True)
        await other.rollback()
        crate.name = "coffee"
        await one.commit()
    assert (await depot.stored()).name == "coffee"


@in_depots()
async def test_what_the_database_refuses_passes_and_leaves_the_objects_as_they_were(depot: Depot) -> None:
    async with depot.unit() as unit:
        connection = await unit.connection()
        name = depot.Unit.crates.table.name
        await connection.execute(text(f"CREATE UNIQUE INDEX one_name ON {name} (name)"))
        await unit.crates.save(depot.new(1, "cup"))
        await unit.commit()
    async with depot.unit() as unit:
        crate = depot.new(2, "tea")
        crate.weigh()
        await unit.crates.save(crate)
        with pytest.raises(IntegrityError):
            await unit.commit()
    assert len(crate.get_events()) == 1
    crate.name = "another"
    await depot.save(crate)
    assert [line.item for line in (await depot.stored(2)).lines] == ["tea"]
    assert crate.get_events() == []


@in_depots("sqlite")
async def test_what_fails_after_the_flush_leaves_the_objects_as_they_were(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    async with depot.unit() as unit:
        connection = await unit.connection()
        refuse = "CREATE TRIGGER no BEFORE INSERT ON dddkit_outbox BEGIN SELECT RAISE(ABORT, 'no'); END"
        await connection.execute(text(refuse))
        assert await unit.once("to have something to commit")
        await unit.commit()
    async with depot.unit() as unit:
        crate, new = await unit.crates.get(1), depot.new(2, "pot")
        version = getattr(crate, depot.way.version)
        crate.pack("pot")
        del crate.lines[0]
        await unit.crates.save(new)
        with pytest.raises(IntegrityError, match="no"):
            await unit.commit()
    assert getattr(crate, depot.way.version) == version
    async with depot.unit() as unit:
        connection = await unit.connection()
        await connection.execute(text("DROP TRIGGER no"))
        await unit.crates.save(crate)
        await unit.crates.save(new)
        await unit.commit()
    assert [line.item for line in (await depot.stored()).lines] == ["tea", "pot"]
    assert [line.item for line in (await depot.stored(2)).lines] == ["pot"]
    assert await depot.messages() == [("crate.packed.v1", "crates/1")]


@in_depots("sqlite")
async def test_a_value_that_fits_no_column_is_named_without_it(depot: Depot) -> None:
    for name in (["secret"], "secret \ud800"):
        with pytest.raises(UnitError, match="Crate with the identity 1 does not fit its columns") as caught:
            await depot.save(depot.new(1, name=name))
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None
    with pytest.raises(UnitError, match="Crate with the identity 1 does not fit its columns"):
        await depot.save(depot.new(1, price=Money(2**64)))
