"""assert_same compares objects by all that they hold."""

from __future__ import annotations

import array
import asyncio
import copy
import math
import random
import threading
from collections import Counter, OrderedDict, UserDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock
from uuid import UUID

import pydantic
import pytest
from freezegun import freeze_time
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.dataclasses import SyncInMemoryRepository
from dddkit.testing import assert_same
from tests.blocks.flavours import Flavour, in_both_flavours, run

SUMMER = timezone(timedelta(hours=2))
NOON = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
NAN = float("nan")


class Falling(tzinfo):
    """The zone of a place where clocks are set back, so that an hour comes twice."""

    def utcoffset(self, dt: datetime | None, /) -> timedelta:
        return timedelta(hours=1 if dt is not None and dt.fold else 2)

    def dst(self, dt: datetime | None, /) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None, /) -> str:
        return "falling"


TWICE = datetime(2026, 10, 25, 2, 30, tzinfo=Falling())


class Level(Enum):
    LOW = 1
    HIGH = 2


class Degrees(int):
    pass


class Bed(NamedTuple):
    name: str
    plants: list[Any]


class Plain:
    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("__mangled", "open")

    def __init__(self, *, mangled: Any) -> None:
        self.__mangled = mangled


class Computed:
    """Equal to any other, says its `==`."""

    def __init__(self, area: int) -> None:
        self.area = area

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Computed)

    def __hash__(self) -> int:
        return 1

    @cached_property
    def double(self) -> int:
        return 2 * self.area


@dataclass
class Bench:
    label: str
    limit: int = field(default=3, init=False)


def plant(flavour: type[Flavour], **fields: Any) -> Any:
    return flavour.Product(**{"product_id": 1, **fields})


def text_of_failure(actual: object, expected: object) -> str:
    with pytest.raises(AssertionError) as error:
        assert_same(actual, expected)
    with pytest.raises(AssertionError):  # it is a difference from either side
        assert_same(expected, actual)
    return str(error.value)


def where(actual: object, expected: object) -> list[str]:
    """Return what the failure says of each place."""
    return [line.removeprefix("  at ") for line in text_of_failure(actual, expected).splitlines()[1:]]


# What is the same

SAME: list[tuple[Any, Any]] = [
    (1, 1),
    ("tea", "tea"),
    (NAN, -NAN),
    ([NAN], [float("nan")]),
    (complex(NAN, 1), complex(NAN, 1)),
    (Decimal("nan"), Decimal("sNaN")),
    (Decimal("1.0"), Decimal("1.00")),
    ({NAN: 1}, {float("nan"): 1}),
    (NOON, NOON.astimezone(SUMMER)),
    (datetime.min.replace(tzinfo=SUMMER), datetime.min.replace(tzinfo=SUMMER)),
    ({NOON}, {NOON.astimezone(SUMMER)}),
    (TWICE.replace(fold=1), datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc)),
    ([1, {2: {3}}], [1, {2: {3}}]),
    ({1: 2, 3: 4}, {3: 4, 1: 2}),
    (Degrees(3), Degrees(3)),
    (Bed("a", [1]), Bed("a", [1])),
    (deque([1, 2]), deque([1, 2])),
    (bytearray(b"a"), bytearray(b"a")),
    (Plain(a=[Plain()]), Plain(a=[Plain()])),
    (Slotted(mangled=[1]), Slotted(mangled=[1])),
    (MappingProxyType({1: 2}), MappingProxyType({1: 2})),
    (SimpleNamespace(a=1), SimpleNamespace(a=1)),
    (UserDict({"a": 1}), UserDict({"a": 1})),
    (array.array("i", [1]), array.array("i", [1])),
    (partial(print, 1), partial(print, 1)),
    (random.Random(1), random.Random(1)),
    (ValueError("a", 1), ValueError("a", 1)),
    (Level.LOW, Level.LOW),
    (math.sin, math.sin),
    (None, None),
    (range(3), range(3)),
    (pydantic.SecretStr("x"), pydantic.SecretStr("x")),
    (pydantic.AnyUrl("http://a.example"), pydantic.AnyUrl("http://a.example")),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=range(len(SAME)))  # their repr differs from run to run
def test_the_same(one: object, other: object) -> None:
    assert_same(one, other)
    assert_same([one], [other])
    assert_same(Plain(it=one), Plain(it=other))


# What differs

