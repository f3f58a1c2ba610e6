"""Entities and aggregates are equal, and hash, by type and identity."""

from __future__ import annotations

import copy
import dataclasses as stdlib
import sys
from typing import Annotated, Any, ClassVar, ForwardRef, Generic, NamedTuple, Optional, TypeVar, Union

import attrs
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.dataclasses import Aggregate, Entity, Identity
from tests.blocks.flavours import FLAVOURS, Flavour, in_both_flavours, run

T = TypeVar("T")
Alias = Identity[int]


@in_both_flavours
def test_a4_entities_are_equal_by_identity_alone(flavour: type[Flavour]) -> None:
    tea, renamed, coffee = (
        flavour.Product(product_id=1, name="tea"),
        flavour.Product(product_id=1, name="coffee"),
        flavour.Product(product_id=2, name="tea"),
    )
    assert tea == renamed
    assert tea != coffee
    assert hash(tea) == hash(renamed)
    assert {tea, renamed, coffee} == {tea, coffee}


@in_both_flavours
def test_a7_pending_events_are_no_part_of_equality(flavour: type[Flavour]) -> None:
    quiet, busy = flavour.Basket(basket_id=1), flavour.Basket(basket_id=1)
    busy.add("tea")
    assert quiet == busy
    assert hash(quiet) == hash(busy)


@given(
    flavour=st.sampled_from(FLAVOURS),
    one=st.integers(0, 3) | st.none(),
    other=st.integers(0, 3) | st.none(),
    names=st.tuples(st.text(max_size=2), st.text(max_size=2)),
)
def test_equality_is_the_law_of_identity(
    flavour: type[Flavour], one: int | None, other: int | None, names: tuple[str, str]
) -> None:
    product = MAYBE_IDENTIFIED[flavour]
    a, b = product(id=one, name=names[0]), product(id=other, name=names[1])
    assert (a == b) is (b == a) is (one is not None and one == other)
    assert a == a
    assert (a != b) is not (a == b)
    if a == b:
        assert hash(a) == hash(b)


MAYBE_IDENTIFIED = {flavour: flavour.declare("Entity", "Product", id=int | None, name=str) for flavour in FLAVOURS}


@in_both_flavours
def test_without_identity_an_object_equals_only_itself(flavour: type[Flavour]) -> None:
    note = flavour.declare("Entity", "Note", text=str)
    one, twin = note(text="a"), note(text="a")
    assert one == one
    assert one != twin
    assert {one, twin, one} == {one, twin}


@in_both_flavours
def test_an_identity_not_set_yet_is_none(flavour: type[Flavour]) -> None:
    one, twin = (flavour.Product.__new__(flavour.Product) for _ in range(2))
    assert one == one
    assert one != twin
    assert hash(one) != hash(twin)
    assert one != flavour.Product(product_id=1)
    assert flavour.Product(product_id=1) != one


@in_both_flavours
def test_type_means_the_exact_class(flavour: type[Flavour]) -> None:
    toy = flavour.declare(flavour.Product, "Toy")
    assert toy(product_id=1) != flavour.Product(product_id=1)
    assert toy(product_id=1) == toy(product_id=1, name="car")
    assert flavour.Product(product_id=1) != 1
    assert (flavour.Product(product_id=1) == "1") is False


def test_the_same_class_in_the_other_flavour_is_another_class() -> None:
    one, other = (flavour.Product(product_id=1) for flavour in FLAVOURS)
    assert one != other


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Product", "product_id"),
        ("OrderLine", "order_line_id"),
        ("HTTPSession", "http_session_id"),
        ("SKU2Label", "sku2_label_id"),
        ("Order2", "order2_id"),
        ("_Draft", "draft_id"),
        ("snake_case", "snake_case_id"),
    ],
)
@in_both_flavours
def test_the_field_named_after_the_class_is_the_identity(flavour: type[Flavour], name: str, field: str) -> None:
    declared = flavour.declare("Entity", name, **{field: int, "other": int})
    assert declared(**{field: 1, "other": 1}) == declared(**{field: 1, "other": 2})
    assert declared(**{field: 1, "other": 1}) != declared(**{field: 2, "other": 1})


