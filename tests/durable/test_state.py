# ruff: noqa: UP007, UP045  # people write all of it
"""A State is recorded as JSON that reads back the same; what would not is rejected by field."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from functools import cached_property
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    TextIO,
    TypeVar,
    Union,
)
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, PrivateAttr, SecretStr
from typing_extensions import NotRequired, TypedDict

import dddkit.dataclasses
import dddkit.pydantic
from dddkit._json import JsonMismatchError
from dddkit.exceptions import DDDKitError, StoryNotRecordableError
from dddkit.stories import I, Story, StoryState, variable
from dddkit.stories.durable._state import Known, StateCodec, changes
from dddkit.testing import assert_same
from tests.durable.states import codec_of, holding, state_class

# Any: types, values of any type, and states of any class.

T = TypeVar("T")
OrderId = NewType("OrderId", UUID)
Cents = NewType("Cents", int)


class Color(Enum):
    RED = "red"


class Size(IntEnum):
    LARGE = 2


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Note(TypedDict):
    text: str
    on: NotRequired[date]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Money(dddkit.dataclasses.ValueObject):
    amount: Decimal
    currency: Literal["EUR", "USD"] = "EUR"


class Address(dddkit.pydantic.ValueObject):
    model_config = ConfigDict(extra="forbid")
    street: str
    zip: str = ""


@dataclasses.dataclass
class Line:
    sku: UUID
    price: Money
    tags: set[str] = dataclasses.field(default_factory=set[str])


class Lossy(BaseModel):
    weight: float


class Parcel(BaseModel):
    weight: int
    lines: list[str] = []


@dataclasses.dataclass
class Node:
    name: str
    children: list[Node] = dataclasses.field(default_factory=list["Node"])


@dataclasses.dataclass(kw_only=True)
class Shelf(dddkit.dataclasses.Entity):
    shelf_id: Annotated[int, dddkit.dataclasses.Identity]
    room: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Paid(dddkit.dataclasses.DomainEvent):
    order: OrderId


class Shipped(dddkit.pydantic.DomainEvent):
    order: OrderId


@dataclasses.dataclass(kw_only=True)
class Basket(dddkit.dataclasses.Aggregate):
    basket_id: Annotated[int, dddkit.dataclasses.Identity]


class Order(dddkit.pydantic.Aggregate):
    order_id: Annotated[int, dddkit.pydantic.Identity]


class Customer(dddkit.pydantic.Entity):
    customer_id: Annotated[int, dddkit.pydantic.Identity]
    _visits: int = PrivateAttr(0)


class Account(dddkit.pydantic.Entity):
    account_id: Annotated[int, dddkit.pydantic.Identity]
    password: str = Field("", exclude=True)


class Gateway:
    """A tool of the user's."""


class Ship(Story):
    I.go

    def go(self, state: object) -> None: ...


ID = UUID(int=7)
NOON = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
EURO = Money(amount=Decimal("1.00"))

RECORDED: list[tuple[Any, Any]] = [
    (int, 2**70),
    (bool, True),
    (str, "ä\0\n"),
    (float, float("nan")),
    (float, float("-inf")),
    (float, -0.0),
    (bytes, b"\xff\0"),
    (None, None),
    (Decimal, Decimal("1.00")),
    (UUID, ID),
    (datetime, NOON),
    (datetime, datetime(2026, 11, 29, 12, tzinfo=timezone(timedelta(hours=-3)))),
    (datetime, datetime(2026, 11, 29, 12)),  # people have such
    (date, date(2026, 11, 29)),
    (time, time(1, 2, 3, 4)),
    (timedelta, timedelta(-1, 2, 3)),
    (Path, Path("a/b")),
    (IPv4Address, IPv4Address("127.0.0.1")),
    (AnyUrl, AnyUrl("https://example.org/?a=b")),
    (OrderId, OrderId(ID)),
    (Color, Color.RED),
    (Size, Size.LARGE),
    (Literal["a", 1], 1),
    (Annotated[int, Field(gt=0)], 3),
    (Optional[int], None),
    (Union[int, str], "1"),
    (int | None, 1),
    (list[int], [1, 2]),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (set[Color], {Color.RED}),
    (frozenset[str], frozenset({"a", "b"})),
    (dict[str, list[int]], {"b": [1], "a": []}),
    (dict[int, str], {1: "a"}),
    (dict[UUID, Decimal], {ID: Decimal("0.10")}),
    (Mapping[date, int], {date(2026, 1, 1): 1}),
    (Point, Point(1, 2.0)),
    (Note, {"text": "a"}),
    (Note, {"text": "a", "on": date(2026, 1, 1)}),
    (Money, EURO),
    (Address, Address(street="Main")),
    (list[Line], [Line(ID, EURO, {"new"})]),
    (Parcel, Parcel(weight=1, lines=["a"])),
    (Node, Node("a", [Node("b", [Node("c")])])),
    (Shelf, Shelf(shelf_id=1, room="a")),
    (Paid, Paid(order=OrderId(ID))),
    (Shipped, Shipped(order=OrderId(ID))),
    (dict[str, tuple[Money | None, list[Point]]], {"a": (None, [Point(1)]), "b": (EURO, [])}),
]