DIFFERENT: list[tuple[Any, Any]] = [
    (1, 2),
    (1, 1.0),
    (1, True),
    (1, Degrees(1)),
    (Decimal(1), 1),
    ("a", b"a"),
    (None, 0),
    (NAN, 1.0),
    (Decimal("nan"), Decimal(1)),
    (NOON, NOON + timedelta(microseconds=1)),
    (NOON, NOON.replace(tzinfo=None)),
    (TWICE, TWICE.replace(fold=1)),
    (NOON, NOON.astimezone(SUMMER).replace(tzinfo=timezone.utc)),
    (datetime(2026, 7, 1), date(2026, 7, 1)),
    (time(1), time(2)),
    ([1], (1,)),
    ([1, 2], [2, 1]),
    ([1], [1, 1]),
    ({1: 2}, {1: 3}),
    ({1: 2}, {True: 2}),
    (OrderedDict({1: 1, 2: 2}), OrderedDict({2: 2, 1: 1})),
    ({1}, {1.0}),
    ({1}, frozenset({1})),
    (Counter(a=1), {"a": 1}),
    (deque([1]), deque([2])),
    (bytearray(b"a"), bytearray(b"b")),
    (UUID(int=1), UUID(int=2)),
    (Fraction(1, 2), Fraction(1, 3)),
    (PurePosixPath("a"), PurePosixPath("b")),
    (Path("a"), PurePosixPath("a")),
    (Bed("a", [1]), Bed("a", [2])),
    (Bed("a", []), ("a", [])),
    (Plain(a=1), Plain(a=1, b=1)),
    (Plain(_a=1), Plain(_a=2)),
    (Plain(a=1), SimpleNamespace(a=1)),
    (Slotted(mangled=1), Slotted(mangled=2)),
    (Computed(1), Computed(2)),
    (MappingProxyType({1: 2}), MappingProxyType({1: 3})),
    (SimpleNamespace(a=1), SimpleNamespace(a=2)),
    (UserDict({"a": 1}), UserDict({"a": 2})),
    (array.array("i", [1]), array.array("i", [2])),
    (partial(print, 1), partial(print, 2)),
    (random.Random(1), random.Random(2)),
    (ValueError("a"), ValueError("b")),
    (Level.LOW, Level.HIGH),
    (math.sin, math.cos),
    (int, bool),
    (object(), object()),
    (threading.Lock(), threading.Lock()),
    (range(3), range(4)),
    (pydantic.SecretStr("x"), pydantic.SecretStr("y")),
    (pydantic.AnyUrl("http://a.example"), pydantic.AnyUrl("http://b.example")),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=range(len(DIFFERENT)))
def test_not_the_same(one: object, other: object) -> None:
    text_of_failure(one, other)
    text_of_failure([one], [other])
    text_of_failure(Plain(it=one), Plain(it=other))
    assert_same(one, one)


@in_both_flavours
def test_every_field_of_an_entity_counts_beyond_its_identity(flavour: type[Flavour]) -> None:
    assert plant(flavour, name="fig") == plant(flavour, name="yew")
    assert_same(plant(flavour, name="fig"), plant(flavour, name="fig"))
    assert where(plant(flavour, name="fig"), plant(flavour, name="yew")) == ["product.name: 'fig' != 'yew'"]


@in_both_flavours
def test_ft2_entities_in_sets_and_as_keys_are_compared_by_what_they_hold(flavour: type[Flavour]) -> None:
    one, other = plant(flavour, price=1.0), plant(flavour, price=2.0)
    assert {one} == {other}
    assert where({one}, {other}) == ["actual{1}.price: 1.0 != 2.0"]
    assert where([{one: 1}], [{other: 1}]) == [
        f"actual[0][{flavour.Product.__qualname__}(product_id=1, name='', price={price})]: {verb} 1"
        for price, verb in [("1.0", "unexpected"), ("2.0", "missing")]
    ]
    assert_same({one, plant(flavour, product_id=2)}, {plant(flavour, product_id=2), plant(flavour, price=1.0)})


@in_both_flavours
def test_pending_events_and_versions_do_not_count(flavour: type[Flavour]) -> None:
    saved, basket = flavour.Basket(basket_id=1), flavour.Basket(basket_id=1)
    saved.add("fig")
    basket.items.append("fig")
    SyncInMemoryRepository[Any, int]().save(saved)
    assert_same(saved, basket)
    assert_same([{"of": saved}], [{"of": basket}])


@in_both_flavours
def test_a_subclass_is_another_class_at_every_level(flavour: type[Flavour]) -> None:
    special = flavour.declare(flavour.Product, "Special")
    fields, name = "(product_id=1, name='', price=2.0)", flavour.Product.__qualname__
    assert where({1: [special(product_id=1, price=2.0)]}, {1: [plant(flavour, price=2.0)]}) == [
        f"actual[1][0]: Special{fields} != {name}{fields}"
    ]