@in_both_flavours
def test_a_marked_field_comes_before_id_and_id_before_the_class_name(flavour: type[Flavour]) -> None:
    by_id = flavour.declare("Entity", "Item", id=int, item_id=int)
    assert by_id(id=1, item_id=1) == by_id(id=1, item_id=2) != by_id(id=2, item_id=2)
    marked = flavour.declare("Entity", "Item", id=int, item_id=int, sku=Identity[str])
    assert marked(id=1, item_id=1, sku="a") == marked(id=2, item_id=2, sku="a")
    assert marked(id=1, item_id=1, sku="a") != marked(id=1, item_id=1, sku="b")


@in_both_flavours
def test_the_identity_is_looked_up_along_the_base_classes(flavour: type[Flavour]) -> None:
    toy = flavour.declare(flavour.Product, "Toy", label=(str, "red"))
    assert toy(product_id=1, label="red") == toy(product_id=1, label="blue")
    own = flavour.declare(flavour.Product, "Toy", toy_id=(int, 0))
    assert own(product_id=1, toy_id=1) == own(product_id=2, toy_id=1)
    marked = flavour.declare("Entity", "Item", sku=Identity[str])
    child = flavour.declare(marked, "Child", id=(int, 0))
    assert child(sku="a", id=1) == child(sku="a", id=2)


@in_both_flavours
def test_a_reference_to_another_aggregate_is_no_identity(flavour: type[Flavour]) -> None:
    line = flavour.declare("Entity", "Line", aggregate_id=int, entity_id=int)
    assert line(aggregate_id=1, entity_id=1) != line(aggregate_id=1, entity_id=1)


@in_both_flavours
def test_a_property_counts(flavour: type[Flavour]) -> None:
    class Pair:
        __slots__ = ()

        @property
        def id(self) -> tuple[int, int]:
            fields: Any = self
            return fields.left, fields.right

    declared = flavour.declare("Entity", "Pairing", Pair, left=int, right=int, note=str)
    assert declared(left=1, right=2, note="a") == declared(left=1, right=2, note="b")
    assert declared(left=1, right=2, note="a") != declared(left=2, right=1, note="a")


@in_both_flavours
def test_class_variables_and_methods_are_no_identity(flavour: type[Flavour]) -> None:
    class Named:
        __slots__ = ()

        def id(self) -> int:
            return 1

        @classmethod
        def note_id(cls) -> int:
            return 1

    declared = flavour.declare("Entity", "Note", Named, text=str)
    assert declared(text="a") != declared(text="a")
    constant = flavour.declare("Entity", "Note", id=(ClassVar[int], 1), text=str)
    assert constant(text="a") != constant(text="a")
    as_text = flavour.declare("Entity", "Note", id=("ClassVar[int]", 1), text=str)
    assert as_text(text="a") != as_text(text="a")


def test_a_class_variable_in_a_forward_reference_is_no_identity() -> None:
    fields: dict[str, Any] = {
        "__init__": object.__init__,
        "id": 1,
        "__annotations__": {"id": ForwardRef("ClassVar[int]")},
    }
    note: Any = type("Note", (Entity,), fields)
    assert note() != note()


@in_both_flavours
def test_two_identities_are_refused(flavour: type[Flavour]) -> None:
    with pytest.raises(TypeError, match=r"Item has more than one identity: ean, sku; mark only one field"):
        flavour.declare("Entity", "Item", sku=Identity[str], ean=Identity[str])
    parent = flavour.declare("Entity", "Item", sku=Identity[str])
    with pytest.raises(TypeError, match="Child has more than one identity"):
        flavour.declare(parent, "Child", ean=Identity[str])
    narrowed = flavour.declare(parent, "Child", sku=Identity[str], ean=str)
    assert narrowed(sku="a", ean="b") == narrowed(sku="a", ean="c")


@pytest.mark.parametrize(
    "kind",
    [
        Identity[int],
        Alias,
        Optional[Identity[int]],  # noqa: UP045 - both spellings are tested
        Identity[int] | None,
        Union[Identity[int], None],  # noqa: UP007 - both spellings are tested
        Annotated[Identity[int], "documented"],
        Annotated[Identity[int] | None, "documented"],
        Optional["Identity[int]"],
        "Identity[int]",
        "Alias",
        "Identity[int] | None",
        "None | Identity[int]",
        "Optional[Identity[int]]",
        "dddkit.dataclasses.Identity[int]",
        "Annotated[Identity[int], 'documented']",
        "Annotated['Identity[int]', 'documented']",
        "Identity[ImportedForCheckersOnly]",
        "shop.Identity[ImportedForCheckersOnly]",
    ],
    ids=str,
)
def test_every_way_to_write_the_mark_is_understood(kind: Any) -> None:
    declared = in_this_module("Item", {"sku": kind, "id": int})
    assert declared(sku=1, id=1) == declared(sku=1, id=2)
    assert declared(sku=1, id=1) != declared(sku=2, id=1)