@pytest.mark.parametrize(("declared", "value"), RECORDED, ids=[str(index) for index in range(len(RECORDED))])
def test_values_of_most_types_come_back_the_same_from_the_text_of_the_record(declared: Any, value: Any) -> None:
    cls = state_class(value=declared)
    codec = codec_of(cls)
    text = json.dumps(codec.dump(holding(cls, value=value)), allow_nan=False)
    read = codec.load(json.loads(text))
    assert type(read) is cls
    assert_same(read.value, value)


_LIST: Any = list  # to a checker, what it contains has to be there

REJECTED: list[tuple[Any, str]] = [
    (Any, "Any may be anything; declare what it is"),
    (object, "object may be anything; declare what it is"),
    (list, "declare list[...]"),
    (dict, "declare dict[str, ...]"),
    (list[Any], "Any may be anything"),
    (dict[str, object], "object may be anything"),
    (Sequence[int], "declare list[...] or tuple[..., ...]"),
    (Basket, "Basket is an aggregate, whose events and version would be lost; keep its identity"),
    (list[Order | None], "Order is an aggregate, whose events and version would be lost; keep its identity"),
    (Customer, "value._visits: is a private attribute"),
    (dict[int, Account], "value.password: exclude leaves it out"),
    (SecretStr, "a secret is written as asterisks; keep it elsewhere, and store a reference"),
    (threading.Lock, "Lock is of this process alone; give it to the story as a field"),
    (threading.Thread, "Thread is of this process alone"),
    (TextIO, "TextIO is of this process alone"),
    (io.BytesIO, "BytesIO is of this process alone"),
    (Callable[[int], str], "a function cannot be recorded; give it to the story as a field"),
    (type[int], "a class cannot be recorded; give it to the story as a field"),
    (Ship, "a function cannot be recorded"),
    (Gateway, "Gateway has no JSON; declare a dataclass or a model, or give it to the story as a field"),
    (Fraction, "Fraction has no JSON"),
    (complex, "complex has no JSON"),
    (dict[Point, int], "a key of Point does not read back"),
    (Union[str, UUID], "JSON does not tell"),
    ("Missing", "its type Missing cannot be resolved; import it at run time, at module level"),
    (
        "Mapping[str, int]",
        "its type Mapping[str, int] cannot be resolved",
    ),  # the module that declares the State does not import it
    (_LIST["Missing"], "its type cannot be resolved"),
    (_LIST["Mapping[str, int]"], "its type cannot be resolved"),
    (T, "T may be anything; name the class with its argument"),
    (Final, "Final alone leaves its type open; write Final[...]"),
    ((int, str), "its annotation is no type"),
    (Lossy, "value.weight: NaN and infinity would be written as null; write model_config = ConfigDict("),
]


@pytest.mark.parametrize(("declared", "cure"), REJECTED, ids=[str(index) for index in range(len(REJECTED))])
def test_types_that_would_not_come_back_are_rejected_by_field_with_what_to_write(declared: Any, cure: str) -> None:
    with pytest.raises(StoryNotRecordableError) as caught:
        codec_of(state_class(value=declared))
    [(path, _)] = caught.value.problems
    assert path.partition(".")[0] == "value"
    assert cure in str(caught.value)


