"""What `lock_events` accepts without another version, both versions read from each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, Optional, Protocol, TypeVar, Union
from uuid import UUID

import pytest
from annotated_types import Ge, Le, MaxLen
from hypothesis import event, given, reject, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime

from dddkit.messages import EventCatalog, Message, lock_events
from tests.blocks.flavours import Dataclasses, Flavour, Model, Pydantic

Json = Any  # JSON
T = TypeVar("T")


class Draw(Protocol):
    def __call__(self, strategy: st.SearchStrategy[T], /) -> T: ...


@dataclass(frozen=True)
class Field:
    """The type of a field, as a tree that can be drawn anew in one place."""

    kind: str
    parts: tuple[Field, ...] = ()
    names: tuple[str, ...] = ()  # of a nested class: those of its fields
    has_default: bool = False

    def type_in(self, flavour: type[Flavour], name: str = "Nested") -> Any:  # a type made at run time
        if self.kind in LEAVES:
            return LEAVES[self.kind][0]
        inner: list[Any] = [part.type_in(flavour) for part in self.parts]
        if self.kind == "class":
            return flavour.declare("ValueObject", name, **fields_of(flavour, self))
        if self.kind == "either":
            classes = tuple(part.type_in(flavour, each) for part, each in zip(self.parts, "AB", strict=True))
            return Union[classes]  # noqa: UP007  # of a tuple
        made: dict[str, Callable[[], Any]] = {
            "optional": lambda: Optional[inner[0]],  # noqa: UP045  # of a type made at run time
            "list": lambda: list[inner[0]],  # type: ignore[valid-type]  # made at run time
            "mapping": lambda: dict[str, inner[0]],  # type: ignore[valid-type]  # made at run time
            "pair": lambda: tuple[inner[0], inner[-1]],  # type: ignore[valid-type]  # made at run time
        }
        return made[self.kind]()

    def values(self) -> st.SearchStrategy[Json]:
        if self.kind in LEAVES:
            return LEAVES[self.kind][1]
        inner = [part.values() for part in self.parts]
        if self.kind == "class":
            required = {
                name: values
                for name, values, part in zip(self.names, inner, self.parts, strict=True)
                if not part.has_default
            }
            optional = {name: values for name, values in zip(self.names, inner, strict=True) if name not in required}
            return st.fixed_dictionaries(required, optional=optional)
        made: dict[str, Callable[[], st.SearchStrategy[Json]]] = {
            "optional": lambda: st.none() | inner[0],
            "either": lambda: inner[0] | inner[1],
            "list": lambda: st.lists(inner[0], max_size=2),
            "mapping": lambda: st.dictionaries(st.sampled_from("ab"), inner[0], max_size=2),
            "pair": lambda: st.tuples(inner[0], inner[-1]).map(list),
        }
        return made[self.kind]()


def fields_of(flavour: type[Flavour], nested: Field) -> dict[str, Any]:
    """The fields of a class, one with a default having any value that fits."""
    types = [part.type_in(flavour) for part in nested.parts]
    pairs = zip(nested.names, nested.parts, types, strict=True)
    return {name: (made, DEFAULTS[part.kind]) if part.has_default else made for name, part, made in pairs}


text = st.sampled_from(["", "a", "abc", "1", "2026-03-01", "0195f1c2-0000-7000-8000-000000000001"])
LEAVES: dict[str, tuple[Any, st.SearchStrategy[Json]]] = {
    "int": (int, st.integers(-3, 30)),
    "int up to 10": (Annotated[int, Le(10)], st.integers(-3, 10)),
    "int up to 20": (Annotated[int, Le(20)], st.integers(-3, 20)),
    "int from 0": (Annotated[int, Ge(0)], st.integers(0, 30)),
    "float": (float, st.sampled_from([-1.5, 0.0, 2.0, "Infinity"])),
    "bool": (bool, st.booleans()),
    "text": (str, text),
    "short text": (Annotated[str, MaxLen(1)], st.sampled_from(["", "a", "1"])),
    "decimal": (Decimal, st.sampled_from(["1.50", "-0.1", "1000"])),
    "decimal up to 10": (Annotated[Decimal, Le(Decimal(10))], st.sampled_from(["1.50", "-0.1"])),
    "uuid": (UUID, st.uuids().map(str)),
    "date": (date, st.just("2026-03-01")),
    "time": (datetime, st.sampled_from(["2026-03-01T10:00:00", "2026-03-01T10:00:00Z"])),
    "aware time": (AwareDatetime, st.just("2026-03-01T10:00:00Z")),
    "duration": (timedelta, st.just("PT5S")),
    "bytes": (bytes, st.just("AAE=")),
    "a, b": (Literal["a", "b"], st.sampled_from("ab")),
    "a, b, c": (Literal["a", "b", "c"], st.sampled_from("abc")),
    "set": (frozenset[int], st.lists(st.integers(0, 5), max_size=3, unique=True)),
    "list": (list[int], st.lists(st.integers(0, 5), max_size=3)),
}
DEFAULTS: dict[str, Any] = {
    "int": 1,
    "text": "",
    "decimal": Decimal(1),
    "time": datetime(2026, 3, 1, tzinfo=timezone.utc),
    "a, b": "a",
    "optional": None,
    "bool": True,
}
NAMES = ("total", "note", "sku", "kind")


@st.composite
def fields(draw: Draw, depth: int = 2) -> Field:
    if depth == 0 or draw(st.booleans()):
        return Field(draw(st.sampled_from([*LEAVES])))
    kind = draw(st.sampled_from(["optional", "list", "mapping", "pair", "class", "either"]))
    if kind == "class":
        return draw(classes(depth - 1))
    if kind == "either":
        return Field(kind, (draw(classes(0)), draw(classes(0))))
    parts = [draw(fields(depth - 1)) for _ in range(2 if kind == "pair" else 1)]
    return Field(kind, tuple(parts))


@st.composite
def classes(draw: Draw, depth: int = 2) -> Field:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    return Field("class", tuple(draw(with_default(draw(fields(depth)))) for _ in names), tuple(names))


@st.composite
def with_default(draw: Draw, field: Field) -> Field:
    return Field(field.kind, field.parts, field.names, has_default=field.kind in DEFAULTS and draw(st.booleans()))


@st.composite
def changed(draw: Draw, field: Field) -> Field:
    """The same type with some places drawn anew."""
    if draw(st.integers(0, 11)) == 0:
        return draw(with_default(draw(fields(1))))
    parts: list[Field] = [draw(changed(part)) for part in field.parts]
    names = list(field.names)
    if field.kind == "class":
        others = [name for name in NAMES if name not in names]
        is_longer = draw(st.booleans())
        if others and is_longer:
            names.append(others[0])
            parts.append(Field(draw(st.sampled_from([*DEFAULTS][:5])), has_default=draw(st.integers(0, 3)) > 0))
        if len(names) > 1 and draw(st.integers(0, 7)) == 0:
            del names[0], parts[0]
    made = Field(field.kind, tuple(parts), tuple(names), field.has_default)
    return draw(with_default(made)) if draw(st.integers(0, 9)) == 0 else made


@st.composite
def versions(draw: Draw) -> tuple[Field, Field]:
    old = draw(classes())
    parts = draw(changed(old))
    return old, parts if parts.kind == "class" else Field("class", (parts,), ("total",))


def catalog_of(flavour: type[Flavour], field: Field) -> EventCatalog:
    catalog = EventCatalog("/shop")
    made: Model = flavour.declare("AggregateEvent", "Placed", **fields_of(flavour, field))
    catalog.add(made, "order.placed")
    return catalog


def accepted(old: EventCatalog, new: EventCatalog) -> bool:
    """Whether the new version is locked over the old one."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "events.lock.json"
        lock_events(old, path)
        try:
            lock_events(new, path)
        except ValueError:
            return False
    return True