@in_both_flavours
def test_what_holds_itself_is_compared_once(flavour: type[Flavour]) -> None:
    node = flavour.declare("Entity", "Node", id=int, next=(Any, None), label=(str, ""))

    def ring(*labels: str) -> Any:
        nodes = [node(id=index, label=label) for index, label in enumerate(labels)]
        for index, one in enumerate(nodes):
            object.__setattr__(one, "next", nodes[index - 1])
        return nodes[0]

    assert_same(ring("a", "b", "c"), ring("a", "b", "c"))
    assert where(ring("a", "b", "c"), ring("a", "x", "c")) == ["node.next.next.label: 'b' != 'x'"]
    one: list[Any] = []
    one.append({"again": one})
    assert_same(one, copy.deepcopy(one))


def test_a_set_whose_members_hold_their_owner_is_compared() -> None:
    def garden(*names: str) -> Plain:
        made, beds = Plain(), set[Plain]()
        made.__dict__["beds"] = beds
        beds.update(Plain(name=name, garden=made) for name in names)
        return made

    assert_same(garden("a", "b", "c"), garden("c", "b", "a"))
    text_of_failure(garden("a", "b"), garden("a", "c"))


def test_what_was_tried_for_a_set_is_assumed_nowhere_else() -> None:
    def deep(value: int) -> Plain:
        return Plain(a=Plain(a=Plain(a=Plain(a=value))))

    one, other = [deep(value) for value in range(5)], [deep(value) for value in range(5)]
    assert_same(Plain(members=set(one), one=one[0]), Plain(members=set(other), one=other[0]))
    for index in range(1, 5):
        actual = Plain(members=set(one), pairs=one)
        expected = Plain(members=set(other), pairs=[*other[index:], *other[:index]])
        assert len(where(actual, expected)) == 5


# What pydantic, dataclasses and SQLAlchemy keep beside the fields


def test_private_attributes_and_extra_fields_of_models_count() -> None:
    class Pot(dddkit.pydantic.Entity):
        model_config = pydantic.ConfigDict(extra="allow")
        id: int
        _soil: list[str] = pydantic.PrivateAttr(default_factory=list)
        _waterings = 0

        def fill(self, soil: str) -> None:
            self._soil.append(soil)

        def water(self) -> None:
            self._waterings += 1

    def pot(soil: str, **extra: Any) -> Pot:
        made = Pot(id=1, **extra)
        made.fill(soil)
        return made

    assert_same(pot("peat", size=3), pot("peat", size=3))
    assert where(pot("peat"), pot("sand")) == ["pot._soil[0]: 'peat' != 'sand'"]
    watered = pot("peat")
    watered.water()
    assert where(watered, pot("peat")) == ["pot._waterings: 1 != 0"]
    assert where(pot("peat", size=3), pot("peat", size=4)) == ["pot.size: 3 != 4"]
    assert where(pot("peat", size=3), pot("peat")) == ["pot.size: unexpected 3"]


def test_which_fields_of_a_model_were_given_does_not_count() -> None:
    class Pot(dddkit.pydantic.Entity):
        id: int
        size: int = 1

    assert_same(Pot(id=1), Pot(id=1, size=1))


def test_what_a_cached_property_remembers_does_not_count() -> None:
    one, other = Computed(1), Computed(1)
    assert one.double == 2
    assert_same(one, other)


def test_a_default_of_the_class_is_the_value_of_a_field() -> None:
    one, other = Bench("a"), Bench("a")
    other.limit = 3
    assert_same(one, other)
    other.limit = 4
    assert where(one, other) == ["bench.limit: 3 != 4"]


def test_fields_of_frozen_slotted_dataclasses_count() -> None:
    @dataclass(frozen=True, slots=True, eq=False)
    class Size:
        width: int

    assert_same(Size(1), Size(1))
    assert where(Size(1), Size(2)) == ["size.width: 1 != 2"]