@pytest.mark.parametrize(
    "kind",
    [
        "list[Identity[int]]",
        list[Identity[int]],
        "Unknown[int]",
        "this is no (type",
        "'neither ( is this'",
        "1",
        "None",
    ],
    ids=str,
)
def test_a_collection_of_identities_is_no_identity(kind: Any) -> None:
    declared = in_this_module("Item", {"sku": kind, "id": int})
    assert declared(sku=1, id=1) == declared(sku=2, id=1)


def test_another_class_of_the_name_is_no_mark() -> None:
    source = """
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import Generic, TypeVar
        from dddkit.dataclasses import Entity
        T = TypeVar("T")
        class Identity(Generic[T]): ...
        @dataclass(kw_only=True)
        class Item(Entity):
            id: int
            sku: Identity[str]
        assert Item(id=1, sku="a") == Item(id=1, sku="b")
    """
    run(source)


def test_an_identity_imported_for_checkers_only_is_matched_by_its_text() -> None:
    run("""
        from __future__ import annotations
        from dataclasses import dataclass
        from typing import TYPE_CHECKING
        from dddkit.dataclasses import Aggregate, Entity
        from dddkit.pydantic import Identity as Marked
        import dddkit.pydantic
        if TYPE_CHECKING:
            from shop.ids import BasketId
            from dddkit.dataclasses import Identity
        @dataclass(kw_only=True, slots=True)
        class Basket(Aggregate):
            number: Identity[BasketId]
            id: int = 0
        assert Basket(number=1, id=1) == Basket(number=1, id=2)
        @dataclass(kw_only=True)
        class Renamed(Entity):
            number: Marked[BasketId]
            id: int = 0
        assert Renamed(number=1, id=1) == Renamed(number=1, id=2)
        def local():
            from dddkit.dataclasses import Identity as Mine
            @dataclass(kw_only=True)
            class Local(Entity):
                number: Identity[int]
                id: int = 0
            assert Local(number=1, id=1) == Local(number=1, id=2)
        local()
    """)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the `type` statement")
def test_a_type_alias_is_resolved() -> None:
    run("""
        from dataclasses import dataclass
        from dddkit.dataclasses import Entity, Identity
        type Sku = Identity[str]
        type Unknown = Identity[NotImported]
        @dataclass(kw_only=True)
        class Item(Entity):
            sku: Sku
            id: int
            other: Unknown
        assert Item(sku="a", id=1, other=1) == Item(sku="a", id=2, other=2)
    """)


@pytest.mark.parametrize("options", [{}, {"slots": True}, {"frozen": True}, {"slots": True, "frozen": True}], ids=str)
def test_equality_survives_the_users_own_decorator(options: dict[str, Any]) -> None:
    for block in (Entity, Aggregate):
        base: Any = block

        class Item(base):  # type: ignore[misc]  # a base chosen at run time
            item_id: int
            name: str = ""

        item: Any = stdlib.dataclass(kw_only=True, **options)(Item)
        assert item(item_id=1, name="a") == item(item_id=1, name="b")
        assert hash(item(item_id=1, name="a")) == hash(item(item_id=1, name="b"))
        assert item(item_id=1) != item(item_id=2)
        assert hasattr(item(item_id=1), "__dict__") is not options.get("slots", False)


def test_attrs_classes_keep_it_too() -> None:
    @attrs.define(kw_only=True)
    class Item(Entity):
        item_id: int
        name: str = ""

    assert Item(item_id=1, name="a") == Item(item_id=1, name="b")
    assert hash(Item(item_id=1)) == hash(Item(item_id=1))


@in_both_flavours
def test_what_the_user_wrote_wins(flavour: type[Flavour]) -> None:
    class ByName:
        __slots__ = ()
        name: ClassVar[str]

        def __eq__(self, other: object) -> bool:
            return isinstance(other, ByName) and self.name == other.name

        def __hash__(self) -> int:
            return hash(self.name)

    declared = flavour.declare("Entity", "Item", ByName, id=int, name=str)
    assert declared(id=1, name="a") == declared(id=2, name="a")
    assert hash(declared(id=1, name="a")) == hash("a")


