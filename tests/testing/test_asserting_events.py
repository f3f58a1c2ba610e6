"""assert_events compares events by what they say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple
from uuid import UUID

import pytest

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.testing import assert_events
from tests.blocks.flavours import Flavour, in_both_flavours

LONG_AGO = datetime(2001, 1, 1, tzinfo=timezone.utc)


def where(events: Any, *expected: object) -> list[str]:
    with pytest.raises(AssertionError) as error:
        assert_events(events, *expected)
    return str(error.value).splitlines()


@in_both_flavours
def test_what_each_event_gets_anew_does_not_count(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    basket.add("fig")
    assert_events(basket.get_events(), flavour.Basket.ItemAdded(item="fig", occurred_on=LONG_AGO))
    assert_events([flavour.Placed(order=1)], flavour.Placed(order=1, id=UUID(int=1), occurred_on=LONG_AGO))


@in_both_flavours
def test_every_other_field_counts(flavour: type[Flavour]) -> None:
    added, name = flavour.Basket.ItemAdded, flavour.Basket.ItemAdded.__qualname__
    assert where([added(item="fig")], added(item="yew")) == [
        "the events are not as expected",
        "  at events[0].item: 'fig' != 'yew'",
    ]
    assert where([flavour.Placed(order=1, version=2)], flavour.Placed(order=1)) == [
        "the events are not as expected",
        "  at events[0].version: 2 != 1",
    ]
    assert where([added(item="fig"), added(item="yew")], added(item="fig")) == [
        "2 events, expected 1",
        f"  at events[1]: unexpected {name}(item='yew')",
    ]
    assert where([], added(item="fig")) == ["no events, expected 1", f"  at events[0]: missing {name}(item='fig')"]
    assert where([added(item="fig")]) == ["1 event, expected 0", f"  at events[0]: unexpected {name}(item='fig')"]


@in_both_flavours
def test_an_id_of_an_aggregate_event_is_data(flavour: type[Flavour]) -> None:
    moved = flavour.declare("AggregateEvent", "Moved", id=int)
    assert_events([moved(id=1)], moved(id=1))
    assert where([moved(id=1)], moved(id=2))[1:] == ["  at events[0].id: 1 != 2"]


@in_both_flavours
def test_an_event_inside_another_one_is_compared_by_what_it_says_too(flavour: type[Flavour]) -> None:
    forwarded = flavour.declare("DomainEvent", "Forwarded", events=list[Any])
    assert_events([forwarded(events=[flavour.Placed()])], forwarded(events=[flavour.Placed()]))
    assert where([forwarded(events=[flavour.Placed(order=1)])], forwarded(events=[flavour.Placed()]))[1:] == [
        "  at events[0].events[0].order: 1 != 0"
    ]


@in_both_flavours
def test_the_order_and_the_exact_class_count(flavour: type[Flavour]) -> None:
    special = flavour.declare(flavour.Placed, "Rushed")
    name = flavour.Placed.__qualname__
    assert where([special()], flavour.Placed())[1:] == [
        f"  at events[0]: Rushed(version=1, order=0) != {name}(version=1, order=0)"
    ]
    first, second = flavour.Placed(order=1), flavour.Placed(order=2)
    assert len(where([first, second], second, first)) == 3


def test_events_of_the_two_flavours_are_different() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Sown(dddkit.dataclasses.DomainEvent):
        seed: str

    class SownModel(dddkit.pydantic.DomainEvent):
        seed: str

    assert where([Sown(seed="oak")], SownModel(seed="oak"))[1:] == [
        "  at events[0]: Sown(version=1, seed='oak') != SownModel(version=1, seed='oak')"
    ]


def test_of_other_objects_everything_counts() -> None:
    class Rang(NamedTuple):
        id: int
        occurred_on: datetime = LONG_AGO

    assert_events(iter([Rang(1), "any object"]), Rang(1), "any object")
    assert where([Rang(1)], Rang(2)) == ["the events are not as expected", "  at events[0].id: 1 != 2"]


@in_both_flavours
def test_what_is_no_event_is_rejected(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    any_events: Any = basket
    name = flavour.Basket.__qualname__
    with pytest.raises(TypeError, match=r"takes events, and got the aggregate .*Basket; write .*get_events\(\)"):
        assert_events(any_events)
    for wrong, what in ((None, "None"), (flavour.Basket, f"the class {name}"), (basket.get_events, "a method")):
        not_events: Any = wrong
        with pytest.raises(TypeError, match=rf"list of events, such as order\.get_events\(\), and got {what}$"):
            assert_events(not_events)
    event: Any = flavour.Basket.Created()
    with pytest.raises(TypeError, match=rf"got the event {name}\.Created; write assert_events\(\[event\], \.\.\.\)"):
        assert_events(event, event)
    with pytest.raises(TypeError, match=rf"got the class {name}\.Created; write {name}\.Created\(\.\.\.\)"):
        assert_events([], flavour.Basket.Created)
    with pytest.raises(TypeError, match=r"the expected events one by one, and got a list; write \*\[\.\.\.\]"):
        assert_events([], [flavour.Basket.Created()])
