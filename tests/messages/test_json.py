# ruff: noqa: UP007, UP045  # people write both kinds of unions
"""Objects as JSON: how they are written and read, and what is rejected while they are."""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from functools import cached_property
from pathlib import Path, PurePath, PureWindowsPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar, Union
from uuid import UUID

import pydantic
import pytest
from freezegun import freeze_time
from pydantic import AfterValidator, ConfigDict, Field, computed_field, model_validator
from typing_extensions import NotRequired, TypedDict

import dddkit.dataclasses
import dddkit.pydantic
from dddkit._json import JsonCodec, JsonMismatchError
from tests.blocks.flavours import Flavour, in_both_flavours, needs_a_deep_stack

# Any: classes that are declared at run time, and values that a checker rejects.

ID = UUID("00000000-0000-0000-0000-000000000007")
OrderId = NewType("OrderId", UUID)


class Status(Enum):
    NEW = "new"
    PAID = "paid"


class Place(NamedTuple):
    row: int
    since: date | None = None


class Note(TypedDict):
    text: str
    on: NotRequired[date]


class Signature(TypedDict, total=False):
    at: datetime


class SignedNote(Signature):
    by: str


class Weight(dddkit.pydantic.ValueObject):
    kilograms: float
    label: bytes = b""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line(dddkit.dataclasses.ValueObject):
    price: Decimal
    weight: Weight = dataclasses.field(default_factory=lambda: Weight(kilograms=0.0))


class Parcel(dddkit.pydantic.ValueObject):
    line: Line
    raw: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class SaleLine(Line):
    pass


class Card(dddkit.pydantic.ValueObject):
    kind: Literal["card"] = "card"
    number: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cash(dddkit.dataclasses.ValueObject):
    kind: Literal["cash"] = "cash"
    number: str


class Cents(dddkit.dataclasses.ValueObject, int):
    pass


@dataclasses.dataclass
class Leaf:
    number: int


@dataclasses.dataclass
class Branch:
    name: str
    inside: list[Branch | Leaf]


T = TypeVar("T")


@dataclasses.dataclass
class GenericBox(Generic[T]):
    content: T


class GenericModel(dddkit.pydantic.ValueObject, Generic[T]):
    content: T


def codec_of(flavour: Flavour, **fields: Any) -> tuple[Any, JsonCodec[Any]]:
    cls = flavour.declare("ValueObject", "Thing", **fields)
    return cls, JsonCodec(cls)


def made(cls: Any, **values: Any) -> Any:
    """Make an object without validation, as a list that was changed in place needs none either."""
    return cls.model_construct(None, **values) if issubclass(cls, pydantic.BaseModel) else cls(**values)


def problems_of(cls: Any, codec: JsonCodec[Any], value: object) -> tuple[tuple[str, str], ...]:
    with pytest.raises(JsonMismatchError) as caught:
        codec.dump(made(cls, value=value))
    assert caught.value.__cause__ is not caught.value  # a cycle
    return caught.value.problems


# What comes back


HEAVY = {"price": "1", "weight": {"kilograms": "NaN", "label": "_w=="}}
PARCEL = {"line": {"price": "1", "weight": {"kilograms": 0.5, "label": ""}}, "raw": "_w=="}

