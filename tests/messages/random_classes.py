"""Random classes of both flavours, random values of their fields, and what two values have to have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Interface
from pathlib import Path, PurePath
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, Union, get_args, get_origin
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
    children: list[Node] = dataclasses.field(default_factory=list)  # type: ignore[type-arg]  # as mypy infers it


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
KEYS = st.sampled_from((*HASHABLE, tuple[int, str], Optional[str]))

TYPES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(lambda one: list[one]),
        inner.map(lambda one: tuple[one, ...]),
        inner.map(lambda one: Optional[one]),
        KEYS.map(lambda one: set[one]),
        KEYS.map(lambda one: frozenset[one]),
        st.tuples(inner, inner).map(lambda pair: tuple[pair]),  # type: ignore[valid-type]  # a type made at run time
        st.tuples(KEYS, inner).map(lambda pair: dict[pair]),  # type: ignore[valid-type,type-arg]  # the same
        st.tuples(KEYS, inner).map(lambda pair: Mapping[pair]),  # type: ignore[valid-type,type-arg]  # the same
        st.tuples(inner, inner).map(lambda pair: Union[pair]),  # type: ignore[valid-type]  # the same
        st.tuples(inner, inner, inner).map(lambda three: Union[three]),  # type: ignore[valid-type]  # the same
    ),
    max_leaves=5,
)


def classes() -> st.SearchStrategy[tuple[type[Flavour], type, dict[str, Any]]]:
    """Draw a class: its flavour, and the types of its fields."""
    names = st.sampled_from(("Aggregate", "DomainEvent", "ValueObject"))
    fields = st.lists(TYPES, min_size=1, max_size=2).map(lambda types: dict(zip(("first", "second"), types)))
    return st.tuples(st.sampled_from(FLAVOURS), names, fields).map(_declared)


def _declared(drawn: tuple[type[Flavour], str, dict[str, Any]]) -> tuple[type[Flavour], type, dict[str, Any]]:
    flavour, base, fields = drawn
    identity = {"id": int} if base == "Aggregate" else {}
    return flavour, flavour.declare(base, "Drawn", **identity, **fields), {**identity, **fields}


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
    if origin in (list, set, frozenset):
        made: Callable[..., Any] = {list: st.lists, set: st.sets, frozenset: st.frozensets}[origin]
        return made(values(arguments[0]), max_size=3)
    if origin is tuple:
        if arguments[-1] is ...:
            return st.lists(values(arguments[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, arguments))
    if origin in (dict, __import__("collections").abc.Mapping):
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    if (supertype := getattr(declared, "__supertype__", None)) is not None:
        return values(supertype)
    if dataclasses.is_dataclass(declared) and isinstance(declared, type):
        return st.builds(
            declared, **{field.name: values(_hint(declared, field.name)) for field in dataclasses.fields(declared)}
        )
    if isinstance(declared, type) and issubclass(declared, BaseModel):
        fields = {name: values(info.annotation) for name, info in declared.model_fields.items()}
        return st.fixed_dictionaries(fields).map(lambda given: declared.model_construct(None, **given))
    return st.from_type(declared)


def _hint(cls: type, name: str) -> Any:
    return __import__("typing").get_type_hints(cls, include_extras=True)[name]


def parts(value: Any) -> Any:
    """Return all that is in a value, with the class of each part; equal for what is the same."""
    cls = type(value)
    if isinstance(value, (list, tuple)):
        return cls, [parts(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return cls, sorted((parts(one) for one in value), key=repr)
    if isinstance(value, dict):
        return cls, sorted(((parts(key), parts(one)) for key, one in value.items()), key=repr)
    if isinstance(value, (datetime, time)):
        return cls, value.replace(tzinfo=None, fold=0), value.utcoffset()
    if isinstance(value, (float, Decimal)):
        return cls, repr(value)
    if isinstance(value, BaseModel):
        return cls, parts(dict(value))
    if dataclasses.is_dataclass(value):
        return cls, parts({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    return cls, value
