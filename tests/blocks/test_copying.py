"""Copies and pickles of an aggregate: its state goes where Python stores it, past descriptors and setters."""

from __future__ import annotations

import base64
import copy
import dataclasses as stdlib
import pickle
import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

import pydantic
import pytest

import dddkit.dataclasses
import dddkit.pydantic
from tests.blocks.flavours import Flavour, in_both_flavours

T = TypeVar("T")


def pickled(protocol: int) -> Callable[[T], T]:
    def way(original: T) -> T:
        moved: T = pickle.loads(pickle.dumps(original, protocol))
        return moved

    return way


WAYS: dict[str, Any] = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickled(5), "pickle 2": pickled(2)}
in_every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@stdlib.dataclass(frozen=True, kw_only=True)
class Noted(dddkit.dataclasses.AggregateEvent):
    """An event of whatever aggregate."""


class Silent:
    """While a copy is made, no descriptor may be called."""

    calls: list[str] = []


@pytest.fixture(autouse=True)
def calls() -> list[str]:
    Silent.calls = []
    return Silent.calls


class Field:
    """A data descriptor, as those of SQLAlchemy: it stores elsewhere what is assigned, and wants to be told."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            raise AttributeError(self.name)  # so that @dataclass finds no default
        Silent.calls.append(f"get {self.name}")
        return instance.__dict__[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        Silent.calls.append(f"set {self.name}")
        instance.__dict__[self.name] = value


@stdlib.dataclass(kw_only=True)
class Described(dddkit.dataclasses.Aggregate):
    id: int
    name: Any = Field()


@stdlib.dataclass(kw_only=True, frozen=True)
class FrozenDescribed(dddkit.dataclasses.Aggregate):
    id: int
    name: Any = Field()


class WithSetter(dddkit.dataclasses.Aggregate):
    def __init__(self, *, id: int, name: str) -> None:  # noqa: A002 - the field's name
        self.id = id
        self.__dict__["name"] = name

    @property
    def name(self) -> str:
        Silent.calls.append("get name")
        return str(self.__dict__["name"])

    @name.setter
    def name(self, value: str) -> None:
        Silent.calls.append("set name")
        raise ValueError("a name is set once")


@stdlib.dataclass(kw_only=True, slots=True)
class Slotted(dddkit.dataclasses.Aggregate):
    id: int
    name: str


class HiddenSlot(Slotted):
    """A property hides the slot that it reads."""

    __slots__ = ()

    @property
    def name(self) -> str:
        Silent.calls.append("get name")
        return str(Slotted.__dict__["name"].__get__(self))

    @name.setter
    def name(self, value: str) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]  # the point
        Silent.calls.append("set name")
        Slotted.__dict__["name"].__set__(self, value)


class CachedName(dddkit.dataclasses.Aggregate):
    def __init__(self, *, id: int, name: str) -> None:  # noqa: A002 - the field's name
        self.id = id
        self.given = name

    @cached_property
    def name(self) -> str:
        Silent.calls.append("get name")
        return self.given


GUARDED: list[Any] = [Described, FrozenDescribed, WithSetter, HiddenSlot, CachedName]


@in_every_way
@pytest.mark.parametrize("declared", GUARDED, ids=lambda declared: declared.__name__)
def test_fd1_copying_calls_no_descriptor_and_no_setter(declared: Any, way: Any, calls: list[str]) -> None:
    original = declared(id=1, name="tea")
    calls.clear()
    twin = way(original)
    assert calls == []
    assert type(twin) is declared
    assert (twin.id, twin.name) == (1, "tea")


@in_every_way
def test_fd1_what_is_cached_stays_cached(way: Any, calls: list[str]) -> None:
    original = CachedName(id=1, name="tea")
    assert original.name == "tea"
    twin = way(original)
    assert (twin.name, calls) == ("tea", ["get name"])


# Slots


class Mangled(dddkit.dataclasses.Aggregate):
    __slots__ = ("__secret", "id")

    def __init__(self, *, id: int, secret: str) -> None:  # noqa: A002 - the field's name
        self.id = id
        self.__secret = secret

    def secret(self) -> str:
        return self.__secret


class MangledTwice(Mangled):
    """Has a slot of its own with the same private name, another slot, and a `__dict__`."""

    __slots__ = ("__dict__", "__secret", "note")

    def __init__(self, *, id: int, secret: str) -> None:  # noqa: A002 - the field's name
        super().__init__(id=id, secret=secret)
        self.__secret = secret.upper()
        self.loose = [secret]

    def own_secret(self) -> str:
        return self.__secret


@in_every_way
def test_fd1_private_inherited_and_unset_slots_are_copied(way: Any) -> None:
    twin = way(Mangled(id=1, secret="tea"))
    assert (twin.id, twin.secret()) == (1, "tea")
    assert not hasattr(twin, "__dict__")
    twin = way(MangledTwice(id=1, secret="tea"))
    assert (twin.id, twin.secret(), twin.own_secret(), twin.loose) == (1, "tea", "TEA", ["tea"])
    assert not hasattr(twin, "note")


@stdlib.dataclass(kw_only=True, frozen=True, slots=True)
class FrozenSlotted(dddkit.dataclasses.Aggregate):
    id: int
    later: str = stdlib.field(init=False)


class Loose(FrozenSlotted):
    """Has a `__dict__`, which the generated `__getstate__` of its base does not know."""


@in_every_way
def test_fd1_a_frozen_slotted_dataclass_is_copied_with_unset_fields_and_attributes_of_a_subclass(way: Any) -> None:
    twin = way(FrozenSlotted(id=1))
    assert twin.id == 1
    assert not hasattr(twin, "later")
    loose = Loose(id=1)
    object.__setattr__(loose, "note", "tea")
    assert way(loose).note == "tea"


@stdlib.dataclass(kw_only=True, frozen=True, slots=True)
class OwnSetState(dddkit.dataclasses.Aggregate):
    id: int
    tags: list[str]

    def __setstate__(self, state: Any) -> None:
        assert state.__class__ is list  # what the `__getstate__` that dataclass generates returns
        for name, value in zip(("id", "tags"), state, strict=True):
            object.__setattr__(self, name, value)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there dataclass replaces the methods of the class")
@in_every_way
def test_fd1_half_of_the_methods_that_dataclass_generates_can_be_ones_own(way: Any) -> None:
    twin = way(OwnSetState(id=1, tags=["a"]))
    assert (twin.id, twin.tags) == (1, ["a"])


# Classes that say themselves how they are copied and pickled


class Plain(dddkit.dataclasses.Aggregate):
    def __init__(self, *, id: int, tags: list[str] | None = None) -> None:  # noqa: A002 - the field's name
        self.id = id
        self.tags = tags or []


class TakesADict(Plain):
    def __setstate__(self, state: dict[str, Any]) -> None:
        assert type(state) is dict
        self.__dict__.update(state)


class WholeState(Plain):
    """Keeps what Python makes of its state as one value."""

    def __getstate__(self) -> Any:
        if sys.version_info >= (3, 11):
            return {"all": super().__getstate__()}
        return {"all": (self.__dict__, {name: getattr(self, name) for name in ("_pending_events",)})}

    def __setstate__(self, state: Any) -> None:
        attributes, slots = state["all"]
        for name, value in {**attributes, **slots}.items():
            object.__setattr__(self, name, value)


class OwnReduceEx(Plain):
    def __reduce_ex__(self, protocol: Any) -> Any:
        return OwnReduceEx.made, (self.id, self.tags)

    @classmethod
    def made(cls, number: int, tags: list[str]) -> OwnReduceEx:
        return cls(id=number, tags=[*tags, "made"])


class ExtendsReduceEx(Plain):
    def __reduce_ex__(self, protocol: Any) -> Any:
        self.tags.append("reduced")
        return super().__reduce_ex__(protocol)


class NewArguments(dddkit.dataclasses.Aggregate):
    def __new__(cls, id: int, tags: list[str]) -> NewArguments:  # noqa: A002 - the field's name
        made = super().__new__(cls)
        made.id, made.tags = id, tags
        return made

    id: int
    tags: list[str]

    def __init__(self, id: int, tags: list[str]) -> None:  # noqa: A002 - the field's name
        """`__new__` has done it."""

    def __getnewargs__(self) -> tuple[int, list[str]]:
        return self.id, self.tags


class RecordsInInit(Plain):
    def __init__(self, *, id: int, tags: list[str] | None = None) -> None:  # noqa: A002 - the field's name
        super().__init__(id=id, tags=tags)
        self.add_event(Noted())

    def __reduce__(self) -> Any:
        return remade, (self.id,)


def remade(number: int) -> RecordsInInit:
    return RecordsInInit(id=number)


class Items(Plain):
    """Pickled as a collection is: made, then filled with items and pairs."""

    def __reduce__(self) -> Any:
        return Items.bare, (), {"id": self.id}, iter(self.tags), iter([("first", self.tags[0])])

    @classmethod
    def bare(cls) -> Items:
        return cls(id=0)

    def append(self, tag: str) -> None:
        self.tags.append(tag)

    def extend(self, tags: list[str]) -> None:
        self.tags.extend(tags)

    def __setitem__(self, name: str, value: str) -> None:
        self.__dict__[name] = value


class Same(Plain):
    def __reduce__(self) -> Any:
        return same, ()


SAME = Same(id=1)


def same() -> Same:
    return SAME


@in_every_way
def test_fd1_a_set_state_of_ones_own_gets_what_python_gives_it(way: Any) -> None:
    original = TakesADict(id=1, tags=["a"])
    original.add_event(Noted())
    assert way(original).tags == ["a"]


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_fd1_no_state_shares_pending_events_with_a_copy(way: Any) -> None:
    original = WholeState(id=1)
    original.add_event(Noted())
    twin = way(original)
    assert twin.get_events() == []
    twin.add_event(Noted())
    assert len(original.get_events()) == 1


@in_every_way
def test_fd1_a_reduce_ex_of_ones_own_is_used(way: Any) -> None:
    assert way(OwnReduceEx(id=1, tags=["a"])).tags == ["a", "made"]
    original = ExtendsReduceEx(id=1)
    original.add_event(Noted())
    twin = way(original)
    assert twin.tags == original.tags == ["reduced"]
    assert len(twin.get_events()) == (0 if way in (copy.copy, copy.deepcopy) else 1)


@in_every_way
def test_fd1_arguments_of_new_are_passed(way: Any) -> None:
    twin = way(NewArguments(1, ["a"]))
    assert (twin.id, twin.tags) == (1, ["a"])


@in_every_way
def test_fd1_what_an_init_records_while_a_copy_is_made_is_dropped(way: Any) -> None:
    original = RecordsInInit(id=1)
    original.clear_events()
    assert way(original).get_events() == []


@in_every_way
def test_fd1_items_and_pairs_of_a_reduce_are_copied(way: Any) -> None:
    twin: Any = way(Items(id=1, tags=["a", "b"]))
    assert (twin.id, twin.tags, twin.first) == (1, ["a", "b"], "a")


@in_every_way
def test_fd1_a_copy_that_is_the_object_itself_keeps_its_events(way: Any) -> None:
    SAME.clear_events()
    SAME.add_event(Noted())
    assert way(SAME) is SAME
    assert len(SAME.pull_events()) == 1


# Generic classes, pydantic models

ItemT = TypeVar("ItemT")


@stdlib.dataclass(kw_only=True)
class Box(dddkit.dataclasses.Aggregate, Generic[ItemT]):
    id: int
    items: list[ItemT]


class Model(dddkit.pydantic.Aggregate):
    model_config = pydantic.ConfigDict(extra="allow")
    id: int
    tags: list[str] = []
    _note: str = pydantic.PrivateAttr("")

    @pydantic.field_validator("id")
    @classmethod
    def seen(cls, value: int) -> int:
        Silent.calls.append("validate id")
        return value

    @cached_property
    def size(self) -> int:
        Silent.calls.append("get size")
        return len(self.tags)


@in_every_way
def test_fd1_generic_classes_are_copied(way: Any) -> None:
    twin: Any = way(Box[str](id=1, items=["tea"]))
    assert twin.__class__ is Box
    assert twin.items == ["tea"]


@in_every_way
def test_fd1_a_model_is_copied_with_private_and_extra_attributes_and_without_validation(
    way: Any, calls: list[str]
) -> None:
    original: Any = Model.model_validate({"id": 1, "more": 2})
    original._note = "tea"
    assert original.size == 0
    calls.clear()
    twin = way(original)
    assert (twin.id, twin.tags, twin._note, twin.more, twin.size, twin.model_fields_set) == (
        1,
        [],
        "tea",
        2,
        0,
        {"id", "more"},
    )
    assert calls == []


# What earlier releases pickled


class Old:
    """Classes that an earlier release has pickled, with a version and one event."""

    @stdlib.dataclass(kw_only=True)
    class Mutable(dddkit.dataclasses.Aggregate):
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

    class Model(dddkit.pydantic.Aggregate):
        id: int
        tags: list[str] = []


PICKLED_BEFORE = {
    "Mutable": (
        "gASVDQEAAAAAAACMGXRlc3RzLmJsb2Nrcy50ZXN0X2NvcHlpbmeUjAtPbGQuTXV0YWJsZZSTlCmBlIwWZGRka2l0Ll9jb3JlLnJl"
        "Y29yZGluZ5SMEl9zZXRfcGlja2xlZF9zdGF0ZZSTlGgDfZQojAJpZJRLAYwEdGFnc5RdlIwDdGVhlGF1fZSGlH2UKIwPX3BlbmRp"
        "bmdfZXZlbnRzlF2UjBV0ZXN0cy5ibG9ja3MuZmxhdm91cnOUjBxEYXRhY2xhc3Nlcy5CYXNrZXQuSXRlbUFkZGVklJOUKYGUfZQo"
        "jAtvY2N1cnJlZF9vbpROjARpdGVtlGgLdWJhjA9fc3RvcmVkX3ZlcnNpb26USwN1ToeUhlIwLg=="
    ),
    "Slotted": (
        "gASVDAEAAAAAAACMGXRlc3RzLmJsb2Nrcy50ZXN0X2NvcHlpbmeUjAtPbGQuU2xvdHRlZJSTlCmBlIwWZGRka2l0Ll9jb3JlLnJl"
        "Y29yZGluZ5SMEl9zZXRfcGlja2xlZF9zdGF0ZZSTlGgDTn2UKIwCaWSUSwGMBHRhZ3OUXZSMA3RlYZRhdYaUfZQojA9fcGVuZGlu"
        "Z19ldmVudHOUXZSMFXRlc3RzLmJsb2Nrcy5mbGF2b3Vyc5SMHERhdGFjbGFzc2VzLkJhc2tldC5JdGVtQWRkZWSUk5QpgZR9lCiM"
        "C29jY3VycmVkX29ulE6MBGl0ZW2UaAt1YmGMD19zdG9yZWRfdmVyc2lvbpRLA3VOh5SGUjAu"
    ),
    "FrozenSlotted": (
        "gASVAwEAAAAAAACMGXRlc3RzLmJsb2Nrcy50ZXN0X2NvcHlpbmeUjBFPbGQuRnJvemVuU2xvdHRlZJSTlCmBlIwWZGRka2l0Ll9j"
        "b3JlLnJlY29yZGluZ5SMEl9zZXRfcGlja2xlZF9zdGF0ZZSTlGgDXZQoSwFdlIwDdGVhlGFlfZQojA9fcGVuZGluZ19ldmVudHOU"
        "XZSMFXRlc3RzLmJsb2Nrcy5mbGF2b3Vyc5SMHERhdGFjbGFzc2VzLkJhc2tldC5JdGVtQWRkZWSUk5QpgZR9lCiMC29jY3VycmVk"
        "X29ulE6MBGl0ZW2UaAl1YmGMD19zdG9yZWRfdmVyc2lvbpRLA3VOh5SGUjAu"
    ),
    "Model": (
        "gASVZgEAAAAAAACMGXRlc3RzLmJsb2Nrcy50ZXN0X2NvcHlpbmeUjAlPbGQuTW9kZWyUk5QpgZSMFmRkZGtpdC5fY29yZS5yZWNv"
        "cmRpbmeUjBJfc2V0X3BpY2tsZWRfc3RhdGWUk5RoA32UKIwIX19kaWN0X1+UfZQojAJpZJRLAYwEdGFnc5RdlIwDdGVhlGF1jBJf"
        "X3B5ZGFudGljX2V4dHJhX1+UTowXX19weWRhbnRpY19maWVsZHNfc2V0X1+Uj5QoaApoC5CMFF9fcHlkYW50aWNfcHJpdmF0ZV9f"
        "lE51fZQojA9fcGVuZGluZ19ldmVudHOUXZSMFXRlc3RzLmJsb2Nrcy5mbGF2b3Vyc5SMHERhdGFjbGFzc2VzLkJhc2tldC5JdGVt"
        "QWRkZWSUk5QpgZR9lCiMC29jY3VycmVkX29ulE6MBGl0ZW2UaA11YmGMD19zdG9yZWRfdmVyc2lvbpRLA3VOh5SGUjAu"
    ),
}


@pytest.mark.parametrize("name", ["Mutable", "Slotted", "FrozenSlotted", "Model"])
def test_fd1_fd4_what_an_earlier_release_pickled_can_be_read_and_is_new(name: str) -> None:
    read: Any = pickle.loads(base64.b64decode(PICKLED_BEFORE[name]))
    assert (type(read), read.id, read.tags) == (getattr(Old, name), 1, ["tea"])
    (event,) = read.get_events()
    assert event.item == "tea"
    assert pickle.loads(pickle.dumps(read)).tags == ["tea"]


@in_both_flavours
def test_fd1_deep_copies_of_aggregates_that_contain_each_other_keep_the_circle(flavour: type[Flavour]) -> None:
    node = flavour.declare("Aggregate", "Node", id=int, next=(Any, None))
    one = node(id=1)
    one.next = node(id=2, next=one)
    one.add_event(flavour.Basket.Created())
    twin = copy.deepcopy(one)
    assert twin.next.next is twin
    assert twin is not one
    assert (len(one.get_events()), twin.get_events()) == (1, [])