WHOLE: list[tuple[Any, Any, Any]] = [
    (float, math.inf, "Infinity"),
    (float, -math.inf, "-Infinity"),
    (float, math.nan, "NaN"),
    (list[float], [1.0, math.nan], [1.0, "NaN"]),
    (dict[str, float | None], {"a": math.inf}, {"a": "Infinity"}),
    (Union[float, bool], -math.inf, "-Infinity"),
    (bytes, b"\xff?>", "_z8-"),
    (Decimal, Decimal("1.10"), "1.10"),
    (Decimal, Decimal("-0E+3"), "-0E+3"),
    (OrderId, ID, str(ID)),
    (datetime, datetime(2026, 1, 2, 3, 4, 5, 6, timezone.utc), "2026-01-02T03:04:05.000006Z"),
    (datetime, datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))), "0001-01-01T00:00:00+05:00"),
    (time, time(1, tzinfo=timezone.utc), "01:00:00Z"),
    (timedelta, timedelta.min, "-P2739726Y9D"),
    (timedelta, timedelta(microseconds=-1), "-PT0.000001S"),
    (Status, Status.PAID, "paid"),
    (Place, Place(1, date(2026, 1, 2)), [1, "2026-01-02"]),
    (Note, {"text": ""}, {"text": ""}),
    (Note, {"text": "", "on": date(2026, 1, 2)}, {"text": "", "on": "2026-01-02"}),
    (SignedNote, {"by": "me"}, {"by": "me"}),
    (Path, Path("a/b"), "a/b"),
    (Cents, Cents(7), 7),
    (set[UUID], {ID}, [str(ID)]),
    (frozenset[Status], frozenset({Status.NEW}), ["new"]),
    (tuple[int, ...], (1, 2), [1, 2]),
    (tuple[int, str], (1, "a"), [1, "a"]),
    (tuple[()], (), []),
    (dict[UUID, int], {ID: 1}, {str(ID): 1}),
    (dict[int, int], {-1: 1}, {"-1": 1}),
    (dict[Status, int], {Status.NEW: 1}, {"new": 1}),
    (Union[bool, int, str, None], True, True),
    (Union[int, bool, str, None], "1", "1"),
    (Union[Card, Cash], Cash(number="1"), {"kind": "cash", "number": "1"}),
    (Annotated[Card | Cash, Field(discriminator="kind")], Card(number="1"), {"kind": "card", "number": "1"}),
    (Line, Line(price=Decimal(1), weight=Weight(kilograms=math.nan, label=b"\xff")), HEAVY),
    (Parcel, Parcel(line=Line(price=Decimal(1), weight=Weight(kilograms=0.5)), raw=b"\xff"), PARCEL),
]


@in_both_flavours
@pytest.mark.parametrize(("declared", "value", "written"), WHOLE, ids=lambda value: ascii(value)[:40])
def test_a_value_comes_back_as_it_was(flavour: Flavour, declared: Any, value: Any, written: Any) -> None:
    cls, codec = codec_of(flavour, value=declared)
    thing = made(cls, value=value)
    assert json.loads(codec.dump(thing)) == {"value": written}
    assert codec.dump_object(thing) == {"value": written}
    for read in (codec.load(codec.dump(thing)), codec.load_object(codec.dump_object(thing))):
        assert type(read) is cls
        assert repr(read.value).replace("TzInfo(0)", "datetime.timezone.utc") == repr(value) or read.value == value
        assert type(read.value) is type(value)


@in_both_flavours
def test_an_int_in_a_float_comes_back_as_the_float_if_that_is_exact(flavour: Flavour) -> None:
    cls, codec = codec_of(flavour, value=float)
    assert type(codec.load(codec.dump(made(cls, value=5))).value) is float
    assert problems_of(cls, codec, 2**53 + 1) == (("value", "is an int that a float does not hold; declare int"),)
    assert problems_of(cls, codec, 10**400) == (("value", "is an int that a float does not hold; declare int"),)


@in_both_flavours
def test_a_text_that_looks_like_a_number_stays_a_text(flavour: Flavour) -> None:
    cls, codec = codec_of(flavour, number=float, text=str)
    read = codec.load(codec.dump(made(cls, number=math.nan, text="NaN")))
    assert math.isnan(read.number)
    assert read.text == "NaN"


@in_both_flavours
def test_pending_events_are_not_written_and_those_recorded_while_reading_are_dropped(flavour: Flavour) -> None:
    basket = flavour.Basket(basket_id=1)
    basket.add("tea")
    codec = JsonCodec[Any](flavour.Basket)
    assert codec.dump(basket) == b'{"basket_id":1,"items":["tea"]}'
    assert codec.load(codec.dump(basket)).get_events() == []
    assert len(basket.get_events()) == 1


