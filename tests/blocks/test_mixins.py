"""Blocks of the dataclass flavour as mixins: of an Enum, a number, a text, a tuple, a date, a path, an exception."""

from __future__ import annotations

import copy
import dataclasses as stdlib
import pickle
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, Flag, auto
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import new_class
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import pydantic
import pytest

import dddkit.pydantic
from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject

# Any: the bases are chosen at run time.
T = TypeVar("T")


@stdlib.dataclass(frozen=True)
class Unit(ValueObject):
    code: str
    factor: int = 1


@stdlib.dataclass(frozen=True, slots=True)
class SlottedUnit(ValueObject):
    code: str
    factor: int = 1


class Units(Unit, Enum):
    kg = "kg"
    g = "g", 1000

    @property
    def label(self) -> str:
        return f"{self.factor} {self.code}"


class SlottedUnits(SlottedUnit, Enum):
    kg = "kg"
    g = "g", 1000


class Name(ValueObject, str):
    pass


class Names(Name, Enum):
    ada = "Ada"
    bob = "Bob"


class Color(ValueObject, Enum):
    _value_: Any
    red = "r"
    green = "g"
    mixed = 1, 2


class Right(ValueObject, Flag):
    read = auto()
    write = auto()


class Planet(ValueObject, Enum):
    """The example in the documentation of Python."""

    mercury = (3.303e23, 2.4397e6)
    earth = (5.976e24, 6.37814e6)

    def __init__(self, mass: float, radius: float) -> None:
        self.mass = mass
        self.radius = radius


class Coordinate(ValueObject, Enum):
    """Another one."""

    px = "P.X", "car"
    py = "P.Y", "bike"

    def __new__(cls, value: str, vehicle: str) -> Any:
        member: Any = object.__new__(cls)
        member._value_ = value
        member.vehicle = vehicle
        return member


ENUMS: list[Any] = [Units, SlottedUnits, Names, Color, Right, Planet, Coordinate]
each_enum = pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)


def test_fd2_the_members_of_an_enum_have_the_fields_of_the_value_object() -> None:
    units: Any
    for units, unit in ((Units, Unit), (SlottedUnits, SlottedUnit)):
        assert [(member.code, member.factor) for member in units] == [("kg", 1), ("g", 1000)]
        assert units.g.value == unit("g", 1000)
        assert units(unit("g", 1000)) is units["g"] is units.g
    assert Units.g.label == "1000 g"
    assert Names.ada == "Ada"
    assert Names("Bob") is Names.bob


def test_fd2_a_member_shows_the_fields_of_the_value_object_and_nothing_else() -> None:
    # Before Python 3.12 as "Unit(code='kg', factor=1)".
    for shown in (repr(Units.kg), repr(SlottedUnits.kg)):
        assert re.findall(r"(\w+)=", shown) == ["code", "factor"]


def test_fd2_without_fields_a_member_has_the_value_that_the_body_assigns() -> None:
    assert [color.value for color in Color] == ["r", "g", (1, 2)]
    assert Color("g") is Color.green
    assert repr(Color.red) == "<Color.red: 'r'>"
    assert Right.read | Right.write == Right(3)
    assert Right.read in Right(3)
    with pytest.raises(ValueError, match="is not a valid Color"):
        Color("blue")


def test_fd2_a_member_gets_its_attributes_while_its_enum_makes_it() -> None:
    assert [(planet.mass, planet.radius) for planet in Planet] == [(3.303e23, 2.4397e6), (5.976e24, 6.37814e6)]
    assert [(member.value, getattr(member, "vehicle")) for member in Coordinate] == [("P.X", "car"), ("P.Y", "bike")]  # noqa: B009


