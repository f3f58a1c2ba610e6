"""Which defaults of a State are copied for every object, and which all objects share."""

# A class that is only warned of is not used:
# pyright: reportUnusedClass=false

from __future__ import annotations

import io
import socket
import sys
import threading
import warnings
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property, partial, singledispatchmethod
from pathlib import PurePosixPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import attrs
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dddkit.stories import Story, StoryState
from tests.blocks.flavours import Flavour, in_both_flavours


def loosely(value: Any) -> Any:
    """Return the value as Any, so that checkers do not report what a test does on purpose."""
    return value


def two_states(default: object) -> tuple[Any, Any]:
    """Return what two States hold whose class has this default."""

    class State(StoryState):
        value: Any = default

    return State().value, State().value


# Copied


class Cart:
    def __init__(self) -> None:
        self.items: list[str] = []


class SlottedCart:
    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[str] = []


class PrivatelySlotted:
    __slots__ = ("__items",)

    def __init__(self) -> None:
        self.__items: list[str] = []


class ChildOfSlotted(SlottedCart):
    __slots__ = ()


@dataclass
class Unhashable:
    items: list[str] = field(default_factory=list[str])


@dataclass(eq=False)
class ByObject:
    items: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Frozen:
    item: Any


@attrs.frozen
class FrozenByAttrs:
    item: Any


class FrozenByPydantic(pydantic.BaseModel, frozen=True):
    item: Any


class Named(NamedTuple):
    item: Any


def frozen_model(item: object) -> FrozenByPydantic:
    return FrozenByPydantic(item=item)


class Unhashing:
    def __hash__(self) -> int:
        raise ValueError("not yet")


COPIED: dict[str, Callable[[], object]] = {
    "own class": Cart,
    "own class with slots": SlottedCart,
    "own class with private slots": PrivatelySlotted,
    "own class with inherited slots": ChildOfSlotted,
    "dataclass": Unhashable,
    "dataclass compared by object": ByObject,
    "list": list,
    "deque": deque,
    "defaultdict": lambda: defaultdict[str, list[str]](list),
    "OrderedDict": OrderedDict,
    "bytearray": bytearray,
    "frozen dataclass with a list": lambda: Frozen([]),
    "frozen dataclass with an own class": lambda: Frozen(Cart()),
    "frozen attrs class with an own class": lambda: FrozenByAttrs(Cart()),
    "frozen model with an own class": lambda: FrozenByPydantic(item=Cart()),
    "named tuple with an own class": lambda: Named(Cart()),
    "tuple with an own class": lambda: (1, Cart()),
    "tuple in a tuple with a list": lambda: ((), (list[str](),)),
    "frozenset with an own class": lambda: frozenset([Cart()]),
    "frozen dataclass in a tuple with an own class": lambda: (Frozen((Cart(),)),),
    "text buffer": io.StringIO,
    "buffer": io.BytesIO,
    "exception": lambda: ValueError("declined"),
    "hash that raises": Unhashing,
    "namespace": SimpleNamespace,
}


@pytest.mark.parametrize("make", COPIED.values(), ids=list(COPIED))
def test_fs1_a_default_that_can_change_is_copied_for_each_state(make: Callable[[], object]) -> None:
    default = make()
    first, second = two_states(default)
    assert type(first) is type(second) is type(default)
    assert first is not default
    assert second is not default
    assert first is not second


@pytest.mark.parametrize("hold", [Frozen, FrozenByAttrs, Named, frozen_model])
def test_fs1_a_copy_is_deep_in_whatever_holds_it(hold: Callable[[object], object]) -> None:
    first, second = two_states(hold(Cart()))
    first.item.items.append("apple")
    assert second.item.items == []


@in_both_flavours
def test_fs1_entities_and_aggregates_are_copied_for_each_state(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1)
    first, second = two_states(basket)
    assert first == second == basket
    assert len({id(first), id(second), id(basket)}) == 3
    first, second = two_states((basket,))
    assert first == second == (basket,)
    assert len({id(first[0]), id(second[0]), id(basket)}) == 3


# Shared