def test_events_recorded_by_code_that_runs_while_reading_are_dropped_in_nested_aggregates_too() -> None:
    @dataclasses.dataclass
    class Account(dddkit.dataclasses.Aggregate):
        id: int

        def __post_init__(self) -> None:
            self.add_event(dddkit.dataclasses.AggregateEvent())

    class Bank(dddkit.pydantic.Aggregate):
        id: int
        accounts: list[Account]

        @model_validator(mode="after")
        def record(self) -> Bank:
            self.add_event(dddkit.pydantic.AggregateEvent())
            return self

    read = JsonCodec(Bank).load('{"id": 1, "accounts": [{"id": 2}]}')
    assert (read.get_events(), read.accounts[0].get_events()) == ([], [])
    assert JsonCodec(Account).load('{"id": 2}').get_events() == []


def test_what_is_computed_is_neither_written_nor_part_of_the_schema() -> None:
    class Order(dddkit.pydantic.Aggregate):
        id: int

        @computed_field
        def double(self) -> int:
            return self.id * 2

        @cached_property
        def triple(self) -> int:
            return self.id * 3

    codec = JsonCodec(Order)
    order = Order(id=1)
    assert order.triple == 3
    assert codec.dump(order) == b'{"id":1}'
    assert set(codec.schema("serialization")["properties"]) == {"id"}


READS_BY_NAME = not pydantic.VERSION.startswith("2.10.")


@pytest.mark.skipif(READS_BY_NAME, reason="newer releases read by name, whatever the model says")
def test_an_alias_that_does_not_read_back_is_rejected() -> None:
    class Order(dddkit.pydantic.Aggregate):
        id: int = Field(alias="orderId")

    class Entry(dddkit.pydantic.Aggregate):
        model_config = ConfigDict(populate_by_name=True)
        id: int = Field(alias="entryId")

    with pytest.raises(TypeError, match="id: its alias does not read back; write populate_by_name=True, or install"):
        JsonCodec(Order)
    assert JsonCodec(Entry).load('{"id": 1}').id == 1


@pytest.mark.skipif(not READS_BY_NAME, reason="older releases read by alias")
def test_aliases_are_neither_written_nor_read() -> None:
    class Order(dddkit.pydantic.Aggregate):
        model_config = ConfigDict(serialize_by_alias=True)
        id: int = Field(alias="orderId")
        name: str = Field("", validation_alias="a", serialization_alias="b")

    @dataclasses.dataclass
    class Entry:
        id: Annotated[int, Field(alias="entryId")]

    order = JsonCodec(Order).load('{"id": 1, "name": "tea"}')
    assert JsonCodec(Order).dump(order) == b'{"id":1,"name":"tea"}'
    assert JsonCodec(Entry).load(JsonCodec(Entry).dump(Entry(2))) == Entry(2)
    assert set(JsonCodec(Order).schema("validation")["properties"]) == {"id", "name"}


def test_generic_classes_are_written_with_their_arguments() -> None:
    codec = JsonCodec[Any](GenericBox[GenericModel[Decimal]])
    value = GenericBox(GenericModel[Decimal](content=Decimal("1.0")))
    assert codec.load(codec.dump(value)) == value
    with pytest.raises(JsonMismatchError, match=r"content\.content: found a str, where Decimal is declared"):
        codec.dump(GenericBox(GenericModel[Decimal].model_construct(content="1.0")))


def test_classes_that_refer_to_themselves_come_back() -> None:
    codec = JsonCodec(Branch)
    tree = Branch("a", [Branch("b", []), Leaf(1)])
    assert codec.load(codec.dump(tree)) == tree


# What is not written