def test_a_row_is_compared_with_a_new_object() -> None:
    class Base(DeclarativeBase):
        pass

    class Crate(dddkit.dataclasses.Aggregate, Base):
        __tablename__ = "crates"
        id: Mapped[int] = mapped_column(primary_key=True)
        note: Mapped[str | None]
        bottles: Mapped[list[Bottle]] = relationship()

        def __init__(self, **fields: Any) -> None:
            super().__init__(**fields)

    class Bottle(Base):
        __tablename__ = "bottles"
        id: Mapped[int] = mapped_column(primary_key=True)
        crate_id: Mapped[int] = mapped_column(ForeignKey("crates.id"))

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Crate(id=1, bottles=[Bottle(id=1, crate_id=1)]))
        session.commit()
        crate = session.get(Crate, 1)
        assert_same(crate, Crate(id=1, note=None, bottles=[Bottle(id=1, crate_id=1)]))
        expired = Crate(id=1, bottles=[Bottle(id=2, crate_id=1)])
        assert where(crate, expired) == ["crate.bottles[0].id: 1 != 2"]
    engine.dispose()


@in_both_flavours
def test_what_freezegun_makes_is_a_datetime(flavour: type[Flavour]) -> None:
    with freeze_time("2026-07-01"):
        made = flavour.Placed(order=1)
    assert_same(made.occurred_on, datetime(2026, 7, 1, tzinfo=timezone.utc))


def test_a_number_is_compared_as_a_number_whatever_its_class_says() -> None:

    class Liar(int):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

    assert where([Liar(1)], [Liar(2)]) == ["actual[0]: Liar(1) != Liar(2)"]


# Laws


values: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(width=16) | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 2) | st.booleans(), inner, max_size=2)
        | st.tuples(inner)
        | inner.map(lambda value: Plain(a=value))
    ),
    max_leaves=6,
)


def are_same(one: object, other: object) -> bool:
    try:
        assert_same(one, other)
    except AssertionError:
        return False
    return True


@given(values)
def test_a_deep_copy_is_the_same(value: object) -> None:
    assert_same(value, copy.deepcopy(value))


@given(values, values)
def test_what_is_the_same_from_one_side_is_from_the_other(one: object, other: object) -> None:
    assert are_same(one, other) is are_same(other, one)


@given(st.frozensets(st.integers(0, 5)), st.frozensets(st.integers(0, 5)))
def test_sets_of_objects_that_hash_as_they_like_are_compared_as_sets(
    one: frozenset[int], other: frozenset[int]
) -> None:
    assert are_same({Plain(a=value) for value in one}, {Plain(a=value) for value in other}) is (one == other)


# What a failure says


def test_every_difference_has_its_line_and_its_path() -> None:
    actual = Plain(a=[1, 2, {"x": (1, Bed("rose", ["r"]))}], b={1: 2}, c=3)
    expected = Plain(a=[1, 3, {"x": (1, Bed("lily", [])), "y": 1}], b={}, d="d")
    assert text_of_failure(actual, expected).splitlines() == [
        "the Plain is not as expected",
        "  at plain.a[1]: 2 != 3",
        "  at plain.a[2]['x'][1].name: 'rose' != 'lily'",
        "  at plain.a[2]['x'][1].plants[0]: unexpected 'r'",
        "  at plain.a[2]['y']: missing 1",
        "  at plain.b[1]: unexpected 2",
        "  at plain.d: missing 'd'",
        "  at plain.c: unexpected 3",
    ]


LINES: list[tuple[Any, Any, str]] = [
    (1, True, "actual: 1 (int) != True (bool)"),
    (None, 3, "actual: None != 3"),
    (Degrees(3), 3, "actual: Degrees(3) != 3 (int)"),
    (Plain(a=1), None, "actual: Plain(a=1) != None"),
    ([1], (1,), "actual: [1] (list) != (1,) (tuple)"),
    (ValueError("a"), ValueError("b"), "value_error[0]: 'a' != 'b'"),
    ({"b", "a"}, {"a"}, "actual: unexpected 'b'"),
    (frozenset(), frozenset([frozenset([1])]), "actual: missing frozenset({1})"),
    (deque([1]), deque([deque[int]()]), "actual[0]: 1 (int) != deque([])"),
    (array.array("i", [1]), array.array("i", [2]), "actual: array('i', [1]) != array('i', [2])"),
    (
        OrderedDict({1: 1, 2: 2}),
        OrderedDict({2: 2, 1: 1}),
        "ordered_dict: OrderedDict({1: 1, 2: 2}) != OrderedDict({2: 2, 1: 1})",
    ),
    (
        "a" * 99 + "b",
        "a" * 99 + "c",
        "actual: ...'aaaaaaaaaaaaaaaaaaaab' (from index 99 of 100) != ...'aaaaaaaaaaaaaaaaaaaac' (of 100)",
    ),
    ("a", "a" * 70, f"actual: 'a' (from index 1 of 1) != '{'a' * 21}'... (of 70)"),
    (list(range(50)), {}, f"actual: [{', '.join(map(str, range(12)))}, ...] (list) != {{}} (dict)"),
]