def test_the_error_names_the_story_the_state_and_every_field_and_survives_pickling() -> None:
    with pytest.raises(StoryNotRecordableError) as caught:
        codec_of(state_class(order=Order, count=int, lock=threading.RLock, extra=Any))
    error: Any = pickle.loads(pickle.dumps(caught.value))
    assert all(issubclass(type(error), base) for base in (DDDKitError, TypeError))
    assert (error.story, error.state) == ("Checkout", "Checkout.State")
    assert [path for path, _ in error.problems] == ["order", "lock", "extra"]
    assert str(error) == str(caught.value)
    assert str(error).startswith("Checkout: Checkout.State cannot be recorded:\n  order: ")


@pytest.mark.parametrize("state", [SimpleNamespace, Point, Line, Parcel, Note, None, Any])
def test_a_state_that_is_no_story_state_is_rejected_with_what_to_write(state: Any) -> None:
    with pytest.raises(StoryNotRecordableError, match=r"write `class State\(StoryState\):` in the story"):
        codec_of(state)


# Inheritance, generics, defaults.


class HasCustomer:
    customer: int


class HasPlace(Generic[T]):
    __slots__ = ("place",)
    place: T


class Base(StoryState, Generic[T]):
    order_id: T
    notes: list[T] = []
    REGION: ClassVar[object] = object()


class State(Base[UUID], HasPlace[Point], HasCustomer):
    channel: Final[str] = "web"
    payment: Money = variable()

    @cached_property
    def title(self) -> str:
        return f"{self.order_id}/{self.channel}"


class Box(StoryState, Generic[T]):
    content: T


def test_fields_of_bases_mixins_and_generic_states_are_recorded_with_their_types() -> None:
    codec = codec_of(State)
    state = State(order_id=ID)
    state.place, state.customer = Point(1), 3
    assert codec.dump(state) == {
        "order_id": str(ID),
        "notes": [],
        "channel": "web",
        "place": [1, 0.0],
        "customer": 3,
    }
    read = codec.load(codec.dump(state))
    assert_same(read, state)
    assert not hasattr(read, "payment")


def test_a_generic_state_takes_its_argument_from_the_alias() -> None:
    box: Any = Box[Money]
    assert_same(codec_of(box).load({"content": {"amount": "1.00"}}).content, EURO)
    with pytest.raises(StoryNotRecordableError, match="content: T may be anything"):
        codec_of(Box)


def test_fields_may_be_called_what_they_like() -> None:
    cls = state_class(self=int, set=int, model_config=int, _token=str, schema=str)
    fields = {"self": 1, "set": 2, "model_config": 3, "_token": "a", "schema": "b"}
    codec = codec_of(cls)
    assert codec.dump(codec.load(fields)) == fields


def test_a_slot_that_no_field_declares_is_rejected() -> None:
    class Slotted(StoryState):
        __slots__ = ("kept",)

    with pytest.raises(StoryNotRecordableError, match="kept: is a slot and no field"):
        codec_of(Slotted)


def test_a_default_that_would_not_come_back_is_rejected_when_the_codec_is_made() -> None:
    class Defaults(StoryState):
        count: int = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # that is the test
        good: list[int] = [1]

    with pytest.raises(StoryNotRecordableError, match="count: its default found None, where int is declared"):
        codec_of(Defaults)


# Reading.


def test_a_state_is_read_without_its_constructor() -> None:
    class Counted(StoryState):
        count: int

        def __init__(self, start: int) -> None:
            self.count = start + 1

    codec = codec_of(Counted)
    assert codec.load(codec.dump(Counted(1))).count == 2


def test_a_field_that_was_not_recorded_gets_its_default_and_each_state_its_own() -> None:
    codec = codec_of(State)
    one, other = codec.load({"order_id": str(ID)}), codec.load({"order_id": str(ID)})
    assert one == State(order_id=ID)
    one.notes.append(ID)
    assert other.notes == []


def test_a_required_field_that_was_not_recorded_is_named() -> None:
    with pytest.raises(JsonMismatchError) as caught:
        codec_of(State).load({"notes": []})
    assert str(caught.value) == "order_id: is required by State, and was not recorded; give it a default"


def test_a_recorded_field_that_the_state_no_longer_has_is_left_out() -> None:
    assert codec_of(State).load({"order_id": str(ID), "gone": 1}) == State(order_id=ID)


def test_json_that_does_not_fit_its_field_any_more_is_named_without_the_value() -> None:
    with pytest.raises(JsonMismatchError) as caught:
        codec_of(State).load({"order_id": "hunter2"})
    assert "order_id" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_recorded_values_are_put_into_the_state_and_unset_ones_taken_out() -> None:
    codec = codec_of(State)
    state = State(order_id=ID)
    state.payment, state.place = EURO, Point(1)
    codec.set(state, {"channel": "shop", "notes": [str(ID)]}, ["payment", "place", "customer"])
    assert codec.dump(state) == {"order_id": str(ID), "notes": [str(ID)], "channel": "shop"}