MISFITS: list[tuple[Any, Any, str, str]] = [
    (int, None, "value", "found None, where int is declared"),
    (int, "5", "value", "found a str, where int is declared"),
    (int, True, "value", "found a bool, where int is declared"),
    (float, True, "value", "found a bool, where float is declared"),
    (str, 5, "value", "found an int, where str is declared"),
    (Optional[int], "5", "value", "found a str, where int | None is declared"),
    (Decimal, 1.5, "value", "found a float, where Decimal is declared"),
    (Decimal, Decimal("NaN"), "value", "is not finite, and would not be read; declare float, or leave it out"),
    (date, datetime(2026, 1, 2), "value", "found a datetime, where date is declared"),  # any
    (Status, "new", "value", "found a str, where Status is declared"),
    (Literal[1, 2], True, "value", "found a bool, where 1 | 2 is declared"),
    (Literal[1, 2], 3, "value", "found another int, where 1 | 2 is declared"),
    (list[int], [1, 2, "x"], "value.2", "found a str, where int is declared"),
    (list[int], (1, 2), "value", "found a tuple, where list[int] is declared"),
    (tuple[int, str], (1,), "value", "found a tuple of 1, where tuple[int, str] is declared"),
    (tuple[int, str], (1, 2), "value.1", "found an int, where str is declared"),
    (set[int], {"x"}, "value.0", "found a str, where int is declared"),
    (dict[str, int], {"a": "1"}, "value.a", "found a str, where int is declared"),
    (dict[str, int], {1: 1}, "value.1.[key]", "found an int, where str is declared"),
    (dict[str, int], {"\ud800": 1}, "value.?.[key]", "holds a lone surrogate, which UTF-8 does not have; remove it"),
    (Place, Place._make(("1", None)), "value.row", "found a str, where int is declared"),
    (Place, (1, None), "value", "found a tuple, where Place is declared"),
    (Note, {}, "value.text", "is missing, and Note requires it"),
    (Note, {"text": "", "more": 1}, "value.more", "Note declares no such key"),
    (Line, SaleLine(price=Decimal(1)), "value", "is a SaleLine, and would read back as the Line that is declared"),
    (list[Line], [SaleLine(price=Decimal(1))], "value.0", "is a SaleLine, and would read back as the Line that is"),
    (Line, made(Line, price=1), "value.price", "found an int, where Decimal is declared"),
    (Line, Weight(kilograms=1), "value", "found a Weight, where Line is declared"),
    (Union[Card, Cash], made(Cash, number=1), "value.number", "found an int, where str is declared"),
    (Union[Card, Cash], 1, "value", "found an int, where Card | Cash is declared"),
    (str, "\ud800", "value", "holds a lone surrogate, which UTF-8 does not have; remove it"),
    (list[str | None], ["", "\udfff"], "value.1", "holds a lone surrogate"),
    (PurePath, PureWindowsPath("a/b"), "value", "found a PureWindowsPath, where PurePath is declared"),
    (dict[str, int], {"a" * 200: None}, f"value.{'a' * 100}...", "found None, where int is declared"),
    (int, 10**4200, "value", "has more than 4,000 digits, which would not be read; write it as text"),
    (datetime, datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=1))), "value", "has an offset with seconds"),
    (Annotated[int, Field(gt=0)], 0, "value", "would not be read: Input should be greater than 0"),
    (Annotated[str, AfterValidator(str.lower)], "A", "value", "would read back as another value"),
]


@in_both_flavours
@pytest.mark.parametrize(("declared", "value", "path", "problem"), MISFITS, ids=lambda value: ascii(value)[:40])
def test_a_value_that_does_not_fit_its_field_is_not_written(
    flavour: Flavour, declared: Any, value: Any, path: str, problem: str
) -> None:
    cls, codec = codec_of(flavour, value=declared)
    ((where, what),) = problems_of(cls, codec, value)
    assert where == path
    assert what.startswith(problem)


@in_both_flavours
def test_a_key_of_more_digits_than_python_writes_is_not_written(flavour: Flavour) -> None:
    cls, codec = codec_of(flavour, value=dict[int, int])
    ((path, problem),) = problems_of(cls, codec, {10**5000: 1})
    assert path == "value.(a long number).[key]"
    assert problem.startswith("has more than 4,000 digits")


@in_both_flavours
def test_an_object_of_a_subclass_is_not_written(flavour: Flavour) -> None:
    base = flavour.declare("ValueObject", "Base", value=int)
    derived = flavour.declare(base, "Derived")
    with pytest.raises(JsonMismatchError, match=r"^is a Derived, and would read back as the Base that is declared$"):
        JsonCodec(base).dump(derived(value=1))


@needs_a_deep_stack
@in_both_flavours
def test_what_contains_itself_or_is_nested_too_deeply_is_not_written(flavour: Flavour) -> None:
    del flavour
    circle = Branch("a", [])
    circle.inside.append(circle)
    deep = Branch("a", [])
    for _ in range(120):
        deep = Branch("a", [deep])
    for value in (circle, deep):
        with pytest.raises(JsonMismatchError):
            JsonCodec(Branch).dump(value)


