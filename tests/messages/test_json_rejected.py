# ruff: noqa: UP007, UP045  # people write all of it
"""What would not come back from JSON is rejected when the codec is made: by field, with what to write instead."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntFlag
from fractions import Fraction
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union
from uuid import UUID

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Json,
    PlainSerializer,
    PrivateAttr,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    SerializeAsAny,
    SkipValidation,
    field_serializer,
    field_validator,
    model_serializer,
)

import dddkit.dataclasses
import dddkit.pydantic
from dddkit._json import JsonCodec
from tests.blocks.flavours import Flavour, in_both_flavours

# Any: tests declare what a checker rejects.

T = TypeVar("T")


class Unknown:
    pass


class Plain(BaseModel):
    raw: bytes = b""
    weight: float = 0


class Seconds(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float")
    lasts: timedelta


@dataclasses.dataclass
class InPlain:
    raw: bytes


class Around(BaseModel):
    inner: InPlain


class Root(RootModel[int]):
    pass


class Tupled(Enum):
    ONE = (1, 2)


class Letter(Enum):
    A = "a"


class Number(Enum):
    ONE = 1


class Right(IntFlag):
    READ = 1
    WRITE = 2


class Huge(Enum):
    SMALL = -(2**63)
    LARGE = 10**30


class Half(Enum):
    PAIR = "\ud800"


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


@dataclasses.dataclass
class OneX:
    x: int


@dataclasses.dataclass
class OtherX:
    x: int
    y: int = 0


@dataclasses.dataclass
class OneKind:
    kind: Literal[1]


@dataclasses.dataclass
class TrueKind:
    kind: Literal[True]


class Inner(NamedTuple):
    what: Any


_List: Any = list
_Box: Any = Box

LOST: list[tuple[Any, str, str]] = [
    (Any, "first", "Any may be anything; declare what it is"),
    (object, "first", "object may be anything; declare what it is"),
    (Optional[Any], "first", "Any may be anything"),
    (list, "first", "does not say what it contains; declare list[...]"),
    (list, "first", "does not say what it contains; declare list[...]"),
    (dict, "first", "does not say what it contains; declare dict[str, ...]"),
    (tuple, "first", "does not say what it contains; declare tuple[..., ...]"),
    (tuple, "first", "does not say what it contains; declare tuple[..., ...]"),
    (set, "first", "does not say what it contains; declare set[...]"),
    (frozenset, "first", "does not say what it contains; declare frozenset[...]"),
    (_List[dict], "first", "does not say what it contains"),
    (Sequence[int], "first", "may be of several classes; declare list[...] or tuple[..., ...]"),
    (Iterable[int], "first", "may be of several classes"),
    (deque[int], "first", "declare list[...]"),
    (defaultdict[str, int], "first", "declare dict[str, ...]"),
    (OrderedDict[str, int], "first", "declare dict[str, ...]"),
    (Counter[str], "first", "declare dict[str, ...]"),
    (Unknown, "first", "Unknown has no JSON; declare a dataclass or a model"),
    (list[Unknown], "first", "Unknown has no JSON"),
    (Callable[[], int], "first", "has no JSON"),
    (type, "first", "type has no JSON"),
    (type[int], "first", "has no JSON"),
    (re.Pattern[str], "first", "has no JSON"),
    (complex, "first", "complex has no JSON"),
    (Fraction, "first", "Fraction has no JSON"),
    (Union[UUID, str], "first", "JSON does not tell UUID and str apart; declare one of them"),
    (Union[Decimal, str], "first", "does not tell Decimal and str apart"),
    (Union[Decimal, int], "first", "does not tell Decimal and int apart"),
    (Union[date, datetime], "first", "does not tell date and datetime apart"),
    (Union[bytes, str, None], "first", "does not tell bytes and str apart"),
    (Union[int, float], "first", "does not tell int and float apart"),
    (Union[float, str], "first", "does not tell float and str apart"),
    (Union[list[int], tuple[int, ...]], "first", "does not tell list[int] and tuple[int, ...] apart"),
    (Union[Letter, str], "first", "does not tell Letter and str apart"),
    (Union[Number, Literal[1, 2]], "first", "apart"),
    (
        Union[OneX, OtherX],
        "first",
        'does not tell OneX and OtherX apart; give each a field such as `kind: Literal["..."]`',
    ),
    (Union[OneX, dict[str, int]], "first", "apart"),
    (Union[Literal[0], bool], "first", "does not tell 0 and bool apart"),
    (Union[OneKind, TrueKind], "first", "does not tell OneKind and TrueKind apart"),
    (Union[Right, Literal[3]], "first", "does not tell Right and 3 apart"),
    (Huge, "first", "the members of Huge have values that are not read; use ints of 64 bits"),
    (Literal[10**30, 1], "first", "the values of its Literal are not read; use ints of 64 bits"),
    (Half, "first", "the members of Half have values that are not read"),
    (Literal["\ud800"], "first", "the values of its Literal are not read"),
    (dict[tuple[int, int], int], "first.[key]", "a key of tuple[int, int] does not read back; use str, int, UUID or"),
    (dict[float, int], "first.[key]", "a key of float does not read back"),
    (dict[bool, int], "first.[key]", "a key of bool does not read back"),
    (dict[str | None, int], "first.[key]", "does not read back"),
    (dict[Number, int], "first.[key]", "a key of Number does not read back"),
    (Mapping[bytes, int], "first.[key]", "a key of bytes does not read back"),
    (SecretStr, "first", "a secret is written as asterisks; keep it elsewhere"),
    (SecretBytes, "first", "a secret is written as asterisks"),
    (Secret[int], "first", "a secret is written as asterisks"),
    (Json[int], "first", "is JSON inside JSON; declare the type itself"),
    (SerializeAsAny[Plain], "first", "may be anything"),
    (SkipValidation[int], "first", "may be anything"),
    (Annotated[Decimal, PlainSerializer(float)], "first", 'add a validator with mode="before", or remove it'),
    (Annotated[int, Field(exclude=True)], "first", "exclude leaves it out; remove it"),
    (Plain, "first.raw", 'write model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64") in Plain'),
    (Plain, "first.weight", 'as null; write model_config = ConfigDict(ser_json_inf_nan="strings") in Plain'),
    (Seconds, "first.lasts", 'write model_config = ConfigDict(ser_json_timedelta="iso8601") in Seconds'),
    (Around, "first.inner.raw", "bytes that are no text would not be written"),
    (Root, "first", "Root is a RootModel; declare the type of its root instead"),
    (Tupled, "first", "the members of Tupled have values that JSON does not hold; give them str or int values"),
    (Literal[b"x"], "first", "the bytes in its Literal does not read back"),
    (Literal[Letter.A], "first", "use str and int values, or an Enum that is a str as well"),
    (Box[Any], "first.content", "Any may be anything"),
    (_Box[T], "first.content", "T may be anything; name the class with its argument"),
    (tuple[int, Any], "first.1", "Any may be anything"),
    (Inner, "first.what", "Any may be anything"),
]


@in_both_flavours
@pytest.mark.parametrize(("declared", "path", "problem"), LOST, ids=lambda value: str(value)[:50])
def test_a_field_that_would_not_come_back_is_named(flavour: Flavour, declared: Any, path: str, problem: str) -> None:
    try:
        cls = flavour.declare("ValueObject", "Lost", first=declared)
    except Exception:
        pytest.skip("pydantic itself rejects the class")
    with pytest.raises(TypeError, match=r"^Lost would not come back from JSON as it was written:") as caught:
        JsonCodec(cls)
    assert f"{path}: " in str(caught.value)
    assert problem in str(caught.value)


@in_both_flavours
def test_each_field_is_named(flavour: Flavour) -> None:
    cls = flavour.declare("Aggregate", "Order", id=int, first=(list, None), second=(object, None), third=(str, ""))
    with pytest.raises(TypeError) as caught:
        JsonCodec(cls)
    assert str(caught.value) == (
        "Order would not come back from JSON as it was written:\n"
        "  first: does not say what it contains; declare list[...]\n"
        "  second: object may be anything; declare what it is"
    )


def test_what_a_dataclass_does_not_write_is_named() -> None:
    @dataclasses.dataclass
    class Order(dddkit.dataclasses.Aggregate):
        id: int
        start: dataclasses.InitVar[int]
        total: int = dataclasses.field(init=False, default=0)

    with pytest.raises(TypeError) as caught:
        JsonCodec(Order)
    assert "start: is an InitVar, which the object does not keep; make it a field" in str(caught.value)
    assert "total: init=False keeps it from being read; make it an argument, or compute it" in str(caught.value)


def test_a_slot_that_is_no_field_is_named() -> None:
    @dataclasses.dataclass
    class Order:
        __slots__ = ("id", "note")
        id: int

    with pytest.raises(TypeError, match=r"note: is a slot and no field"):
        JsonCodec(Order)


def test_a_subclass_without_its_decorator_is_named() -> None:
    class Placed(dddkit.dataclasses.DomainEvent):  # type: ignore[dddkit-undecorated-class]  # what this is about
        total: int

    with pytest.raises(TypeError, match=r"total: Placed is not decorated; decorate it with @dataclass"):
        JsonCodec(Placed)


def test_a_dataclass_that_is_an_int_as_well_is_named() -> None:
    @dataclasses.dataclass(frozen=True)
    class Cents(dddkit.dataclasses.ValueObject, int):
        currency: str = "EUR"

    with pytest.raises(TypeError, match="Cents is a dataclass and int, whose value would be lost"):
        JsonCodec(Cents)


def test_private_attributes_of_a_model_are_named() -> None:
    class Order(dddkit.pydantic.Aggregate):
        id: int
        _total: int = PrivateAttr(0)

    with pytest.raises(
        TypeError, match="_total: is a private attribute, and would not be written; declare it as a field"
    ):
        JsonCodec(Order)


def test_configurations_that_lose_something_are_named() -> None:
    class Order(dddkit.pydantic.Aggregate):
        model_config = ConfigDict(extra="allow", use_enum_values=True)
        id: int
        letter: Letter

    with pytest.raises(TypeError) as caught:
        JsonCodec(Order)
    assert 'extra="allow" of ' in str(caught.value)
    assert "letter: use_enum_values of " in str(caught.value)


def test_an_event_that_forbids_unknown_fields_is_rejected_and_an_aggregate_is_not() -> None:
    class Placed(dddkit.pydantic.DomainEvent):
        model_config = ConfigDict(extra="forbid")

    class Order(dddkit.pydantic.Aggregate):
        model_config = ConfigDict(extra="forbid")
        id: int

    with pytest.raises(TypeError, match=r'extra="forbid" of .* rejects the fields that a later version adds'):
        JsonCodec(Placed)
    with pytest.raises(TypeError, match='extra="forbid"'):
        JsonCodec(Order, is_tolerant=True)
    assert JsonCodec(Order).dump(Order(id=1)) == b'{"id":1}'


def test_a_serializer_that_nothing_undoes_is_named() -> None:
    class Order(dddkit.pydantic.Aggregate):
        id: int
        total: int

        @field_serializer("total")
        def write(self, total: int) -> str:
            return f"{total} EUR"

    @dataclasses.dataclass
    class Entry:
        total: int

        @field_serializer("total")
        def write(self, total: int) -> str:
            return f"{total} EUR"

    class Whole(dddkit.pydantic.ValueObject):
        total: int

        @model_serializer
        def write(self) -> str:
            return f"{self.total} EUR"

    for cls in (Order, Entry):
        with pytest.raises(TypeError, match=r"total: has a serializer, and nothing that reads what it writes"):
            JsonCodec[Any](cls)
    with pytest.raises(TypeError, match="Whole has a serializer, and nothing that reads what it writes"):
        JsonCodec(Whole)


def test_a_serializer_with_a_validator_that_undoes_it_is_accepted_and_proved_at_each_writing() -> None:
    class Order(dddkit.pydantic.Aggregate):
        id: int
        total: int

        @field_serializer("total")
        def write(self, total: int) -> str:
            return f"{total % 100} EUR"

        @field_validator("total", mode="before")
        @classmethod
        def read(cls, total: object) -> object:
            return int(total.partition(" ")[0]) if isinstance(total, str) else total

    codec = JsonCodec(Order)
    assert codec.load(codec.dump(Order(id=1, total=99))).total == 99
    with pytest.raises(ValueError, match=r"^total: would read back as another value$"):
        codec.dump(Order(id=1, total=100))


def test_a_type_that_only_checkers_import_is_named() -> None:
    @dataclasses.dataclass
    class Order:
        id: Nowhere  # type: ignore[name-defined]  # pyright: ignore[reportUndefinedVariable]  # noqa: F821  # what this is about

    with pytest.raises(TypeError, match=r"id: its type cannot be resolved \(.*Nowhere.*\); import it at run time"):
        JsonCodec(Order)


def test_what_has_no_fields_is_rejected() -> None:
    others: list[Any] = [int, Unknown, Literal["a"]]
    for declared in others:
        with pytest.raises(TypeError, match="has no fields; give a dataclass or a pydantic model"):
            JsonCodec(declared)
