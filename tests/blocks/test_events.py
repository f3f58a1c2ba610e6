"""Events and value objects are frozen; events have an id and a time."""

from __future__ import annotations

import dataclasses as stdlib
import pickle
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pydantic
import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st

import dddkit.dataclasses
import dddkit.pydantic
from dddkit._core.events import new_event_id
from tests.blocks.flavours import FROZEN, REFUSALS, Flavour, in_both_flavours


@in_both_flavours
def test_domain_events_have_an_id_a_version_and_a_time(flavour: type[Flavour]) -> None:
    before = datetime.now(timezone.utc)
    event = flavour.Placed(order=7)
    assert event.order == 7
    assert event.version == 1
    assert isinstance(event.id, uuid.UUID)
    assert event.id.version == 7
    assert event.id != flavour.Placed().id
    assert before <= event.occurred_on <= datetime.now(timezone.utc)


@in_both_flavours
def test_aggregate_events_have_a_time(flavour: type[Flavour]) -> None:
    event = flavour.Basket.ItemAdded(item="tea")
    assert event.occurred_on.utcoffset() == timedelta(0)
    assert not hasattr(event, "id")
    assert not issubclass(flavour.blocks.AggregateEvent, flavour.blocks.DomainEvent)
    assert not issubclass(flavour.blocks.DomainEvent, flavour.blocks.AggregateEvent)


@in_both_flavours
def test_the_generated_fields_of_an_event_can_be_given(flavour: type[Flavour]) -> None:
    facts: dict[str, Any] = {
        "id": uuid.UUID(int=1),
        "version": 2,
        "occurred_on": datetime(2020, 1, 1, tzinfo=timezone.utc),
    }
    event = flavour.Placed(**facts)
    assert {name: getattr(event, name) for name in facts} == facts
    assert event == flavour.Placed(**facts)
    assert hash(event) == hash(flavour.Placed(**facts))
    assert event != flavour.Placed(**facts, order=1)


@in_both_flavours
def test_an_event_may_be_of_both_kinds_and_of_no_class_of_its_own(flavour: type[Flavour]) -> None:
    both = flavour.declare(flavour.blocks.DomainEvent, "Both", flavour.blocks.AggregateEvent, item=str)
    event = both(item="tea")
    assert (event.version, event.item) == (1, "tea")
    for name in ("AggregateEvent", "DomainEvent"):
        base = getattr(flavour.blocks, name)
        direct = base()
        assert isinstance(direct, base)
        assert direct.occurred_on <= base().occurred_on
        assert pickle.loads(pickle.dumps(direct)) == direct


@in_both_flavours
def test_a_subclass_may_raise_its_version(flavour: type[Flavour]) -> None:
    second = flavour.declare("DomainEvent", "Placed", version=(int, 2), order=int)
    assert second(order=1).version == 2


def test_a22_the_time_is_utc_and_needs_no_time_zone_database() -> None:
    assert dddkit.dataclasses.DomainEvent().occurred_on.tzinfo is timezone.utc
    assert dddkit.pydantic.AggregateEvent().occurred_on.tzinfo is timezone.utc


THEN = datetime(2001, 12, 31, 23, 59, tzinfo=timezone.utc)  # in the past: ids of 3.14 would stay in the future


@in_both_flavours
def test_fd3_frozen_time_is_the_time_of_the_event(flavour: type[Flavour]) -> None:
    with freeze_time(THEN):
        recorded, published = flavour.Basket.Created(), flavour.Placed()
        direct = [getattr(flavour.blocks, name)() for name in ("AggregateEvent", "DomainEvent")]
    for event in (recorded, published, *direct):
        assert event.occurred_on == THEN
        assert event.occurred_on.utcoffset() == timedelta(0)
    assert flavour.Placed().occurred_on > THEN + timedelta(days=1)
    with freeze_time(THEN, tick=True) as clock:
        clock.move_to(THEN + timedelta(days=1))
        ticked = flavour.Placed().occurred_on - THEN
        assert timedelta(days=1) <= ticked < timedelta(days=2)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="ids of the standard library never go back in one process")
@in_both_flavours
def test_fd3_frozen_time_is_the_time_of_the_id(flavour: type[Flavour]) -> None:
    with freeze_time(THEN):
        event = flavour.Placed()
    assert event.id.int >> 80 == THEN.timestamp() * 1000
    assert event.id.version == 7


@in_both_flavours
def test_fd3_frozen_events_can_be_pickled_compared_and_dumped(flavour: type[Flavour]) -> None:
    with freeze_time(THEN):
        event = flavour.Placed(order=1)
        assert pickle.loads(pickle.dumps(event)) == event
    assert flavour.as_dict(event)["occurred_on"] == THEN