def test_an_attribute_that_is_no_field_is_not_lost_in_silence() -> None:
    @dataclasses.dataclass
    class Order:
        id: int

        @cached_property
        def double(self) -> int:
            return self.id * 2

    order = Order(1)
    assert order.double == 2
    codec = JsonCodec(Order)
    assert codec.dump(order) == b'{"id":1}'
    vars(order)["_seen"] = True
    with pytest.raises(
        JsonMismatchError, match=r"^_seen: is no field, and would not be written; declare it as one, or"
    ):
        codec.dump(order)


def test_an_attribute_that_making_the_object_sets_again_need_not_be_written() -> None:
    @dataclasses.dataclass
    class Order:
        id: int

        def __post_init__(self) -> None:
            self.double = self.id * 2

    codec = JsonCodec(Order)
    order = Order(1)
    assert codec.load(codec.dump(order)).double == 2
    vars(order)["note"] = ""
    with pytest.raises(JsonMismatchError, match=r"^note: is no field"):
        codec.dump(order)


def test_an_object_that_its_own_rules_would_reject_is_not_written() -> None:
    class TotalError(Exception):
        pass

    @dataclasses.dataclass
    class Order(dddkit.dataclasses.Aggregate):
        id: int
        total: int = 0

        def __post_init__(self) -> None:
            if self.total < 0:
                raise TotalError(self.total)

    order = Order(1)
    order.total = -7
    with pytest.raises(JsonMismatchError, match=r"^would not be read: making the object raised .*TotalError$"):
        JsonCodec(Order).dump(order)


@in_both_flavours
def test_a_time_without_zone_is_rejected_where_it_needs_one(flavour: Flavour) -> None:
    cls = flavour.declare("DomainEvent", "Placed")
    codec = JsonCodec[Any](cls, aware=("occurred_on",))
    assert codec.load(codec.dump(cls())).occurred_on.tzinfo is not None
    with pytest.raises(JsonMismatchError, match=r"^occurred_on: has no time zone; use datetime.now\(timezone.utc\)$"):
        codec.dump(cls(occurred_on=datetime(2026, 1, 1)))  # what this is about
    naive = cls(occurred_on=datetime(2026, 1, 1))  # what this is about
    assert JsonCodec[Any](cls).load(JsonCodec[Any](cls).dump(naive)).occurred_on == naive.occurred_on


@in_both_flavours
def test_events_of_a_frozen_clock_are_written(flavour: Flavour) -> None:
    cls = flavour.declare("DomainEvent", "Placed", day=date)
    codec = JsonCodec[Any](cls)
    with freeze_time("2026-01-02"):
        event = cls(day=date.today())
        read = codec.load(codec.dump(event))
    assert read.occurred_on == datetime(2026, 1, 2, tzinfo=timezone.utc)
    assert read.day == date(2026, 1, 2)


def test_a_dataclass_that_is_first_seen_while_the_clock_is_frozen_is_rejected_by_saying_so() -> None:
    with (
        freeze_time("2026-01-02"),
        pytest.raises(TypeError, match=r"^DomainEvent declares times, .*; make it known before the clock is frozen$"),
    ):
        JsonCodec(dddkit.dataclasses.DomainEvent)


# What is not read


@in_both_flavours
def test_json_that_does_not_fit_is_rejected_by_path(flavour: Flavour) -> None:
    _, codec = codec_of(flavour, lines=list[Line], count=int)
    data = b'{"lines": [{"price": "1"}, {"price": "x", "weight": {}}], "count": "5"}'
    with pytest.raises(JsonMismatchError) as caught:
        codec.load(data)
    assert caught.value.problems == (
        ("lines.1.price", "Input should be a valid decimal"),
        ("lines.1.weight.kilograms", "Field required"),
        ("count", "Input should be a valid integer"),
    )
    assert str(caught.value).startswith("lines.1.price: Input should be a valid decimal; lines.1.weight.kilograms: ")
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