def test_a_class_that_writes_only_its_equality_is_unhashable_as_everywhere_in_python() -> None:
    @stdlib.dataclass(kw_only=True)
    class Item(Entity):
        id: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Item)

    assert Item(id=1) == Item(id=2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Item(id=1))

    @stdlib.dataclass(kw_only=True)
    class Child(Item):
        pass

    with pytest.raises(TypeError, match="unhashable"):
        hash(Child(id=1))


def test_equality_that_a_decorator_wrote_into_a_mixin_does_not_count() -> None:
    @stdlib.dataclass(kw_only=True)
    class Stamped:
        by: str = ""

    @attrs.define(slots=False, kw_only=True)
    class Tagged:
        tag: str = ""

    @stdlib.dataclass(kw_only=True)
    class Item(Stamped, Tagged, Entity):  # type: ignore[misc]  # attrs declares it unhashable
        id: int

    assert Item(id=1) != Item(id=2)
    assert hash(Item(id=1, by="a")) == hash(Item(id=1, by="b"))


def test_a_parametrised_model_counts_as_its_origin() -> None:
    class Box(dddkit.pydantic.Entity, Generic[T]):
        box_id: int
        content: T

    class Crate(Box[int]):
        pass

    assert Box[int](box_id=1, content=1) == Box[str](box_id=1, content="a")
    assert hash(Box[int](box_id=1, content=1)) == hash(Box(box_id=1, content="b"))
    assert Box[int](box_id=1, content=1) != Box[int](box_id=2, content=1)
    assert Crate(box_id=1, content=1) != Box[int](box_id=1, content=1)
    assert Crate(box_id=1, content=1) == Crate(box_id=1, content=2)


def test_models_made_without_validation_have_their_identity() -> None:
    product = FLAVOURS[1].Product
    assert product.model_construct(product_id=1, name="a") == product(product_id=1)
    assert product.model_construct(name="a") != product.model_construct(name="a")


def test_a_frozen_model_hashes_by_identity() -> None:
    class Item(dddkit.pydantic.Aggregate):
        model_config = pydantic.ConfigDict(frozen=True)
        id: int
        tags: list[str] = []

    assert hash(Item(id=1, tags=["a"])) == hash(Item(id=1))


def test_a_class_by_hand_needs_no_annotations() -> None:
    class Order(Aggregate):
        def __init__(self, order_id: int | None, note: str = "") -> None:
            self.order_id = order_id
            self.note = note

    assert Order(1, "a") == Order(1, "b")
    assert Order(1) != Order(2)
    assert Order(None) != Order(None)
    assert hash(Order(1, "a")) == hash(Order(1, "b"))

    class Slotted(Entity):
        __slots__ = ("slotted_id",)

        def __init__(self, slotted_id: int) -> None:
            self.slotted_id = slotted_id

    assert Slotted(1) == Slotted(1)
    assert Slotted(1) != Slotted(2)

    class Nameless(Entity):
        def __init__(self, note: str) -> None:
            self.note = note

        def id(self) -> int:
            return 1

    assert Nameless("a") != Nameless("a")


def test_the_mark_is_transparent() -> None:
    class Item(dddkit.pydantic.Entity):
        sku: Identity[int]

    with pytest.raises(pydantic.ValidationError):
        Item.model_validate({"sku": "x"})
    assert repr(Identity[int]) == "typing.Annotated[int, Identity]"
    assert dddkit.dataclasses.Identity is dddkit.pydantic.Identity


def test_an_unhashable_identity_says_so() -> None:
    class Key(NamedTuple):
        parts: list[int]

    @stdlib.dataclass(kw_only=True)
    class Item(Entity):
        id: Key

    assert Item(id=Key([1])) == Item(id=Key([1]))
    with pytest.raises(TypeError, match="unhashable"):
        hash(Item(id=Key([1])))


@in_both_flavours
def test_a_copy_is_the_same_entity(flavour: type[Flavour]) -> None:
    product = flavour.Product(product_id=1)
    assert copy.copy(product) == copy.deepcopy(product) == product


def in_this_module(name: str, fields: dict[str, Any]) -> Any:
    """Declare an entity whose text annotations are resolved in this module."""
    made: Any = type(name, (Entity,), {"__annotations__": fields, "__module__": __name__})
    return stdlib.dataclass(kw_only=True)(made)