@in_both_flavours
def test_fd3_a_clock_that_a_test_puts_in_our_place_is_asked_at_each_event(
    flavour: type[Flavour], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return THEN.astimezone(tz)

    monkeypatch.setattr("dddkit._core.events.datetime", Clock)
    assert flavour.Placed().occurred_on == flavour.Basket.Created().occurred_on == THEN


def test_ids_are_uuid7_ordered_by_the_millisecond() -> None:
    ids: list[uuid.UUID] = []
    for _ in range(5):
        before = time.time_ns() // 1_000_000
        made = new_event_id()
        after = time.time_ns() // 1_000_000
        assert before <= made.int >> 80 <= after
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        ids.append(made)
        time.sleep(0.002)
    assert ids == sorted(ids)
    assert len({new_event_id() for _ in range(1000)}) == 1000


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the standard library makes them")
@given(st.binary(min_size=10, max_size=10), st.integers(0, 2**48 - 1))
def test_a_uuid7_is_laid_out_as_rfc_9562_says(random: bytes, milliseconds: int) -> None:
    def urandom(size: int) -> bytes:
        return random[:size]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.urandom", urandom)
        patch.setattr("time.time_ns", lambda: milliseconds * 1_000_000 + 999_999)
        made = new_event_id()
    bits = int.from_bytes(random, "big")
    assert made.int >> 80 == milliseconds
    assert made.int >> 76 & 0xF == 7
    assert made.int >> 62 & 0b11 == 0b10
    assert made.int & (1 << 62) - 1 == bits & (1 << 62) - 1
    assert made.int >> 64 & 0xFFF == bits >> 64 & 0xFFF
    assert made == uuid.UUID(str(made))
    assert pickle.loads(pickle.dumps(made)) == made
    assert made.is_safe is uuid.SafeUUID.unknown


@pytest.mark.parametrize("base", FROZEN)
@in_both_flavours
def test_events_and_value_objects_refuse_assignment_and_deletion(flavour: type[Flavour], base: str) -> None:
    thing: Any = flavour.declare(base, "Thing", item=str)(item="tea")
    with pytest.raises(REFUSALS):
        thing.item = "coffee"
    with pytest.raises(REFUSALS):
        thing.undeclared = 1
    with pytest.raises(REFUSALS):
        del thing.item
    assert thing.item == "tea"
    assert not hasattr(thing, "undeclared")


@pytest.mark.parametrize("base", FROZEN)
@in_both_flavours
def test_a2_undecorated_subclasses_are_frozen_too(flavour: type[Flavour], base: str) -> None:
    parent = flavour.declare(base, "Parent", item=str)

    class Bare(parent):  # type: ignore[misc, valid-type]  # a base chosen at run time
        pass

    bare: Any = Bare(item="tea")
    with pytest.raises(REFUSALS):
        bare.item = "coffee"
    with pytest.raises(REFUSALS):
        bare.undeclared = 1
    with pytest.raises(REFUSALS):
        del bare.item
    with pytest.raises(REFUSALS):
        del bare.undeclared
    assert bare.item == "tea"
    assert not hasattr(bare, "undeclared")


@in_both_flavours
def test_value_objects_are_equal_by_value(flavour: type[Flavour]) -> None:
    money = flavour.Money
    assert money(amount=1) == money(amount=1)
    assert hash(money(amount=1)) == hash(money(amount=1))
    assert money(amount=1) != money(amount=2)
    assert money(amount=1) != money(amount=1, currency="USD")
    assert flavour.blocks.ValueObject() == flavour.blocks.ValueObject()


def test_positional_fields_come_before_those_of_the_base() -> None:
    @stdlib.dataclass(frozen=True)
    class Placed(dddkit.dataclasses.DomainEvent):
        order: int
        note: str = ""

    @stdlib.dataclass(frozen=True)
    class Added(dddkit.dataclasses.AggregateEvent):
        item: str

    event = Placed(7, "quick", version=3)
    assert (event.order, event.note, event.version) == (7, "quick", 3)
    assert Added("tea").item == "tea"


@pytest.mark.parametrize("base", FROZEN)
def test_slotted_events_have_no_dictionary(base: str) -> None:
    class Thing(getattr(dddkit.dataclasses, base)):  # type: ignore[misc]  # a base chosen at run time
        item: str

    thing: Any = stdlib.dataclass(frozen=True, slots=True)(Thing)
    made = thing("tea")
    assert made.item == "tea"
    assert not hasattr(made, "__dict__")
    with pytest.raises(REFUSALS):
        made.item = "coffee"
    with pytest.raises(TypeError, match="non-frozen"):
        stdlib.dataclass(type("Thawed", (thing,), {"__annotations__": {"more": int}}))


def test_pydantic_events_are_validated_and_keep_their_json() -> None:
    class Placed(dddkit.pydantic.DomainEvent):
        order: int

    event = Placed(order=1)
    assert Placed.model_validate_json(event.model_dump_json()) == event
    with pytest.raises(pydantic.ValidationError):
        Placed.model_validate({"order": "x"})