@in_both_flavours
@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b'"x"', b"\xff", "{]", b'{"value":1}{"value":1}'])
def test_what_is_no_json_object_is_rejected(flavour: Flavour, data: bytes | str) -> None:
    _, codec = codec_of(flavour, value=int)
    with pytest.raises(JsonMismatchError):
        codec.load(data)


@in_both_flavours
@pytest.mark.parametrize("data", [None, [], {"value": object()}, {"value": "\ud800"}, {"value": 1.5}, b"{}"])
def test_what_is_no_parsed_json_of_the_class_is_rejected(flavour: Flavour, data: object) -> None:
    _, codec = codec_of(flavour, value=int)
    with pytest.raises(JsonMismatchError):
        codec.load_object(data)


@in_both_flavours
def test_fields_of_a_later_version_are_ignored(flavour: Flavour) -> None:
    _, codec = codec_of(flavour, value=Line)
    assert codec.load(b'{"value": {"price": "1", "later": 1}, "later": [1]}').value == Line(price=Decimal(1))


@in_both_flavours
def test_a_domain_error_while_reading_is_a_mismatch(flavour: Flavour) -> None:
    class TotalError(Exception):
        pass

    def reject(value: int) -> int:
        raise TotalError(value)

    _, codec = codec_of(flavour, value=Annotated[int, AfterValidator(reject)])
    with pytest.raises(JsonMismatchError, match=r"^making the object raised .*TotalError$") as caught:
        codec.load(b'{"value": 1}')
    assert isinstance(caught.value.__cause__, TotalError)


@in_both_flavours
def test_messages_never_show_a_value(flavour: Flavour) -> None:
    cls, codec = codec_of(flavour, value=int)
    for data in (b'{"value": "secret"}', b'{"value": ["secret"]}', b'"secret"', b'{"value": secret}'):
        with pytest.raises(JsonMismatchError) as caught:
            codec.load(data)
        assert "secret" not in str(caught.value)
    assert "secret" not in str(problems_of(cls, codec, "secret"))


# The schema


@in_both_flavours
def test_the_schema_tells_what_is_written_and_what_is_read(flavour: Flavour) -> None:
    _, codec = codec_of(flavour, line=Line, total=(int, 0))
    for schema in (codec.schema("validation"), codec.schema("serialization")):
        assert schema["type"] == "object"
        assert set(schema["properties"]) == {"line", "total"}
        assert set(schema["$defs"]) == {"Line", "Weight"}
        assert schema["required"] == ["line"]


def test_the_schema_of_a_class_that_refers_to_itself_refers_to_its_definition() -> None:
    schema = JsonCodec(Branch).schema("validation")
    assert schema["$ref"] == "#/$defs/Branch"
    assert set(schema["$defs"]) == {"Branch", "Leaf"}


# The bases of the pydantic flavour


def test_models_of_the_kit_write_bytes_and_numbers_that_are_not_finite_whole() -> None:
    weight = Weight(kilograms=math.inf, label=b"\xff")
    assert Weight.model_validate_json(weight.model_dump_json()) == weight

    class Event(dddkit.pydantic.DomainEvent):
        raw: bytes

    class Recorded(dddkit.pydantic.AggregateEvent):
        raw: bytes

    class Order(dddkit.pydantic.Aggregate):
        id: int
        raw: bytes

    event, recorded, order = Event(raw=b"\xff"), Recorded(raw=b"\xff"), Order(id=1, raw=b"\xff")
    assert Event.model_validate_json(event.model_dump_json()) == event
    assert Recorded.model_validate_json(recorded.model_dump_json()) == recorded
    assert Order.model_validate_json(order.model_dump_json()).raw == order.raw


def test_a_model_that_changes_what_it_holds_is_written_only_if_that_comes_back() -> None:
    class Person(dddkit.pydantic.ValueObject):
        model_config = ConfigDict(str_to_lower=True)
        name: str

    codec = JsonCodec(Person)
    assert codec.load(codec.dump(Person(name="Ann"))).name == "ann"
    with pytest.raises(JsonMismatchError, match="name: would read back as another value"):
        codec.dump(Person.model_construct(name="Ann"))