def test_recorded_values_that_do_not_fit_leave_the_state_as_it_is() -> None:
    state = State(order_id=ID)
    with pytest.raises(JsonMismatchError):
        codec_of(State).set(state, {"channel": "shop", "notes": 3}, ["order_id"])
    assert state == State(order_id=ID)


# What a state holds after a step.


def test_what_a_step_has_left_is_rejected_by_path_and_shows_no_value() -> None:
    cls = state_class(lines=list[Line], token=str)
    state = holding(cls, lines=[Line(ID, Money(amount="hunter2"))], token="\ud800hunter2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # that is the test
    with pytest.raises(StoryNotRecordableError) as caught:
        codec_of(cls).settle(state, "charge")
    assert [path for path, _ in caught.value.problems] == ["lines.0.price.amount", "token"]
    assert str(caught.value).startswith("Checkout: Checkout.State, as charge has left it, cannot be recorded:")
    assert caught.value.step == "charge"
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__ or error.__context__


def deep(levels: int) -> Node:
    node = Node("leaf")
    for level in range(levels):
        node = Node(str(level), [node])
    return node


@pytest.mark.parametrize("levels", [120, 400])
def test_what_is_nested_too_deep_is_named_by_its_field(levels: int) -> None:
    cls = state_class(token=str, tree=Node)
    with pytest.raises(StoryNotRecordableError, match=r"recursion limit|more than 200 levels deep") as caught:
        codec_of(cls).settle(holding(cls, token="t", tree=deep(levels)), "grow")
    assert [path for path, _ in caught.value.problems] == ["tree"]


@pytest.mark.parametrize(
    ("declared", "value"),
    [(int, True), (int, 1.0), (str, Color.RED), (list[int], (1,)), (Money, None), (Decimal, Decimal("NaN"))],
)
def test_a_value_of_another_type_than_its_field_is_rejected(declared: Any, value: Any) -> None:
    cls = state_class(value=declared)
    with pytest.raises(StoryNotRecordableError, match="value: "):
        codec_of(cls).dump(holding(cls, value=value))


@dataclasses.dataclass
class Sloppy:
    """Equal to all of its kind, and read back as another."""

    name: str

    def __post_init__(self) -> None:
        self.name = self.name.strip()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sloppy)

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # it can change


def test_a_value_that_only_says_it_is_equal_is_compared_inside() -> None:
    cls = state_class(items=dict[str, Sloppy])
    item = Sloppy("a")
    item.name = " a"
    with pytest.raises(StoryNotRecordableError) as caught:
        codec_of(cls).dump(holding(cls, items={"x": item}))
    assert [path for path, _ in caught.value.problems] == ["items.x.name"]


@pytest.mark.parametrize("fold", [0, 1])
def test_a_time_in_the_hour_that_the_clock_goes_through_twice_keeps_its_instant(fold: int) -> None:
    cls = state_class(at=datetime)
    codec = codec_of(cls)
    at = datetime(2026, 10, 25, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))
    read = codec.load(codec.dump(holding(cls, at=at))).at
    assert read.timestamp() == at.timestamp()
    assert read.utcoffset() == at.utcoffset()


def test_a_change_in_place_is_recorded() -> None:
    cls = state_class(lines=list[Line])
    state = holding(cls, lines=[Line(ID, EURO)])
    codec = codec_of(cls)
    before = codec.dump(state)
    state.lines[0].tags.add("gift")
    assert changes(before, codec.dump(state)).set == {
        "lines": [{"sku": str(ID), "price": {"amount": "1.00", "currency": "EUR"}, "tags": ["gift"]}]
    }


def test_a_settled_state_is_what_another_process_would_read() -> None:
    cls = state_class(one=list[int], other=list[int], price=float)
    codec = codec_of(cls)
    shared = [1]
    state = holding(cls, one=shared, other=shared, price=2)
    fields = codec.settle(state)
    assert_same(state, codec.load(fields))
    assert_same(state.price, 2.0)
    shared.append(2)
    state.one.append(3)
    assert (state.one, state.other) == ([1, 3], [1])