def same(one: Any, other: Any) -> bool:
    """Whether two versions mean the same by all fields that both of them know."""
    kind: type[object] = one.__class__
    if kind in {list, tuple}:
        return len(one) == len(other) and all(map(same, one, other))
    if kind is dict:
        return bool(one.keys() == other.keys()) and all(same(one[key], other[key]) for key in one)
    if kind.__module__ != Flavour.__module__:
        return kind is type(other) and bool(one == other)
    alike = all(same(getattr(one, name), getattr(other, name)) for name in fields_in(one) & fields_in(other))
    return kind.__name__ == type(other).__name__ and alike


def fields_in(value: object) -> set[str]:
    return {*vars(value)}


def versions_that_are_locked_read_each_other(
    pair: tuple[Field, Field], flavours: tuple[type[Flavour], type[Flavour]], data: st.DataObject
) -> None:
    try:
        old, new = map(catalog_of, flavours, pair)
    except TypeError:  # no codec for such a union
        reject()
    if not accepted(old, new):
        event("refused")
        return
    event("accepted" if pair[0] != pair[1] else "the same")
    for field, writer, reader in ((pair[0], old, new), (pair[1], new, old)):
        content = data.draw(field.values())
        made = writer.decode(Message(id="1", type="order.placed.v1", source="/shop", data=content))
        assert same(made, reader.decode(Message.from_json(writer.encode(made).to_json())))


random_versions = given(
    pair=versions(), flavours=st.tuples(*[st.sampled_from([Dataclasses, Pydantic])] * 2), data=st.data()
)


@settings(max_examples=40)
@random_versions
def test_versions_that_are_locked_read_each_other(
    pair: tuple[Field, Field], flavours: tuple[type[Flavour], type[Flavour]], data: st.DataObject
) -> None:
    versions_that_are_locked_read_each_other(pair, flavours, data)


@pytest.mark.slow
@settings(max_examples=300)
@random_versions
def test_many_versions_that_are_locked_read_each_other(
    pair: tuple[Field, Field], flavours: tuple[type[Flavour], type[Flavour]], data: st.DataObject
) -> None:
    versions_that_are_locked_read_each_other(pair, flavours, data)