class Gateway:
    """Has attributes, one of which cannot be copied."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.lock = threading.Lock()


class Currency(Enum):
    EUR = ["euro"]


class Singleton:
    made: ClassVar[Any] = None
    items: list[str]

    def __new__(cls) -> Any:
        if cls.made is None:
            cls.made = super().__new__(cls)
            cls.made.items = []
        return cls.made


class SaysThatItIsItsCopy:
    def __init__(self) -> None:
        self.items: list[str] = []

    def __deepcopy__(self, memo: object) -> SaysThatItIsItsCopy:
        return self


class FailsHalfway:
    def __init__(self) -> None:
        self.items: list[str] = []

    def __deepcopy__(self, memo: object) -> FailsHalfway:
        SimpleNamespace(items=[*self.items])
        raise RuntimeError("half of it is copied")


class Hashed:
    """Has a hash of its own, so its author says what it is compared by."""

    def __init__(self) -> None:
        self.code = "EUR"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hashed) and self.code == other.code

    def __hash__(self) -> int:
        return hash(self.code)


class Sentinel:
    """Has no attributes."""


class SlottedSentinel:
    __slots__ = ("never_set",)


def numbers() -> Any:
    yield 1


SHARED: dict[str, Callable[[], object]] = {
    "None": lambda: None,
    "text": lambda: "EUR",
    "Decimal": lambda: Decimal("1.5"),
    "Fraction": lambda: Fraction(1, 3),
    "date": lambda: date(2026, 1, 1),
    "UUID": lambda: UUID(int=7),
    "path": lambda: PurePosixPath("/shop"),
    "member of an Enum": lambda: Currency.EUR,
    "frozen dataclass": lambda: Frozen(Decimal(1)),
    "frozen attrs class": lambda: FrozenByAttrs("EUR"),
    "frozen model": lambda: FrozenByPydantic(item="EUR"),
    "tuple": lambda: (1, Decimal(1), Sentinel()),
    "named tuple": lambda: Named(1),
    "frozenset": lambda: frozenset([1, Frozen("x")]),
    "hash of its own": Hashed,
    "sentinel": Sentinel,
    "object": object,
    "sentinel with slots": SlottedSentinel,
    "function": lambda: numbers,
    "built-in function": lambda: len,
    "bound method": lambda: Cart().items.append,
    "method": lambda: Gateway().__init__,  # type: ignore[misc]  # any bound method
    "partial": lambda: partial(print, Cart()),
    "class": lambda: Cart,
    "module": lambda: sys,
    "lock": threading.Lock,
    "re-entrant lock": threading.RLock,
    "event": threading.Event,
    "generator": numbers,
    "mapping proxy": lambda: MappingProxyType({"a": [1]}),
    "weak reference": lambda: weakref.ref(Cart),
    "object that holds a lock": Gateway,
    "singleton": Singleton,
    "its own copy": SaysThatItIsItsCopy,
    "copy that fails halfway": FailsHalfway,
}


@pytest.mark.parametrize("make", SHARED.values(), ids=list(SHARED))
def test_fs1_what_cannot_change_or_cannot_be_copied_is_shared(make: Callable[[], object]) -> None:
    default = make()
    first, second = two_states(default)
    assert first is default
    assert second is default


@pytest.mark.skipif(sys.platform == "emscripten", reason="no sockets in WebAssembly")
def test_fs1_sockets_and_files_are_shared() -> None:
    with socket.socket() as held, open(__file__, encoding="utf-8") as file:
        assert two_states(held) == (held, held)
        assert two_states(file) == (file, file)


def test_fs1_what_a_singleton_holds_stays_where_it_is() -> None:
    items = Singleton().items
    two_states(Singleton())
    two_states([Singleton()])
    assert Singleton().items is items


HOLDERS: dict[str, Callable[[object], object]] = {
    "list": lambda part: [part],
    "dict": lambda part: {"a": part},
    "tuple": lambda part: (list[str](), part),
    "deque": lambda part: deque([part]),
    "nested": lambda part: {"a": [(part, list[str]())]},
}


@pytest.mark.parametrize("part", [Sentinel(), Gateway(), threading.Lock(), Frozen("x"), Singleton(), FailsHalfway()])
@pytest.mark.parametrize("hold", HOLDERS.values(), ids=list(HOLDERS))
def test_fs1_a_copied_collection_holds_the_same_sentinels_and_locks(
    part: object, hold: Callable[[object], object]
) -> None:
    first, second = two_states(hold(part))
    assert first is not second
    assert innermost(first) is innermost(second) is part


def innermost(value: Any) -> object:
    kind: Any = value.__class__
    if kind not in (list, tuple, dict, deque):
        return value
    parts: list[Any] = [*value.values()] if kind is dict else [*value]
    return innermost(next(part for part in parts if part != []))


def test_fs1_a_default_that_holds_itself_is_copied() -> None:
    default: list[Any] = [Sentinel()]
    default.append(default)
    first, second = two_states(default)
    assert first[1] is first
    assert second[1] is second
    assert first[0] is second[0] is default[0]


def test_fs1_a_default_is_looked_at_by_the_first_object_and_not_by_the_class() -> None:
    class Late:
        def __init__(self) -> None:
            self.items: list[str] = []

        def __deepcopy__(self, memo: object) -> Late:
            return further_below()

    class State(StoryState):
        value: Late = Late()

    def further_below() -> Late:
        return Late()

    assert State().value is not State().value


def test_fs1_children_and_mixins_copy_as_well() -> None:
    class Mixin:
        cart: Cart = Cart()

    class State(StoryState, Mixin):
        other: Cart = Cart()
        total: int = 0

    class Child(State):
        other = Cart()

    for made in (State, Child):
        assert loosely(made)().cart is not loosely(made)().cart
        assert loosely(made)().other is not loosely(made)().other
    given_one = Cart()
    assert loosely(Child)(cart=given_one).cart is given_one


def test_fs1_a_model_as_default_is_copied() -> None:
    class Model(pydantic.BaseModel):
        items: list[str] = []

    first, second = two_states(Model())
    first.items.append("apple")
    assert second.items == []


_HASHABLE = st.recursive(
    st.integers() | st.text() | st.none() | st.decimals(allow_nan=False),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner),
    max_leaves=6,
)
_VALUES = st.recursive(
    _HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(), inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Frozen, inner)
    ),
    max_leaves=8,
)


@given(_HASHABLE)
def test_fs1_values_are_shared_at_any_depth(default: object) -> None:
    assert all(held is default for held in two_states(default))


def mutable_parts(value: Any) -> list[int]:
    """Return the ids of all lists and dicts in a value."""
    kind: Any = value.__class__
    parts: list[Any] = []
    if kind in (list, tuple):
        parts = [*value]
    elif kind is dict:
        parts = [*value.values()]
    elif kind is Frozen:
        parts = [value.item]
    own = [id(value)] if kind in (list, dict) else []
    return own + [found for part in parts for found in mutable_parts(part)]


@given(_VALUES)
def test_fs1_no_list_or_dict_at_any_depth_is_shared(default: object) -> None:
    first, second = two_states(default)
    assert first == second == default
    assert not set(mutable_parts(first)) & set(mutable_parts(second))
    assert not set(mutable_parts(first)) & set(mutable_parts(default))


# A SimpleNamespace State shares its defaults


@in_both_flavours
def test_fs1_a_namespace_warns_of_every_default_that_plainly_can_change(flavour: type[Flavour]) -> None:
    aggregate = flavour.Basket(basket_id=1)
    with pytest.warns(
        UserWarning, match=r"Sale: basket, pair, seen, raw, record of .*State are objects that all its runs share"
    ):

        class Sale(Story):  # type: ignore[dddkit-empty-story]  # only its State is tested
            class State(SimpleNamespace):
                basket: Any = loosely(aggregate)
                pair: Any = loosely((1, []))
                seen: Any = loosely(deque())
                raw: Any = loosely(bytearray())
                record: Any = loosely(Unhashable())


def test_fs1_a_namespace_is_silent_about_what_may_be_shared() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Sale(Story):  # type: ignore[dddkit-empty-story]  # only its State is tested
            class State(SimpleNamespace):
                gateway: Any = loosely(Gateway())
                price: Any = loosely(Decimal(1))
                names: Any = loosely(("a", Sentinel()))
                rates: Any = loosely(MappingProxyType({}))
                currency: Any = Currency.EUR
                known: ClassVar[Any] = loosely([])

                class Nested: ...

                def method(self) -> None: ...

                @staticmethod
                def static() -> None: ...

                @classmethod
                def of_class(cls) -> None: ...

                @property
                def total(self) -> int:
                    return 1

                @cached_property
                def cached(self) -> int:
                    return 1

                @singledispatchmethod
                def dispatched(self, value: object) -> None: ...