def test_what_is_known_of_a_state_leaves_out_no_change() -> None:
    cls = state_class(text=Optional[str], flag=Union[bool, int], number=float, lines=list[int], at=date)
    codec = codec_of(cls)
    known: Known = {}
    state = holding(cls, text="a", flag=True, number=1.0, lines=[1], at=date(2026, 11, 30))
    fields = codec.settle(state, known=known)
    assert repr(codec.settle(state, known=known)) == repr(fields)

    state.lines.append(2)
    state.flag, state.number, state.at = 1, -0.0, date(2026, 12, 1)
    del state.text
    fields = {"flag": 1, "number": -0.0, "lines": [1, 2], "at": "2026-12-01"}
    assert repr(codec.settle(state, known=known)) == repr(fields)

    state.text, state.flag = None, True
    fields = {"text": None, "flag": True, "number": -0.0, "lines": [1, 2], "at": "2026-12-01"}
    assert repr(codec.settle(state, known=known)) == repr(fields)
    assert repr(codec.settle(state)) == repr(fields)


def test_settling_forgets_what_a_cached_property_has_kept() -> None:
    state = State(order_id=ID)
    assert state.title == f"{ID}/web"
    codec = codec_of(State)
    codec.set(state, {"channel": "shop"})
    assert state.title == f"{ID}/shop"
    codec.settle(state)
    assert "title" not in vars(state)


def test_a_state_that_is_rejected_stays_as_it_was() -> None:
    cls = state_class(items=list[int], count=int)
    items = [1]
    state = holding(cls, items=items, count="1")
    with pytest.raises(StoryNotRecordableError):
        codec_of(cls).settle(state)
    assert state.items is items


def test_an_object_of_a_derived_state_is_rejected() -> None:
    class Derived(State):
        more: int = 0

    with pytest.raises(StoryNotRecordableError, match=r": found a .*Derived, where State is declared"):
        codec_of(State).dump(Derived(order_id=ID))


def test_what_a_state_keeps_beside_its_fields_is_rejected() -> None:
    class Hidden(StoryState):
        count: int

        @property
        def total(self) -> int:
            return int(self.__dict__["_total"])

        @total.setter
        def total(self, value: int) -> None:
            self.__dict__["_total"] = value

    state = Hidden(count=1)
    state.total = 2
    with pytest.raises(StoryNotRecordableError, match="_total: is no field, and would not be recorded"):
        codec_of(Hidden).dump(state)


@pytest.mark.parametrize("name", ["order_id", "notes"])
def test_a_deleted_field_is_rejected_unless_a_step_sets_it(name: str) -> None:
    state = State(order_id=ID)
    state.payment = EURO
    del state.payment
    codec_of(State).dump(state)
    delattr(state, name)
    with pytest.raises(StoryNotRecordableError, match=f"{name}: was deleted"):
        codec_of(State).dump(state)


# Comparing, and single fields.


def test_two_records_are_the_same_state_where_only_a_default_was_added_since() -> None:
    codec = codec_of(State)
    start = codec.dump(State(order_id=ID))
    assert codec.same(start, {"order_id": str(ID)})
    assert codec.same({"order_id": str(ID).upper()}, start)
    assert not codec.same(start, start | {"notes": [str(ID)]})
    assert not codec.same(start, start | {"customer": 1})
    assert not codec.same(start, {})


def test_not_a_number_is_the_same_as_itself_when_two_states_are_compared() -> None:
    cls = state_class(rate=float)
    codec = codec_of(cls)
    state = holding(cls, rate=float("nan"))
    assert codec.same(codec.dump(state), codec.dump(state))


def test_changes_tell_values_apart_that_are_equal_to_python() -> None:
    before = {"a": 1, "b": 0.0, "c": {"x": 1, "y": 2}, "d": [1], "e": 1}
    after = {"a": True, "b": -0.0, "c": {"y": 2, "x": 1}, "d": [1], "f": None}
    found = changes(before, after)
    assert list(found.set) == ["a", "b", "c", "f"]
    assert found.unset == ["e"]


def test_the_value_of_one_field_is_written_alone() -> None:
    codec: StateCodec = codec_of(State)
    assert codec.dump_field("payment", EURO) == {"amount": "1.00", "currency": "EUR"}
    with pytest.raises(StoryNotRecordableError, match="payment: found an int, where Money is declared"):
        codec.dump_field("payment", 3)
