"""What moves the version of a mapped aggregate: any change of its row, and of what is deleted with it."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from dddkit.exceptions import ConcurrencyError
from dddkit.sqlalchemy import UncommittedChangesError, UnitError
from tests.persistence.crates import Depot, Money, Packed, in_depots

Change = Callable[[Any], object]


def take_out(crate: Any) -> None:
    crate.lines[0].amount = 3  # of which nobody hears any more
    del crate.lines[0]


def replace_lines(crate: Any) -> None:
    crate.lines = [type(crate.lines[0])(item="pot")]


CHANGES: dict[str, Change] = {
    "a column": lambda crate: setattr(crate, "name", "coffee"),
    "a composite value": lambda crate: setattr(crate, "price", Money(6, "USD")),
    "a value changed in place": lambda crate: crate.tags.append("b"),
    "a part alone": lambda crate: setattr(crate.lines[1], "amount", 9),
    "a part added": lambda crate: crate.lines.append(type(crate.lines[0])(item="pot")),
    "a part taken out": take_out,
    "all parts replaced": replace_lines,
    "an event alone": lambda crate: crate.weigh(),
}


def content(crate: Any) -> Any:
    return crate.name, crate.price, crate.tags, [(line.item, line.amount) for line in crate.lines]


@in_depots()
async def test_every_change_moves_the_version_by_one_and_is_stored(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    for change in CHANGES.values():
        before = await depot.version()
        async with depot.unit() as unit:
            crate = await unit.crates.get(1)
            change(crate)
            await unit.commit()
        assert before is not None
        assert await depot.version() == before + 1
        assert content(await depot.stored()) == content(crate)


@in_depots("sqlite")
async def test_every_change_is_missed_where_it_is_not_committed(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    before = await depot.version()
    for change in CHANGES.values():
        with pytest.raises(UncommittedChangesError, match="Crate with the identity 1"):
            async with depot.unit() as unit:
                change(await unit.crates.get(1))
    assert await depot.version() == before


@in_depots("sqlite")
async def test_what_was_only_read_is_not_written(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    before = await depot.version()
    async with depot.unit() as unit:
        crate = await unit.crates.get(1)
        crate.name, crate.tags, crate.price = str(crate.name), [*crate.tags], Money(5)
        content(crate)
        await unit.commit()
    assert await depot.version() == before


@in_depots()
async def test_every_change_of_an_object_of_an_earlier_unit_is_saved_against_its_version(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    for change in CHANGES.values():
        crate, theirs = await depot.stored(), await depot.stored()
        before = await depot.version()
        change(crate)
        crate = pickle.loads(pickle.dumps(crate))
        await depot.save(crate)
        assert before is not None
        assert await depot.version() == before + 1
        assert content(await depot.stored()) == content(crate)
        change(theirs)
        with pytest.raises(ConcurrencyError) as caught:
            await depot.save(theirs)
        assert (caught.value.aggregate, caught.value.expected, caught.value.found) == (theirs, before, before + 1)


@in_depots("sqlite")
async def test_what_was_saved_can_be_changed_and_saved_again_and_again(depot: Depot) -> None:
    crate = depot.new(1, "cup", "tea")
    await depot.save(crate)
    for change in CHANGES.values():
        change(crate)
        await depot.save(crate)
        assert content(await depot.stored()) == content(crate)


@in_depots("sqlite")
async def test_a_save_moves_the_version_though_nothing_has_changed(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    before = await depot.version()
    async with depot.unit() as unit:
        await unit.crates.save(await unit.crates.get(1))
        await unit.commit()
    assert before is not None
    assert await depot.version() == before + 1


@in_depots("sqlite")
async def test_an_event_only_aggregate_that_nobody_holds_is_kept_by_the_unit(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        (await unit.crates.get(1)).weigh()
        gc.collect()
        await unit.commit()
    assert await depot.messages() == [("crate.weighed.v1", "crates/1")]


# Deleting


@in_depots()
async def test_what_is_deleted_with_an_aggregate_is_deleted(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"), depot.new(2, "pot"))
    await depot.delete(await depot.stored(1))
    async with depot.unit() as unit:
        crate = await unit.crates.get(2)
        crate.weigh()
        await unit.crates.delete(crate)
        assert await unit.crates.get(2) is None
        await unit.commit()
    assert await depot.stored(1) is None
    assert await depot.stored(2) is None
    assert await depot.rows(select(func.count()).select_from(depot.Line)) == [(0,)]
    assert await depot.messages() == [("crate.weighed.v1", "crates/2")]


@in_depots()
async def test_a_row_that_was_deleted_and_created_again_has_another_version(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    mine = await depot.stored()
    await depot.delete(await depot.stored())
    await depot.save(depot.new(1, "pot"))
    mine.name = "mine"
    with pytest.raises(ConcurrencyError):
        await depot.save(mine)
    with pytest.raises(ConcurrencyError):
        await depot.delete(mine)
    assert [line.item for line in (await depot.stored()).lines] == ["pot"]


@in_depots()
async def test_after_a_delete_another_object_takes_the_row_in_the_same_unit(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    before = await depot.version()
    stale = await depot.stored()
    async with depot.unit() as unit:
        old = await unit.crates.get(1)
        old.weigh()
        await unit.crates.delete(old)
        new = depot.new(1)
        new.pack("pot")
        await unit.crates.save(new)
        assert await unit.crates.get(1) is new
        await unit.commit()
    assert content(await depot.stored()) == content(new)
    assert await depot.messages() == [("crate.weighed.v1", "crates/1"), ("crate.packed.v1", "crates/1")]
    assert before is not None
    version = await depot.version()
    assert version is not None
    assert version > before + 1
    with pytest.raises(ConcurrencyError):
        await depot.delete(stale)
    new.name = "coffee"
    await depot.save(new)


@in_depots("sqlite")
async def test_so_does_an_object_of_an_earlier_unit(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    earlier = await depot.stored()
    earlier.lines.pop()
    async with depot.unit() as unit:
        await unit.crates.delete(await unit.crates.get(1))
        await unit.crates.save(earlier)
        await unit.commit()
    assert [line.item for line in (await depot.stored()).lines] == ["cup"]


@in_depots("sqlite")
async def test_a_deleted_object_is_saved_again_in_the_same_unit(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup", "tea"))
    async with depot.unit() as unit:
        crate = await unit.crates.get(1)
        await unit.crates.delete(crate)
        crate.name = "again"
        await unit.crates.save(crate)
        await unit.commit()
    assert (await depot.stored()).name == "again"


# Versions


@in_depots("sqlite")
async def test_a_deep_copy_under_another_identity_is_new(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    twin = copy.deepcopy(await depot.stored())
    twin.crate_id = 2
    for line in twin.lines:
        line.line_id = None
    await depot.save(twin)
    for crate_id in (1, 2):
        assert content(await depot.stored(crate_id)) == ("tea", Money(5), ["a"], [("cup", 1)])


@in_depots("sqlite")
async def test_a_shallow_copy_is_refused_since_it_shares_the_state(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    twin = copy.copy(await depot.stored())
    with pytest.raises(UnitError, match=r"Crate with the identity 1 is a shallow copy.*copy\.deepcopy"):
        await depot.save(twin)


@in_depots("sqlite")
async def test_a_second_object_of_one_identity_is_refused(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    earlier = await depot.stored()
    async with depot.unit() as unit:
        await unit.crates.get(1)
        with pytest.raises(ConcurrencyError, match="another object"):
            await unit.crates.save(earlier)
        with pytest.raises(ConcurrencyError):
            await unit.crates.save(depot.new(1))
        await unit.rollback()


@in_depots("sqlite")
async def test_an_object_in_use_by_another_unit_is_refused(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit(read_only=True) as one:
        crate = await one.crates.get(1)
        with pytest.raises(UnitError, match="is in use by another session or unit"):
            async with depot.unit() as unit:
                await unit.crates.save(crate)


@in_depots("sqlite")
async def test_a_changed_identity_is_refused(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    async with depot.unit() as unit:
        (await unit.crates.get(1)).crate_id = 2
        with pytest.raises(UnitError, match="has another identity now, 2"):
            await unit.commit()


@in_depots()
async def test_a_taken_identity_is_a_concurrency_error_and_the_object_stays_new(depot: Depot) -> None:
    await depot.save(depot.new(1, "cup"))
    second = depot.new(1, "tea")
    with pytest.raises(ConcurrencyError, match="is new, but one with its identity is stored already"):
        await depot.save(second)
    second.crate_id = 2
    await depot.save(second)
    assert content(await depot.stored(2)) == content(second)


# Reading


@in_depots("sqlite")
async def test_get_finds_what_was_saved_and_is_not_written_yet(depot: Depot) -> None:
    async with depot.unit() as unit:
        crate = depot.new(1)
        await unit.crates.save(crate)
        assert await unit.crates.get(1) is crate
        assert await unit.crates.get_many([1, 2]) == {1: crate}
        await unit.commit()


@in_depots()
async def test_find_gives_what_the_unit_has(depot: Depot) -> None:
    await depot.save(*(depot.new(number, "cup", name=name) for number, name in enumerate("abcd", 1)))
    async with depot.unit() as unit:
        first = await unit.crates.get(1)
        await unit.crates.delete(await unit.crates.get(2))
        columns = unit.crates.table.c
        found = await unit.crates.find(columns.crate_id < 4, order_by=columns.name.desc())
        assert [crate.crate_id for crate in found] == [3, 1]
        assert found[1] is first
        assert [len(crate.lines) for crate in found] == [1, 1]
        assert await unit.crates.find(depot.Crate.name == "d", limit=1) == [await unit.crates.get(4)]
        assert list(await unit.crates.get_many([4, 2, 1])) == [4, 1]
        await unit.rollback()


@in_depots("sqlite")
async def test_a_wrong_identity_is_refused(depot: Depot) -> None:
    async with depot.unit() as unit:
        for wrong in ("1", None, True, 1.0):
            with pytest.raises(TypeError, match=r"crates finds .*Crate by an identity of type int"):
                await unit.crates.get(wrong)
        assert await unit.crates.get(2**70) is None


@in_depots("sqlite")
async def test_objects_stay_usable_after_their_unit(depot: Depot) -> None:
    crate = depot.new(1, "cup")
    await depot.save(crate)
    assert content(crate) == ("tea", Money(5), ["a"], [("cup", 1)])
    assert [line.line_id for line in crate.lines] == [1]
    async with depot.unit() as unit:
        crate = await unit.crates.get(1)
        crate.pack("tea")
        await unit.rollback()
    assert content(crate) == ("tea", Money(5), ["a"], [("cup", 1), ("tea", 1)])
    assert [type(event) for event in crate.get_events()] == [Packed]
    await depot.save(crate)  # as if the first unit had not been
    assert content(await depot.stored()) == content(crate)
