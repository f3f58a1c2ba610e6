"""A class of the dataclass flavour without its decorator is rejected."""

from __future__ import annotations

import abc
import dataclasses as stdlib
from typing import Any, ClassVar

import attrs
import pydantic.dataclasses
import pytest

from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject

# Any: the classes below have bases chosen at run time, and are declared wrongly on purpose.
BLOCKS: tuple[Any, ...] = (Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject)
each_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)


@each_block
def test_a1_an_undecorated_class_with_fields_is_refused_when_instantiated(block: Any) -> None:
    class Undecorated(block):  # type: ignore[misc]  # a base chosen at run time
        item: str
        constant: ClassVar[int] = 1

    decorator = {
        Entity: "@dataclass(kw_only=True)",
        Aggregate: "@dataclass(kw_only=True)",
        ValueObject: "@dataclass(frozen=True)",  # an Enum gives its mixin the fields by position
    }.get(block, "@dataclass(frozen=True, kw_only=True)")
    with pytest.raises(TypeError) as refusal:
        Undecorated(item="tea")
    handwritten = "" if "frozen" in decorator else ", or write its __init__"  # which could not assign anything
    assert str(refusal.value) == (
        f"{Undecorated.__qualname__} declares item, but nothing sets it; "
        f"decorate the class with {decorator}{handwritten}"
    )
    with pytest.raises(TypeError, match="declares item"):  # the second time too
        Undecorated()


@each_block
def test_a1_a_subclass_of_an_undecorated_class_is_refused_when_defined(block: Any) -> None:
    class Undecorated(block):  # type: ignore[misc]  # a base chosen at run time
        item: str

    with pytest.raises(TypeError, match="Undecorated declares item"):
        type("Child", (Undecorated,), {})


@each_block
def test_a1_fields_added_to_a_decorated_class_need_the_decorator_again(block: Any) -> None:
    frozen = block not in (Entity, Aggregate)

    class Parent(block):  # type: ignore[misc]  # a base chosen at run time
        item: str

    parent: Any = stdlib.dataclass(frozen=frozen, kw_only=True)(Parent)

    class Undecorated(parent):  # type: ignore[misc]  # a base chosen at run time
        more: int

    with pytest.raises(TypeError, match="Undecorated declares more"):
        Undecorated(item="tea")
    assert parent(item="tea").item == "tea"


@each_block
def test_classes_without_fields_need_no_decorator(block: Any) -> None:
    class Bare(block):  # type: ignore[misc]  # a base chosen at run time
        constant: ClassVar[int] = 1

        def method(self) -> int:
            return self.constant

    class Child(Bare):
        pass

    assert Bare().method() == 1
    assert Child().method() == 1


@each_block
@pytest.mark.parametrize("slots", [False, True])
def test_decorated_classes_are_left_alone(block: Any, slots: bool) -> None:
    frozen = block not in (Entity, Aggregate)

    class Good(block):  # type: ignore[misc]  # a base chosen at run time
        item: str

    good: Any = stdlib.dataclass(frozen=frozen, slots=slots, kw_only=True)(Good)
    assert good(item="tea").item == "tea"

    class Child(good):  # type: ignore[misc]  # a base chosen at run time
        more: int

    child: Any = stdlib.dataclass(frozen=frozen, slots=slots, kw_only=True)(Child)
    assert child(item="tea", more=1).more == 1
    assert good(item="tea").item == "tea"


def test_an_init_or_new_by_hand_is_as_good() -> None:
    class ByHand(Entity):  # type: ignore[dddkit-missing-identity]  # not tested here
        item: str

        def __init__(self, item: str) -> None:
            self.item = item

    class ByNew(Entity):  # type: ignore[dddkit-missing-identity]  # not tested here
        item: str

        def __new__(cls, item: str) -> ByNew:
            made = super().__new__(cls)
            made.item = item
            return made

    assert ByHand("tea").item == "tea"
    assert ByNew("tea").item == "tea"


def test_attrs_and_pydantic_decorate_too() -> None:
    @attrs.define
    class Product(Entity):  # type: ignore[dddkit-missing-identity]  # not tested here
        item: str

    @attrs.define(slots=False)
    class Loose(Product):
        more: int

    @pydantic.dataclasses.dataclass(kw_only=True)
    class Checked(Entity):  # type: ignore[dddkit-missing-identity]  # not tested here
        item: str

    assert Product("tea").item == "tea"
    assert Loose("tea", 1).more == 1
    assert Checked(item="tea").item == "tea"
    with pytest.raises(pydantic.ValidationError):
        Checked(item=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is rejected


def test_frozen_entities_and_aggregates_are_allowed() -> None:
    @stdlib.dataclass(frozen=True, kw_only=True)
    class Basket(Aggregate):
        basket_id: int

    @stdlib.dataclass(frozen=True, kw_only=True, slots=True)
    class Slotted(Aggregate):
        slotted_id: int

    for basket, field in ((Basket(basket_id=1), "basket_id"), (Slotted(slotted_id=1), "slotted_id")):
        with pytest.raises(stdlib.FrozenInstanceError):
            setattr(basket, field, 2)


def test_mixins_take_part_in_construction() -> None:
    class Counted:
        made = 0

        def __new__(cls, *_: Any, **__: Any) -> Any:
            Counted.made += 1
            return super().__new__(cls)

    @stdlib.dataclass(kw_only=True)
    class Product(Entity, Counted):
        product_id: int

    assert Product(product_id=1).product_id == 1
    assert Counted.made == 1


def test_an_abstract_base_may_not_declare_fields_undecorated_either() -> None:
    class Base(Entity, abc.ABC):  # type: ignore[dddkit-undecorated-class]  # what is rejected
        name: str

    with pytest.raises(TypeError, match="Base declares name"):

        @stdlib.dataclass(kw_only=True)
        class Child(Base):
            child_id: int
