"""Pending events: an aggregate recorded them, and they are not published yet."""

from __future__ import annotations

import copy
import dataclasses as stdlib
import pickle
import sys
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dddkit.dataclasses
import dddkit.pydantic
from tests.blocks.flavours import FLAVOURS, Dataclasses, Flavour, Pydantic, in_both_flavours


@in_both_flavours
def test_events_are_read_in_the_order_they_were_recorded(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    assert basket.get_events() == []
    events = [flavour.Basket.Created(), flavour.Basket.ItemAdded(item="tea"), flavour.Basket.ItemAdded(item="milk")]
    for event in events:
        basket.add_event(event)
    assert basket.get_events() == events
    assert basket.get_events() == events
    basket.clear_events()
    assert basket.get_events() == []


@in_both_flavours
def test_a5_the_list_read_is_a_copy(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    basket.add("tea")
    read = basket.get_events()
    basket.clear_events()
    assert len(read) == 1
    basket.add("milk")
    basket.get_events().clear()
    assert [event.item for event in basket.get_events()] == ["milk"]


@in_both_flavours
def test_a5_pulling_gets_and_clears_in_one(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    assert basket.pull_events() == []
    basket.add("tea")
    pulled = basket.pull_events()
    assert [event.item for event in pulled] == ["tea"]
    assert basket.get_events() == []
    basket.add("milk")
    assert [event.item for event in pulled] == ["tea"]


@given(
    flavour=st.sampled_from(FLAVOURS),
    steps=st.lists(st.one_of(st.integers(), st.sampled_from(["get", "pull", "clear", "copy", "pickle"])), max_size=12),
)
def test_pending_events_are_a_queue(flavour: type[Flavour], steps: list[int | str]) -> None:
    basket, model = flavour.Basket(basket_id=1), list[str]()
    for step in steps:
        if isinstance(step, int):
            basket.add_event(flavour.Basket.ItemAdded(item=str(step)))
            model.append(str(step))
        elif step == "copy":
            assert copy.copy(basket).get_events() == []
        elif step == "pickle":
            basket = pickle.loads(pickle.dumps(basket))
        elif step == "clear":
            basket.clear_events()
            model = []
        else:
            events = basket.get_events() if step == "get" else basket.pull_events()
            assert [event.item for event in events] == model
            model = model if step == "get" else []
        assert [event.item for event in basket.get_events()] == model


@in_both_flavours
def test_pending_events_are_not_shown(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    shown, dumped = repr(basket), flavour.as_dict(basket)
    basket.add_event(flavour.Basket.Created())
    assert repr(basket) == shown
    assert flavour.as_dict(basket) == dumped == {"basket_id": 1, "items": []}


@in_both_flavours
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a6_a_copy_starts_without_events(flavour: type[Flavour], way: Any) -> None:
    basket = flavour.Basket(basket_id=1)
    basket.add("tea")
    twin = way(basket)
    assert twin.get_events() == []
    assert flavour.as_dict(twin) == flavour.as_dict(basket)
    assert (twin.items is basket.items) is (way is copy.copy)
    twin.add("milk")
    assert len(basket.get_events()) == 1


def test_a6_replace_and_model_copy_start_without_events() -> None:
    basket = Dataclasses.Basket(basket_id=1)
    basket.add("tea")
    assert stdlib.replace(basket, items=[]).get_events() == []
    model = Pydantic.Basket(basket_id=1)
    model.add("tea")
    for twin in (model.model_copy(), model.model_copy(deep=True), model.model_copy(update={"items": []})):
        assert twin.get_events() == []
        assert twin == model
    if sys.version_info >= (3, 13):
        assert copy.replace(basket, items=[]).get_events() == []
        assert copy.replace(model, items=[]).get_events() == []


@in_both_flavours
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_the_events(flavour: type[Flavour], protocol: int) -> None:
    basket = flavour.Basket(basket_id=1)
    assert pickle.loads(pickle.dumps(basket, protocol)).get_events() == []
    basket.add("tea")
    moved = pickle.loads(pickle.dumps(basket, protocol))
    assert moved == basket
    assert moved.get_events() == basket.get_events()
    assert flavour.as_dict(moved) == flavour.as_dict(basket)


class Declared:
    """One aggregate for each way to store fields, defined in a class so that pickle finds them."""

    @stdlib.dataclass(kw_only=True)
    class Mutable(dddkit.dataclasses.Aggregate):
        id: int
        tags: list[str] = stdlib.field(default_factory=list[str])

    @stdlib.dataclass(kw_only=True, frozen=True)
    class Frozen(dddkit.dataclasses.Aggregate):
        id: int
        tags: list[str] = stdlib.field(default_factory=list[str])

    @stdlib.dataclass(kw_only=True, slots=True)
    class Slotted(dddkit.dataclasses.Aggregate):
        id: int
        tags: list[str] = stdlib.field(default_factory=list[str])

    @stdlib.dataclass(kw_only=True, frozen=True, slots=True)
    class FrozenSlotted(dddkit.dataclasses.Aggregate):
        id: int
        tags: list[str] = stdlib.field(default_factory=list[str])

    class ByHand(dddkit.dataclasses.Aggregate):
        def __init__(self, *, id: int, tags: list[str] | None = None) -> None:  # noqa: A002 - the field's name
            self.id = id
            self.tags = [] if tags is None else tags

    class WithState(ByHand):
        def __getstate__(self) -> dict[str, Any]:
            return {"number": self.id, "tags": self.tags}

        def __setstate__(self, state: dict[str, Any]) -> None:
            self.id, self.tags = state["number"], state["tags"]

    class Reduced(ByHand):
        def __reduce__(self) -> Any:
            return remake, (self.id, self.tags)

    class ReducedWithSetter(ByHand):
        def __reduce__(self) -> Any:
            return remake_bare, (), (self.id, self.tags), None, None, set_bare


def remake(number: int, tags: list[str]) -> Declared.Reduced:
    return Declared.Reduced(id=number, tags=tags)


def remake_bare() -> Declared.ReducedWithSetter:
    return Declared.ReducedWithSetter(id=0)


def set_bare(made: Declared.ReducedWithSetter, state: tuple[int, list[str]]) -> None:
    made.id, made.tags = state


DECLARED: list[Any] = [declared for declared in vars(Declared).values() if isinstance(declared, type)]


@pytest.mark.parametrize("aggregate", DECLARED, ids=lambda declared: declared.__name__)
def test_every_way_to_store_fields_records_copies_and_pickles(aggregate: Any) -> None:
    made = aggregate(id=1, tags=["a"])
    for twin in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (twin.id, twin.tags, twin.get_events()) == (1, ["a"], [])
    made.add_event(Dataclasses.Basket.ItemAdded(item="tea"))
    shallow, deep, moved = copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))
    for twin in (shallow, deep, moved):
        assert type(twin) is aggregate
        assert (twin.id, twin.tags) == (1, ["a"])
        assert twin == made
    assert shallow.tags is made.tags
    assert deep.tags is not made.tags
    assert shallow.get_events() == deep.get_events() == []
    assert moved.get_events() == made.get_events()
    moved.add_event(Dataclasses.Basket.Created())
    assert len(made.get_events()) == 1


class Everywhere(dddkit.dataclasses.Aggregate):
    """The only object of its class, pickled by its name."""

    def __reduce__(self) -> str:
        return "EVERYWHERE"


EVERYWHERE = Everywhere()


def test_a_singleton_stays_one() -> None:
    assert copy.copy(EVERYWHERE) is copy.deepcopy(EVERYWHERE) is pickle.loads(pickle.dumps(EVERYWHERE)) is EVERYWHERE


def test_deep_copies_keep_circles() -> None:
    node = Dataclasses.declare("Aggregate", "Node", id=int, next=(Any, None))
    one = node(id=1)
    one.next = node(id=2, next=one)
    twin = copy.deepcopy(one)
    assert twin.next.next is twin
    assert twin is not one


@in_both_flavours
def test_a11_an_object_made_without_init_records(flavour: type[Flavour]) -> None:
    basket = flavour.Basket.__new__(flavour.Basket)
    assert basket.get_events() == []
    basket.clear_events()
    basket.add_event(flavour.Basket.Created())
    assert len(basket.pull_events()) == 1
    fresh = flavour.Basket.__new__(flavour.Basket)
    fresh.add_event(flavour.Basket.Created())
    assert len(fresh.get_events()) == 1


def test_a11_a_model_made_without_validation_records() -> None:
    basket = Pydantic.Basket.model_construct(basket_id=1)
    basket.add_event(Pydantic.Basket.Created())
    assert len(basket.get_events()) == 1


def test_a_frozen_model_records() -> None:
    class Basket(dddkit.pydantic.Aggregate):
        model_config = pydantic.ConfigDict(frozen=True)
        basket_id: int

        class Created(dddkit.pydantic.AggregateEvent): ...

    basket = Basket(basket_id=1)
    basket.add_event(Basket.Created())
    assert len(basket.get_events()) == 1
    with pytest.raises(pydantic.ValidationError):
        setattr(basket, "basket_id", 2)  # noqa: B010 - checkers reject an assignment


def test_an_aggregate_records_events_of_either_flavour() -> None:
    events = [flavour.Basket.Created() for flavour in FLAVOURS]
    for flavour in FLAVOURS:
        basket = flavour.Basket(basket_id=1)
        for event in events:
            basket.add_event(event)
        assert basket.get_events() == events


@in_both_flavours
def test_only_events_can_be_recorded(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    with pytest.raises(
        TypeError, match=r"Basket.add_event takes an event, not its class; write \S*Basket.Created\(...\)"
    ):
        basket.add_event(flavour.Basket.Created)
    for wrong in (flavour.Placed(), "created", str):
        with pytest.raises(TypeError, match=r"Basket\.add_event takes an AggregateEvent, and got"):
            basket.add_event(wrong)
    assert basket.get_events() == []


@in_both_flavours
def test_events_belong_to_one_object(flavour: type[Flavour]) -> None:
    one, other = flavour.Basket(basket_id=1), flavour.Basket(basket_id=1)
    one.add("tea")
    assert other.get_events() == []
