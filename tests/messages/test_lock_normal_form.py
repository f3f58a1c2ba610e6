"""What the lock file says of a message: the same for classes that say the same."""

from __future__ import annotations

import enum
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal, NamedTuple, NewType
from uuid import UUID

import annotated_types
import pydantic
import pytest
from typing_extensions import NotRequired, TypedDict

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.messages import EventCatalog, check_events, lock_events
from tests.blocks.flavours import Dataclasses, Flavour, Model, Pydantic, in_both_flavours

Json = Any


def locked(*event_classes: Model, **events: Model) -> Json:
    """Return what is locked of events that are called like their keywords."""
    return json.loads(lock_text(*event_classes, **events))["messages"]


def lock_text(*event_classes: Model, **events: Model) -> str:
    catalog = EventCatalog("/shop")
    for event_class in event_classes:
        catalog.add(event_class, event_class.__name__.lower())
    for name, event_class in events.items():
        catalog.add(event_class, name)
    path = Path("events.lock.json")
    path.unlink(missing_ok=True)
    lock_events(catalog, path)
    check_events(catalog, path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def in_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Size(enum.Enum):
    SMALL = "S"
    LARGE = "L"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Address(TypedDict):
    """Somewhere."""

    street: str
    floor: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 0


Sku = NewType("Sku", str)
INTEGER = {"type": "integer"}
STRING = {"type": "string"}

# These texts are the same under every pydantic from 2.10 on; people have them in their repositories.
NORMAL_FORMS: list[tuple[Any, Json]] = [
    (int, INTEGER),
    (bool, {"type": "boolean"}),
    (float, {"type": "number"}),
    (str, STRING),
    (Sku, STRING),
    (bytes, {"type": "string", "format": "base64"}),
    (Decimal, {"type": "string", "format": "decimal"}),
    (UUID, {"type": "string", "format": "uuid"}),
    (pydantic.UUID4, {"type": "string", "format": "uuid4"}),
    (date, {"type": "string", "format": "date"}),
    (time, {"type": "string", "format": "time"}),
    (datetime, {"type": "string", "format": "date-time"}),
    (pydantic.AwareDatetime, {"type": "string", "format": "date-time", "timezone": "aware"}),
    (timedelta, {"type": "string", "format": "duration"}),
    (Size, {"enum": ["L", "S"]}),
    (Level, {"enum": [1, 2]}),
    (Literal["b", "a"], {"enum": ["a", "b"]}),
    (Literal["a"], {"enum": ["a"]}),
    (int | None, {"anyOf": [INTEGER, {"type": "null"}]}),
    (str | int, {"anyOf": [INTEGER, STRING]}),
    (list[int], {"type": "array", "items": INTEGER}),
    (tuple[int, ...], {"type": "array", "items": INTEGER}),
    (frozenset[int], {"type": "array", "items": INTEGER, "uniqueItems": True}),
    (tuple[int, str], {"type": "array", "prefixItems": [INTEGER, STRING], "minItems": 2, "maxItems": 2}),
    (Point, {"type": "array", "prefixItems": [INTEGER, INTEGER], "minItems": 1, "maxItems": 2}),
    (dict[str, int], {"type": "object", "additionalProperties": INTEGER}),
    (
        dict[UUID, int],
        {"type": "object", "additionalProperties": INTEGER, "propertyNames": {"type": "string", "format": "uuid"}},
    ),
    (Address, {"type": "object", "properties": {"street": STRING, "floor": INTEGER}, "required": ["street"]}),
    (
        Annotated[int, pydantic.Field(ge=1, lt=10, title="Number", description="how many", examples=[1])],
        {"type": "integer", "minimum": 1, "maximum": 9},
    ),
    (Annotated[float, annotated_types.Ge(1.0)], {"type": "number", "minimum": 1}),
    (pydantic.FiniteFloat, {"type": "number", "finite": True}),
    (
        Annotated[Decimal, pydantic.Field(max_digits=5, decimal_places=2, gt=Decimal("0.10"), le=Decimal("100.00"))],
        {
            "type": "string",
            "format": "decimal",
            "maxDigits": 5,
            "decimalPlaces": 2,
            "exclusiveMinimum": "0.1",
            "maximum": 100,
        },
    ),
    (
        Annotated[str, pydantic.Field(min_length=1, max_length=3, pattern="^a")],
        {"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^a"},
    ),
    (
        Annotated[date, annotated_types.Gt(date(2026, 1, 1))],
        {"type": "string", "format": "date", "exclusiveMinimum": "2026-01-01"},
    ),
    (
        Annotated[timedelta, annotated_types.Le(timedelta(minutes=1))],
        {"type": "string", "format": "duration", "maximum": 60},
    ),
    (
        Annotated[list[int], annotated_types.Len(1, 3)],
        {"type": "array", "items": INTEGER, "minItems": 1, "maxItems": 3},
    ),
    (
        Annotated[dict[str, int], annotated_types.MinLen(1)],
        {"type": "object", "additionalProperties": INTEGER, "minProperties": 1},
    ),
    (
        Annotated[str, pydantic.Field(pattern=re.compile("^a", re.IGNORECASE))],
        {"type": "string", "pattern": "^a (flags 2)"},
    ),
    (Annotated[str, pydantic.StringConstraints(strip_whitespace=True)], {"type": "string", "stripWhitespace": True}),
    (Literal["a", "b"] | Literal["c"], {"enum": ["a", "b", "c"]}),
    (pydantic.PastDate, {"type": "string", "format": "date", "now": "past"}),
    (Annotated[Decimal, pydantic.WithJsonSchema({"type": "number"})], {"type": "string", "format": "decimal"}),
]


@in_both_flavours
def test_a_type_has_the_same_normal_form_in_every_pydantic(flavour: type[Flavour]) -> None:
    types = {f"field_{number:02}": each for number, (each, _) in enumerate(NORMAL_FORMS)}
    found = locked(placed=flavour.declare("AggregateEvent", "Placed", **types))["placed"]
    expected = {name: form for name, (_, form) in zip(types, NORMAL_FORMS, strict=True)}
    for side in ("written", "read"):
        assert {name: found[side]["properties"][name] for name in types} == expected
        assert set(found[side]["required"]) - {"occurred_on"} == set(types)
    assert set(found["written"]["required"]) - set(types) == {"occurred_on"}


class House(dddkit.pydantic.ValueObject):
    model_config = pydantic.ConfigDict(str_max_length=3, allow_inf_nan=False)

    name: str
    size: float
    price: Decimal

    @pydantic.computed_field
    def label(self) -> str:
        return self.name


def test_settings_of_a_class_count_and_computed_fields_do_not() -> None:
    found = locked(placed=Dataclasses.declare("AggregateEvent", "Placed", house=House, note=str))["placed"]
    for side in ("written", "read"):
        assert found[side]["properties"]["note"] == STRING
        assert found[side]["properties"]["house"]["properties"] == {
            "name": {"type": "string", "maxLength": 3},
            "size": {"type": "number", "finite": True},
            "price": {"type": "string", "format": "decimal"},
        }


def test_what_flavours_say_alike_is_locked_alike() -> None:
    def text(flavour: type[Flavour]) -> str:
        line = flavour.declare("ValueObject", "Line", sku=str, quantity=(int, 1))
        fields = {
            "lines": list[line],  # type: ignore[valid-type]  # a class made at run time
            "note": (str | None, None),
            "due": datetime,
            "seal": bytes,
        }
        return lock_text(placed=flavour.declare("AggregateEvent", "Placed", **fields), paid=flavour.Placed)

    assert text(Dataclasses) == text(Pydantic)


@in_both_flavours
def test_names_of_classes_and_orders_are_not_locked(flavour: type[Flavour]) -> None:
    def text(line: str, size: Any, union: Any, *names: str) -> str:
        nested = flavour.declare("ValueObject", line, sku=str)
        types = {"size": size, "either": union, "lines": list[nested]}  # type: ignore[valid-type]  # a class made at run time
        return lock_text(placed=flavour.declare("AggregateEvent", line + "d", **{name: types[name] for name in names}))

    one = text("Line", Literal["S", "L"], int | str, "size", "either", "lines")
    other = text("Position", Size, str | int, "lines", "size", "either")
    assert one == other


@in_both_flavours
def test_defaults_are_not_locked_but_that_there_is_one(flavour: type[Flavour]) -> None:
    def text(**fields: Any) -> str:
        return lock_text(placed=flavour.declare("AggregateEvent", "Placed", **fields))

    assert text(note=(str, "")) == text(note=(str, "none"))
    assert text(note=(str, "")) != text(note=str)


def test_a_property_may_be_called_like_a_keyword() -> None:
    names = ("properties", "required", "anyOf", "enum", "items", "type", "format", "const", "title", "default")
    nested = Dataclasses.declare("ValueObject", "Nested", **dict.fromkeys(names, int | None))
    found = locked(placed=Dataclasses.declare("AggregateEvent", "Placed", nested=nested))["placed"]
    assert set(found["read"]["properties"]["nested"]["properties"]) == set(names)
    assert found["written"]["properties"]["nested"]["required"] == sorted(names)


# Recursion


@dataclass(frozen=True, kw_only=True)
class Tree(dddkit.dataclasses.ValueObject):
    name: str
    children: tuple[Tree, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Grown(dddkit.dataclasses.AggregateEvent):
    tree: Tree


class Node(dddkit.pydantic.ValueObject):
    children: tuple[Node, ...] = ()
    name: str


class Sprouted(dddkit.pydantic.AggregateEvent):
    tree: Node


def test_recursion_is_a_reference_by_number() -> None:
    found = locked(grown=Grown)["grown"]["read"]
    reference = {"$ref": "#/$defs/1"}
    assert found["properties"]["tree"] == reference
    assert found["$defs"] == {
        "1": {
            "type": "object",
            "properties": {"name": STRING, "children": {"type": "array", "items": reference}},
            "required": ["name"],
        }
    }


def test_recursion_is_the_same_in_both_flavours() -> None:
    assert lock_text(grown=Grown) == lock_text(grown=Sprouted)


@dataclass(frozen=True, kw_only=True)
class Both(dddkit.dataclasses.ValueObject):
    kind: Literal["both"]
    one: Condition
    other: Condition


@dataclass(frozen=True, kw_only=True)
class Not(dddkit.dataclasses.ValueObject):
    kind: Literal["not"]
    condition: Condition


@dataclass(frozen=True, kw_only=True)
class Equal(dddkit.dataclasses.ValueObject):
    kind: Literal["equal"]
    name: str
    value: str


Condition = Annotated[Both | Not | Equal, pydantic.Field(discriminator="kind")]
Reordered = Annotated[Equal | Not | Both, pydantic.Field(discriminator="kind")]


@dataclass(frozen=True, kw_only=True)
class Restricted(dddkit.dataclasses.AggregateEvent):
    by: Condition


@dataclass(frozen=True, kw_only=True)
class Limited(dddkit.dataclasses.AggregateEvent):
    by: Reordered


def test_recursion_through_a_union_does_not_depend_on_its_order() -> None:
    found = locked(ruled=Restricted)["ruled"]["read"]
    assert sorted(found["$defs"]) == ["1", "2"]
    assert {"kind": {"enum": ["equal"]}, "name": STRING, "value": STRING} in [
        each.get("properties") for each in found["properties"]["by"]["anyOf"]
    ]
    assert lock_text(ruled=Restricted) == lock_text(ruled=Limited)


def test_a_change_in_a_recursive_class_is_found_where_it_is() -> None:
    lock_text(ruled=Restricted)
    path = Path("events.lock.json")
    text = path.read_text(encoding="utf-8")
    catalog = EventCatalog("/shop")
    catalog.add(Restricted, "ruled")
    content = json.loads(text)
    for side in ("written", "read"):
        for each in content["messages"]["ruled"][side]["$defs"].values():
            for member in each["properties"].get("condition", {}).get("anyOf", []):
                if "properties" in member:
                    member["properties"]["value"] = {"type": "integer"}
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(AssertionError) as caught:
        check_events(catalog, path)
    assert str(caught.value).splitlines() == [
        "ruled.v1: data.by.one.condition.value was integer, and is string now; raise the version and add an upcast"
    ]


def test_many_classes_that_contain_each_other_are_locked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = "abcdefghij"
    lines = ["Value = dddkit.dataclasses.ValueObject"]
    for kind in kinds:
        lines += ["@dataclass(frozen=True, kw_only=True)", f"class K{kind}(Value):"]
        lines += [f"    kind: Literal[{kind!r}]", "    of: 'tuple[Some, ...]'"]
    lines += [f"Some = Annotated[{' | '.join(f'K{kind}' for kind in kinds)}, pydantic.Field(discriminator='kind')]"]
    module = ModuleType("classes_that_contain_each_other")
    vars(module).update({**globals(), "__name__": module.__name__})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("\n".join(lines), vars(module))
    event_class = Dataclasses.declare("AggregateEvent", "Placed", of=module.Some)
    assert len(locked(placed=event_class)["placed"]["read"]["$defs"]) == len(kinds)


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
def test_the_hash_seed_does_not_matter() -> None:
    text = lock_text(grown=Grown, ruled=Restricted)
    program = (
        "from tests.messages import test_lock_normal_form as here\n"
        "print(here.lock_text(grown=here.Grown, ruled=here.Restricted), end='')"
    )
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    for seed in ("1",):
        run = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout == text


def test_time_zones_of_bounds_count() -> None:
    bound = annotated_types.Ge(datetime(2026, 1, 1, tzinfo=timezone.utc))
    found = locked(placed=Dataclasses.declare("AggregateEvent", "Placed", due=Annotated[datetime, bound]))
    assert found["placed"]["read"]["properties"]["due"]["minimum"] == "2026-01-01T00:00:00+00:00"


def test_a_bound_is_a_number_however_it_is_written() -> None:
    def text(bound: Any) -> str:
        return lock_text(placed=Dataclasses.declare("AggregateEvent", "Placed", total=Annotated[float, bound]))

    assert text(annotated_types.Ge(1)) == text(annotated_types.Ge(1.0))
    assert '"minimum": 1,' in text(annotated_types.Ge(1.0))