@each_enum
def test_fd2_members_differ_and_are_one_object_each(enum: Any) -> None:
    first, second, *_ = enum
    assert first != second
    assert len({first, second, first}) == 2
    for twin in (copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert twin is first
    assert str(first) == f"{enum.__name__}.{first.name}"
    assert first.name in repr(first)


@each_enum
def test_fd2_members_are_frozen(enum: Any) -> None:
    first, *_ = enum
    for name in ("code", "undeclared"):
        with pytest.raises(stdlib.FrozenInstanceError):
            setattr(first, name, "x")


def test_fd2_flags_are_frozen_in_every_combination() -> None:
    for flag in (Right.read, Right.read | Right.write, Right(0)):
        with pytest.raises(stdlib.FrozenInstanceError):
            setattr(flag, "undeclared", "x")  # noqa: B010


class Pair(NamedTuple):
    one: int
    two: int


MADE_BY_NEW: list[tuple[type[Any], tuple[Any, ...], tuple[Any, ...]]] = [
    (int, (7,), (8,)),
    (float, (0.5,), (1.5,)),
    (str, ("ada",), ("bob",)),
    (bytes, (b"a",), (b"b",)),
    (tuple, ([1, 2],), ([1],)),
    (frozenset, ([1, 2],), ([1],)),
    (Decimal, ("1.50",), ("2.50",)),
    (Fraction, (1, 3), (2, 3)),
    (date, (2020, 1, 2), (2020, 1, 3)),
    (datetime, (2020, 1, 2, 3, 4), (2020, 1, 2, 3, 5)),
    (timedelta, (1,), (2,)),
    (type(Path()), ("a",), ("b",)),
    (Pair, (1, 2), (1, 3)),
]
each_value = pytest.mark.parametrize(
    ("base", "arguments", "others"), MADE_BY_NEW, ids=[base.__name__ for base, *_ in MADE_BY_NEW]
)
either_order = pytest.mark.parametrize("ours_first", [True, False], ids=["ours first", "ours last"])


@either_order
@each_value
def test_fd2_a_value_object_that_is_another_value_too_is_that_value(
    base: Any, arguments: tuple[Any, ...], others: tuple[Any, ...], ours_first: bool
) -> None:
    cls: Any = type("Mixed", (ValueObject, base) if ours_first else (base, ValueObject), {})
    made, same, other, plain = cls(*arguments), cls(*arguments), cls(*others), base(*arguments)
    assert type(made) is cls
    assert made == plain == made
    assert (made == same, made != same, hash(made) == hash(same) == hash(plain)) == (True, False, True)
    assert (made == other, made != other, len({made, same, other})) == (False, True, 2)
    assert (repr(made), str(made)) == (base.__repr__(made), base.__str__(made))


@each_value
def test_fd2_such_a_value_is_frozen(base: Any, arguments: tuple[Any, ...], others: tuple[Any, ...]) -> None:
    cls: Any = type("Mixed", (ValueObject, base), {})
    with pytest.raises(stdlib.FrozenInstanceError):
        cls(*arguments).undeclared = 1


class Cents(ValueObject, int):
    pass


class Euros(ValueObject, int):
    pass


class Moment(ValueObject, datetime):
    pass


class Folder(ValueObject, type(Path())):  # type: ignore[misc]  # the class depends on the system
    pass


@pytest.mark.parametrize(
    "value", [Cents(7), Name("ada"), Moment(2020, 1, 2), Folder("a")], ids=lambda value: type(value).__name__
)
def test_fd2_such_a_value_can_be_copied_and_pickled(value: Any) -> None:
    for twin in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert type(twin) is type(value)
        assert twin == value


def test_fd2_values_of_two_classes_differ() -> None:
    cents: Any = Cents(7)
    assert (cents == Euros(7), cents != Euros(7)) == (False, True)
    assert (cents == 7, cents + 1, sorted([Cents(2), Cents(1)])) == (True, 8, [1, 2])


def test_fd2_a_value_may_have_fields_as_well() -> None:
    @stdlib.dataclass(frozen=True)
    class Amount(ValueObject, int):
        cents: int

    amount = Amount(7)
    assert (amount.cents, amount + 1, repr(amount).rpartition(".")[2]) == (7, 8, "Amount(cents=7)")
    assert (amount == Amount(7), amount == Amount(8)) == (True, False)


def test_fd2_entities_pass_on_what_they_are_given() -> None:
    class Counted(Entity, int):
        pass

    assert Counted(7) + 1 == 8


@contextmanager
def transaction() -> Generator[None]:
    yield


@pytest.mark.parametrize("block", [AggregateEvent, DomainEvent, ValueObject, Entity], ids=lambda block: block.__name__)
@pytest.mark.parametrize("has_fields", [True, False])
def test_fd2_an_exception_can_be_raised_as_any_other(block: Any, has_fields: bool) -> None:
    frozen = block is not Entity

    class Refused(block, Exception):  # type: ignore[misc]  # a base chosen at run time
        if has_fields:
            reason: str

    refused: Any = stdlib.dataclass(frozen=frozen)(Refused) if has_fields else Refused
    arguments = ("no",) if has_fields else ()
    with pytest.raises(refused) as raised, transaction():
        raise refused(*arguments) from KeyError("cause")
    error = raised.value
    assert error.args == arguments
    assert isinstance(error.__cause__, KeyError)
    error.__notes__ = ["noted"]
    if frozen:
        for name in ("reason", "args", "undeclared"):
            with pytest.raises(stdlib.FrozenInstanceError):
                setattr(error, name, "yes")


def test_fd2_exceptions_of_a_value_object_are_told_apart() -> None:
    class Refused(ValueObject, Exception):
        pass

    one, other = Refused("one"), Refused("other")
    assert (one == one, one == other, str(one), len({one, other})) == (True, False, "one", 2)
    assert repr(one) == "Refused('one')"


# Instantiated while the class is made


class Registered:
    """Instantiates a class as soon as it is defined, as registries do."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __set_name__(self, owner: Any, name: str) -> None:
        self.made = owner(*self.arguments)


class Registering:
    made: Any = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.made = cls("kg") if issubclass(cls, Unit) else None


def test_fd2_a_class_can_be_instantiated_while_it_is_made() -> None:
    class Kilogram(Unit):
        registered = Registered("kg")

    class Gram(Unit, Registering):
        pass

    class Milligram(Registering, Unit):
        pass

    class Seven(Cents):
        registered = Registered(7)

    class Eight(Unit, int):
        registered = Registered(8)

    assert (Kilogram.registered.made, Gram.made, Milligram.made) == (Kilogram("kg"), Gram("kg"), Milligram("kg"))
    assert Seven.registered.made == 7
    assert Eight.registered.made + 0 == 8


def test_fd2_then_its_undecorated_base_is_rejected() -> None:
    class Undecorated(ValueObject):  # type: ignore[dddkit-undecorated-class]  # what is rejected
        code: str

    with pytest.raises((TypeError, RuntimeError)) as rejected:

        class Kilogram(Undecorated):  # pyright: ignore[reportUnusedClass]
            registered = Registered("kg")

    error: BaseException | None = rejected.value
    if isinstance(error, RuntimeError):  # before 3.12, what `__set_name__` raises is its cause
        error = error.__cause__
    assert "Undecorated declares code, but nothing sets it" in str(error)


def test_fd2_a_decorated_class_is_validated_again_once_it_is_made() -> None:
    failures: list[str] = []

    class Trying:
        def __set_name__(self, owner: Any, name: str) -> None:
            try:
                owner("kg")
            except TypeError as error:
                failures.append(str(error))

    for slots in (False, True):

        class Early(ValueObject):  # type: ignore[dddkit-undecorated-class]  # decorated below
            code: str
            trying = Trying()

        early: Any = stdlib.dataclass(frozen=True, slots=slots)(Early)
        assert early("kg").code == "kg"
    assert len(failures) >= 2


# What nobody takes


@pytest.mark.parametrize("block", [Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject])
@pytest.mark.parametrize("given", [((1,), {}), ((), {"item": 1})], ids=["positional", "keyword"])
def test_fd2_arguments_that_nothing_takes_are_rejected(block: Any, given: tuple[Any, Any]) -> None:
    class Bare(block):  # type: ignore[misc]  # a base chosen at run time
        pass

    for cls in (Bare, block):
        with pytest.raises(TypeError):
            cls(*given[0], **given[1])


# Values by hand


class Point(ValueObject):
    def __init__(self, x: int) -> None:
        object.__setattr__(self, "x", x)

    @cached_property
    def doubled(self) -> int:
        x: int = vars(self)["x"]
        return 2 * x


class SlottedPoint(ValueObject):
    __slots__ = ("x",)

    def __init__(self, x: int) -> None:
        object.__setattr__(self, "x", x)


@pytest.mark.parametrize("point", [Point, SlottedPoint], ids=lambda point: point.__name__)
def test_fd2_a_value_with_an_init_by_hand_is_compared_by_what_it_was_given(point: Callable[[int], Any]) -> None:
    one, same, other = point(1), point(1), point(2)
    assert (one == same, one == other, one != other, len({one, same, other})) == (True, False, True, 2)
    getattr(one, "doubled", None)
    assert (one, hash(one)) == (same, hash(same))
    assert repr(one).endswith("Point(x=1)")


def test_fd2_values_without_anything_are_equal_by_class() -> None:
    class Nothing(ValueObject):
        pass

    class Box(ValueObject, Generic[T]):
        pass

    assert Nothing() == Nothing() != Box[int]()
    assert hash(Box[int]()) == hash(Box[int]())
    assert repr(Nothing()).endswith("Nothing()")


@pytest.mark.parametrize("base", [int, str, Decimal, Exception])
def test_fd2_pydantic_models_are_no_mixins_of_these_as_python_says(base: type) -> None:
    with pytest.raises(TypeError, match="conflict"):
        type("Mixed", (dddkit.pydantic.ValueObject, base), {})


@pytest.mark.parametrize(
    ("kind", "text", "given"),
    [(int, "5", 5), (str, '"5"', "5"), (float, "2.5", 2.5), (bytes, '"5"', b"5"), (Decimal, '"2.50"', Decimal("2.50"))],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_fd2_a_pydantic_model_reads_and_writes_the_value(kind: Any, text: str, given: Any, is_first: bool) -> None:
    bases = (kind, ValueObject) if is_first else (ValueObject, kind)
    price: Any = new_class("Price", bases)
    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(price)
    for made in (adapter.validate_json(text), adapter.validate_python(given), adapter.validate_python(price(given))):
        assert (made, type(made)) == (price(given), price)
        dumped = adapter.dump_python(made)
        assert (dumped, type(dumped)) == (given, kind)
        assert adapter.dump_json(made).decode() == text
    modes: tuple[Literal["validation"], Literal["serialization"]] = ("validation", "serialization")
    for mode in modes:
        assert adapter.json_schema(mode=mode) == pydantic.TypeAdapter(kind).json_schema(mode=mode)
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_python({"of": "another kind"})


def test_fd2_a_pydantic_model_reads_a_value_object_with_fields_as_before() -> None:
    @stdlib.dataclass(frozen=True)
    class Money(ValueObject):
        amount: int

    adapter = pydantic.TypeAdapter(Money)
    assert adapter.validate_json('{"amount": 3}') == Money(3)
    assert adapter.dump_python(Money(3)) == {"amount": 3}
