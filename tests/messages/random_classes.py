"""Random classes of both flavours, random values of their fields, and what two values have to have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from fractions import Fraction
from functools import partial
from ipaddress import IPv4Address, IPv6Interface
from pathlib import Path, PurePath
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import strategies as st
from pydantic import AfterValidator, AnyUrl, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from typing_extensions import NotRequired, TypedDict

import dddkit.dataclasses
import dddkit.pydantic
from tests.blocks.flavours import FLAVOURS, Flavour

# Any: types, and values of any type.


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Level(str, Enum):
    LOW = "low"
    HIGH = "high"


class Mixed(Enum):
    ONE = 1
    TEXT = "1"


class Weight(Enum):
    LIGHT = 0.5


class Access(Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    at: datetime | None = None


class Note(TypedDict):
    text: str
    on: NotRequired[date]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Money(dddkit.dataclasses.ValueObject):
    amount: Decimal
    currency: Literal["EUR", "USD"] = "EUR"


class Cents(dddkit.dataclasses.ValueObject, int):
    pass


class Length(dddkit.pydantic.ValueObject):
    meters: float
    raw: bytes = b""


class Bare(BaseModel):
    count: int


class Lossy(BaseModel):
    weight: float


@dataclasses.dataclass
class Positive:
    count: Annotated[int, Field(gt=0)]

    def __post_init__(self) -> None:
        self.double = self.count * 2


@dataclasses.dataclass(slots=True)
class Node:
    name: str
    children: list[Node] = dataclasses.field(default_factory=list["Node"])


class Card(dddkit.pydantic.ValueObject):
    kind: Literal["card"] = "card"
    number: str
    limit: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cash(dddkit.dataclasses.ValueObject):
    kind: Literal["cash"] = "cash"
    number: int


@dataclasses.dataclass(frozen=True)
class Twin:
    x: int


@dataclasses.dataclass(frozen=True)
class OtherTwin:
    x: int


@dataclasses.dataclass(frozen=True)
class Longer:
    x: int
    y: str


class Keyed(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    value: int = Field(alias="theValue")


OrderId = NewType("OrderId", UUID)
Name = NewType("Name", str)

LEAVES: tuple[Any, ...] = (
    *(int, float, str, bool, bytes, UUID, Decimal, datetime, date, time, timedelta, None, Fraction, IPv4Address),
    *(IPv6Interface, Path, PurePath, complex, object, Any, list, dict, AnyUrl),
    *(Color, Size, Level, Mixed, Weight, Access, Point, Note, Money, Cents, Length, Bare, Lossy, Positive, Node),
    *(Card, Cash, Twin, OtherTwin, Longer, Keyed, OrderId, Name),
    *(Literal["a", 1], Literal[True, "true"], Literal[Level.LOW, "x"], Literal[b"x"], Literal[Color.RED]),
    Annotated[int, Field(ge=3)],
    Annotated[str, AfterValidator(str.lower)],
    Annotated[Decimal, PlainSerializer(float)],
    Annotated[int, PlainSerializer(str, return_type=str), BeforeValidator(int)],
    Annotated[Decimal, Field(decimal_places=1)],
)

_UNHASHABLE = (list, dict, object, Any, Note, Bare, Lossy, Positive, Node, Keyed)
HASHABLE = [leaf for leaf in LEAVES if leaf not in _UNHASHABLE]
KEYS = st.sampled_from((*HASHABLE, tuple[int, str], Optional[str]))  # noqa: UP045  # people write it

# Any: checkers know no types that are made at run time.
_List: Any = list
_Set: Any = set
_Frozen: Any = frozenset
_Tuple: Any = tuple
_Dict: Any = dict
_Mapping: Any = Mapping
_Union: Any = Union


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        inner.map(lambda one: _List[one]),
        inner.map(lambda one: _Tuple[one, ...]),
        inner.map(lambda one: _Union[one, None]),
        KEYS.map(lambda one: _Set[one]),
        KEYS.map(lambda one: _Frozen[one]),
        st.tuples(inner, inner).map(lambda pair: _Tuple[pair]),
        st.tuples(KEYS, inner).map(lambda pair: _Dict[pair]),
        st.tuples(KEYS, inner).map(lambda pair: _Mapping[pair]),
        st.tuples(inner, inner).map(lambda pair: _Union[pair]),
        st.tuples(inner, inner, inner).map(lambda three: _Union[three]),
    )


TYPES = st.recursive(st.sampled_from(LEAVES), _around, max_leaves=5)


def classes() -> st.SearchStrategy[tuple[Any, dict[str, Any]]]:
    """Draw a class of either flavour, and the types of its fields."""
    names: st.SearchStrategy[str] = st.sampled_from(("Aggregate", "DomainEvent", "ValueObject"))
    fields = st.lists(TYPES, min_size=1, max_size=2).map(_named)
    return st.tuples(st.sampled_from(FLAVOURS), names, fields).map(_declared)


def _named(types: list[Any]) -> dict[str, Any]:
    return dict(zip(("first", "second"), types, strict=False))


def _declared(drawn: tuple[type[Flavour], str, dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    flavour, base, fields = drawn
    identity = {"id": int} if base == "Aggregate" else {}
    return flavour.declare(base, "Drawn", **identity, **fields), {**identity, **fields}


_OFFSETS = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)) | st.sampled_from(
    (timedelta(0), timedelta(hours=2))
)
_ZONES = st.none() | st.just(timezone.utc) | _OFFSETS.map(timezone)

_VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text() | st.text(st.characters(categories=("Cs", "Cc", "Lu"))) | st.sampled_from(("NaN", "1", "", "null")),
    float: st.floats(),
    Decimal: st.decimals(allow_nan=False) | st.just(Decimal("NaN")),
    datetime: st.datetimes(timezones=_ZONES),
    time: st.times(timezones=_ZONES),
    Fraction: st.fractions(),
    Path: st.text("ab/. ").map(Path),
    PurePath: st.text("ab/. ").map(PurePath),
    AnyUrl: st.sampled_from(("http://x.y", "http://ä.de/p?q#f")).map(AnyUrl),
    Access: st.sampled_from((Access.READ, Access.READ | Access.WRITE, Access(0))),
    Cents: st.integers().map(Cents),
    Node: st.recursive(
        st.builds(Node, st.text(max_size=1)), lambda inner: st.builds(Node, st.just("n"), st.lists(inner))
    ),
    None: st.none(),
    object: st.none(),
    Any: st.none(),
}


def values(declared: Any) -> st.SearchStrategy[Any]:
    """Draw a value of the type; wrong ones among them where a class does not look."""
    if declared in _VALUES:
        return _VALUES[declared]
    origin, arguments = get_origin(declared), get_args(declared)
    if origin is Annotated:
        return values(arguments[0])
    if origin in (Union, UnionType):
        return st.one_of(*map(values, arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is list:
        return st.lists(values(arguments[0]), max_size=3)
    if origin is set:
        return st.sets(values(arguments[0]), max_size=3)
    if origin is frozenset:
        return st.frozensets(values(arguments[0]), max_size=3)
    if origin is tuple:
        if arguments[-1] is ...:
            return st.lists(values(arguments[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, arguments))
    if origin in (dict, Mapping):
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if (supertype := getattr(declared, "__supertype__", None)) is not None:
        return values(supertype)
    if is_dataclass(declared):
        hints = get_type_hints(declared, include_extras=True)
        return st.builds(declared, **{field.name: values(hints[field.name]) for field in dataclasses.fields(declared)})
    if is_model(declared):
        fields = {name: values(info.annotation) for name, info in declared.model_fields.items()}
        return st.fixed_dictionaries(fields).map(partial(_constructed, declared))
    found: st.SearchStrategy[Any] = st.from_type(declared)
    return found


def _constructed(cls: Any, given: dict[str, Any]) -> Any:
    return cls.model_construct(None, **given)


def is_dataclass(cls: Any) -> bool:
    return isinstance(cls, type) and dataclasses.is_dataclass(cls)


def is_model(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, BaseModel)


def parts(value: Any) -> Any:
    """Return all that is in a value, with the class of each part; equal for what is the same."""
    return type(value), _content(type(value), value)


def _content(cls: Any, value: Any) -> Any:
    if issubclass(cls, (list, tuple)):
        return [parts(one) for one in value]
    if issubclass(cls, (set, frozenset)):
        return sorted((parts(one) for one in value), key=repr)
    if issubclass(cls, dict):
        return sorted(((parts(key), parts(one)) for key, one in value.items()), key=repr)
    if issubclass(cls, (datetime, time)):
        return value.replace(tzinfo=None, fold=0), value.utcoffset()
    if issubclass(cls, (float, Decimal)):
        return repr(value)
    if is_model(cls):
        return parts(dict(value))
    if is_dataclass(cls):
        return parts({name: getattr(value, name) for name in cls.__dataclass_fields__})
    return value