@pytest.mark.parametrize(("one", "other", "line"), LINES)
def test_a_line_shows_in_what_two_objects_differ(one: object, other: object, line: str) -> None:
    assert where(one, other) == [line]


def test_two_classes_of_one_name_are_told_apart() -> None:
    first, second = (run("class Pot: ...")["Pot"] for _ in range(2))
    assert where(first(), second()) == ["pot: Pot() (users_module.Pot) != Pot() (another class of that name)"]
    third = type("Pot", (), {"__module__": "elsewhere"})
    assert where(first(), third()) == ["pot: Pot() (users_module.Pot) != Pot() (elsewhere.Pot)"]


def test_after_twenty_lines_the_rest_is_counted() -> None:
    lines = text_of_failure(list(range(50)), [-1] * 50).splitlines()
    assert (len(lines), lines[-1]) == (22, "  and 30 more")


def nested(depth: int, innermost: object) -> Any:
    for _ in range(depth):
        innermost = [innermost]
    return innermost


def test_ft3_objects_may_lie_deeper_than_the_stack_of_python() -> None:
    assert_same(nested(2_000, 1), nested(2_000, 1))
    (line,) = where(nested(2_000, 1), nested(2_000, 2))
    assert line.startswith("actual[0][0]")
    assert line.endswith("[0][0]: 1 != 2")
    assert len(line) < 300


def pair(one: Any) -> Any:
    return [one, one]


def mapping(one: Any) -> Any:
    return {0: one, 1: one}


def members(one: Any) -> Any:
    return frozenset([one, (one,)])


@pytest.mark.parametrize(("depth", "wrap"), [(200, pair), (200, mapping), (12, members)])
def test_what_is_too_large_to_be_shown_is_shown_in_part(depth: int, wrap: Callable[[Any], Any]) -> None:
    large: Any = 7
    for _ in range(depth):
        large = wrap(large)
    (line,) = where(large, None)
    assert line.endswith("... != None")
    assert len(line) < 300


def test_members_of_a_set_that_is_too_large_to_be_shown_are_in_order() -> None:
    (line,) = where({(number, (number,)) for number in range(1000, 2000)}, None)
    assert line.startswith("actual: {(1000, (1000,)), (1001, (1001,)), (1002, (1002,)), ")


def test_a_mock_is_the_same_as_itself_only() -> None:
    one = mock.MagicMock()
    assert_same([one], [one])
    (line,) = where([one], [mock.MagicMock()])
    assert line.startswith("actual[0]: <MagicMock id=")


def test_an_object_that_holds_itself_can_be_shown() -> None:
    one: list[Any] = [1]
    one.append(one)
    assert where(one, None) == ["actual: [1, ...] != None"]


def test_a_repr_that_raises_hides_nothing() -> None:
    class Mute:
        __slots__ = ()

        def __repr__(self) -> str:
            raise LookupError

        def __eq__(self, other: object) -> bool:
            return self is other

        __hash__ = object.__hash__

    line = "actual[0]: <{}, whose repr raises LookupError> != <{}, whose repr raises LookupError>"
    assert where([Mute()], [Mute()]) == [line.replace("{}", Mute.__qualname__)]


class Rude:
    def __eq__(self, other: object) -> bool:
        raise LookupError

    def __repr__(self) -> str:
        raise LookupError

    def __hash__(self) -> int:
        return 1


@in_both_flavours
def test_members_of_a_set_may_have_an_identity_that_cannot_be_compared_or_shown(flavour: type[Flavour]) -> None:
    Guest = flavour.declare("Entity", "Guest", id=(Any,), name=(str, "Ann"))
    identity = Rude()
    assert_same({Guest(id=identity)}, {Guest(id=identity)})
    lines = where({Guest(id=identity)}, {Guest(id=identity, name="Bob")})
    assert [line.partition(" ")[0] for line in lines] == ["actual:", "actual:"]
    assert where({Guest(id=Rude())}, set[Any]()) == ["actual: unexpected Guest(id=Rude(), name='Ann')"]


@in_both_flavours
def test_a_list_of_what_a_repository_holds_is_compared_in_one_line(flavour: type[Flavour]) -> None:
    async def main() -> None:
        baskets = flavour.blocks.InMemoryRepository()
        await baskets.save(flavour.Basket(basket_id=1, items=["fig"]))
        assert_same(await baskets.all(), [flavour.Basket(basket_id=1, items=["fig"])])

    asyncio.run(main())
