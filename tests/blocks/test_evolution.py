"""`evolve` makes the next state of an aggregate: validated, with the versions and pending events of the given one."""

from __future__ import annotations

import asyncio
import dataclasses as stdlib
import gc
import weakref
from collections.abc import Coroutine
from functools import singledispatchmethod
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID, uuid4

import attrs
import pydantic
import pytest

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.dataclasses import ChangesHandler, Identity, InMemoryRepository
from dddkit.exceptions import ConcurrencyError
from tests.blocks.flavours import Dataclasses, Flavour, Pydantic, in_both_flavours

T = TypeVar("T")

# Any: the flavour of the aggregates is chosen at run time.
Baskets: Any = InMemoryRepository


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@stdlib.dataclass(frozen=True, kw_only=True)
class Noted(dddkit.dataclasses.AggregateEvent):
    """An event of whatever aggregate."""


class Frozen:
    """A frozen aggregate in each flavour, with a rule that its construction checks."""

    @stdlib.dataclass(frozen=True, kw_only=True)
    class Basket(dddkit.dataclasses.Aggregate):
        basket_id: int
        items: tuple[str, ...] = ()
        limit: int = 3

        def __post_init__(self) -> None:
            if len(self.items) > self.limit:
                raise ValueError("the basket is full")

    class Model(dddkit.pydantic.Aggregate):
        model_config = pydantic.ConfigDict(frozen=True)
        basket_id: Identity[int]
        items: tuple[str, ...] = ()
        limit: int = 3

        @pydantic.model_validator(mode="after")
        def check(self) -> Any:
            if len(self.items) > self.limit:
                raise ValueError("the basket is full")
            return self


@stdlib.dataclass(frozen=True, kw_only=True, slots=True)
class Slotted(Frozen.Basket):
    note: str = ""


FROZEN: dict[type[Flavour], Any] = {Dataclasses: Frozen.Basket, Pydantic: Frozen.Model}


@in_both_flavours
def test_fd4_a_frozen_aggregate_is_changed_and_saved_state_by_state(flavour: type[Flavour]) -> None:
    evolve = flavour.blocks.evolve
    baskets, basket = Baskets(), FROZEN[flavour](basket_id=1)
    run(baskets.save(basket))
    for item in ("tea", "milk"):
        before = basket
        basket = evolve(basket, items=(*basket.items, item))
        assert type(basket) is FROZEN[flavour]
        assert basket == before
        assert basket is not before
        run(baskets.save(basket))
    assert run(baskets.get(1)).items == ("tea", "milk")
    basket = evolve(run(baskets.get(1)), items=())
    run(baskets.save(evolve(basket)))
    with pytest.raises(ConcurrencyError):
        run(baskets.save(before))


@in_both_flavours
def test_fd4_a_mutable_aggregate_evolves_too(flavour: type[Flavour]) -> None:
    basket = flavour.Basket(basket_id=1, items=["tea"])
    successor = flavour.blocks.evolve(basket, items=["milk"])
    assert (basket.items, successor.items) == (["tea"], ["milk"])


def test_fd4_slots_inheritance_and_generic_classes_evolve() -> None:
    slotted = dddkit.dataclasses.evolve(Slotted(basket_id=1), note="n", items=("tea",))
    assert (slotted.note, slotted.items, slotted.basket_id) == ("n", ("tea",), 1)

    item = TypeVar("item")

    @stdlib.dataclass(frozen=True, kw_only=True)
    class Box(dddkit.dataclasses.Aggregate, Generic[item]):
        id: int
        held: item

    class Model(dddkit.pydantic.Aggregate, Generic[item]):
        id: int
        held: item

    assert dddkit.dataclasses.evolve(Box[str](id=1, held="a"), held="b").held == "b"
    model = Model[str](id=1, held="a")
    assert type(dddkit.pydantic.evolve(model, held="b")) is Model[str]
    with pytest.raises(pydantic.ValidationError):
        dddkit.pydantic.evolve(model, held=1)


# Events


@in_both_flavours
def test_fd4_the_pending_events_move_to_the_next_state(flavour: type[Flavour]) -> None:
    basket = FROZEN[flavour](basket_id=1)
    events = [flavour.Basket.Created(), flavour.Basket.ItemAdded(item="tea")]
    for event in events:
        basket.add_event(event)
    successor = flavour.blocks.evolve(basket, items=("tea",))
    assert basket.get_events() == []
    assert successor.get_events() == events
    basket.add_event(flavour.Basket.Created())
    assert successor.get_events() == events


@in_both_flavours
def test_fd4_events_that_the_construction_records_are_dropped(flavour: type[Flavour]) -> None:
    class Order(dddkit.dataclasses.Aggregate):
        def __post_init__(self) -> None:
            self.add_event(Noted())

    class Model(dddkit.pydantic.Aggregate):
        def model_post_init(self, _: Any) -> None:
            self.add_event(Noted())

    order = flavour.declare(Order if flavour is Dataclasses else Model, "Order", order_id=int, note=(str, ""))
    made = order(order_id=1)
    (created,) = made.get_events()
    assert flavour.blocks.evolve(made, note="a").get_events() == [created]


class Added(NamedTuple):
    items: list[str]


class AddedHandler(ChangesHandler[Any, Added]):
    result_type = Added

    def _clear_state(self) -> None:
        self.items: list[str] = []

    @singledispatchmethod
    def handle_changes(self, event: object, aggregate: object) -> None:
        raise NotImplementedError

    @handle_changes.register(Dataclasses.Basket.ItemAdded)
    @handle_changes.register(Pydantic.Basket.ItemAdded)
    def _(self, event: Any, aggregate: object) -> None:
        self.items.append(event.item)


@in_both_flavours
def test_fd4_an_aggregate_that_evolves_in_a_block_is_folded_once(flavour: type[Flavour]) -> None:
    basket = FROZEN[flavour](basket_id=1)
    basket.add_event(flavour.Basket.ItemAdded(item="tea"))
    with AddedHandler() as changes_of:
        assert changes_of(basket).items == ["tea"]
        basket = flavour.blocks.evolve(basket, items=("tea",))
        basket.add_event(flavour.Basket.ItemAdded(item="milk"))
        assert changes_of(basket).items == ["milk"]
        basket = flavour.blocks.evolve(basket)
        basket.add_event(flavour.Basket.Created())
    assert basket.get_events() == [basket.get_events()[0]]
    assert type(basket.get_events()[0]) is flavour.Basket.Created


@in_both_flavours
def test_fd4_what_was_folded_stays_pending_on_the_next_state_when_the_block_fails(flavour: type[Flavour]) -> None:
    basket = FROZEN[flavour](basket_id=1)
    basket.add_event(flavour.Basket.ItemAdded(item="tea"))
    states = [basket]

    def fail() -> None:
        with AddedHandler() as changes_of:
            changes_of(basket)
            states.append(flavour.blocks.evolve(basket, items=("tea",)))
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert AddedHandler()(states[-1]).items == ["tea"]


def test_fd4_a_rejected_assignment_in_a_block_leaves_its_events_folded() -> None:
    basket = Pydantic.Basket(basket_id=1)
    basket.add("tea")
    with AddedHandler() as changes_of:
        changes_of(basket)
        with pytest.raises(pydantic.ValidationError):
            setattr(basket, "items", None)  # noqa: B010 - checkers reject an assignment
        assert changes_of(basket).items == []
    assert basket.get_events() == []


# What is rejected


@in_both_flavours
def test_fd4_what_the_construction_rejects_changes_nothing(flavour: type[Flavour]) -> None:
    basket = FROZEN[flavour](basket_id=1, items=("a", "b"))
    basket.add_event(flavour.Basket.Created())
    with pytest.raises(ValueError, match="the basket is full"):
        flavour.blocks.evolve(basket, items=("a", "b", "c", "d"))
    assert len(basket.get_events()) == 1
    assert flavour.blocks.evolve(basket, items=("a", "b", "c", "d"), limit=4).limit == 4


@in_both_flavours
def test_fd4_an_unknown_name_is_rejected_by_name(flavour: type[Flavour]) -> None:
    basket = FROZEN[flavour](basket_id=1)
    basket.add_event(flavour.Basket.Created())
    with pytest.raises(TypeError, match=r'no field \'itmes\' to set; did you mean "items"\?'):
        flavour.blocks.evolve(basket, itmes=())
    with pytest.raises(TypeError, match=r"no field 'x' to set; it has basket_id, items, limit$"):
        flavour.blocks.evolve(basket, x=1)
    assert len(basket.get_events()) == 1


@in_both_flavours
def test_fd4_the_identity_stays(flavour: type[Flavour]) -> None:
    evolve = flavour.blocks.evolve
    basket = FROZEN[flavour](basket_id=1)
    basket.add_event(flavour.Basket.Created())
    with pytest.raises(ValueError, match=r"evolve: the identity of \S+ stays the same"):
        evolve(basket, basket_id=2)
    assert len(basket.get_events()) == 1
    assert evolve(basket, basket_id=1).basket_id == 1


@in_both_flavours
def test_fd4_an_aggregate_without_identity_may_get_one(flavour: type[Flavour]) -> None:
    order = flavour.declare("Aggregate", "Order", order_id=(Any, None))
    made = order()
    made.add_event(flavour.Basket.Created())
    successor = flavour.blocks.evolve(made, order_id=7)
    assert (successor.order_id, len(successor.get_events())) == (7, 1)


@in_both_flavours
def test_fd4_each_flavour_evolves_its_own_aggregates(flavour: type[Flavour]) -> None:
    other = Pydantic if flavour is Dataclasses else Dataclasses
    wanted = f"evolve of dddkit.{flavour.name} takes one of its Aggregates, and got"
    copied = "dataclasses.replace({}, ...)" if flavour is Dataclasses else "{}.model_copy(update=...)"
    for wrong, named in (
        (other.Basket(basket_id=1), f"a {other.Basket.__qualname__}; write `from dddkit.{other.name} import evolve`"),
        (flavour.Product(product_id=1), f"a {flavour.Product.__qualname__}; write {copied.format('product')}"),
        (flavour.Money(amount=1), f"a {flavour.Money.__qualname__}; write {copied.format('money')}"),
        (flavour.Basket, f"the class {flavour.Basket.__qualname__}; pass an object of it"),
        (None, "None"),
    ):
        with pytest.raises(TypeError) as rejected:
            flavour.blocks.evolve(wrong)
        assert str(rejected.value) == f"{wanted} {named}"


# Dataclasses


@stdlib.dataclass(frozen=True, kw_only=True)
class Sum(dddkit.dataclasses.Aggregate):
    number: Identity[UUID] = stdlib.field(init=False, default_factory=uuid4)
    parts: tuple[int, ...]
    start: stdlib.InitVar[int] = 0
    total: int = stdlib.field(init=False)
    kind: ClassVar[str] = "sum"

    def __post_init__(self, start: int) -> None:
        object.__setattr__(self, "total", start + sum(self.parts))


def test_fd4_what_the_constructor_does_not_take_is_made_anew_except_the_identity() -> None:
    before = Sum(parts=(1, 2))
    after = dddkit.dataclasses.evolve(before, parts=(1, 2, 3), start=10)
    assert after.total == 16
    assert after.number == before.number
    assert after == before


@pytest.mark.parametrize("name", ["total", "kind", "number"])
def test_fd4_what_the_constructor_does_not_take_cannot_be_changed(name: str) -> None:
    changes: dict[str, Any] = {name: 1}
    with pytest.raises(TypeError, match=f"evolve: the constructor of Sum does not take '{name}'; leave it out"):
        dddkit.dataclasses.evolve(Sum(parts=()), **changes)


def test_fd4_a_field_may_be_called_as_the_parameter() -> None:
    order = Dataclasses.declare("Aggregate", "Order", id=int, aggregate=int)
    assert dddkit.dataclasses.evolve(order(id=1, aggregate=1), aggregate=2).aggregate == 2
    model = Pydantic.declare("Aggregate", "Order", id=int, aggregate=int)
    assert dddkit.pydantic.evolve(model(id=1, aggregate=1), aggregate=2).aggregate == 2


class ByHand(dddkit.dataclasses.Aggregate):
    def __init__(self, number: int, note: str = "") -> None:
        self.id = number
        self.note = note


class Replaced(ByHand):
    def __replace__(self, /, **changes: Any) -> Replaced:
        return Replaced(self.id, **{"note": self.note, **changes})


@attrs.frozen(slots=False, eq=False)
class WithAttrs(dddkit.dataclasses.Aggregate):
    id: int
    note: str = ""


def test_fd4_what_is_no_dataclass_evolves_by_its_replace() -> None:
    with pytest.raises(
        TypeError, match=r"evolve: ByHand is no dataclass; .* or write its __replace__\(self, /, \*\*ch"
    ):
        dddkit.dataclasses.evolve(ByHand(1), note="a")
    made: Any
    for made in (Replaced(1), WithAttrs(1)):
        baskets = Baskets()
        run(baskets.save(made))
        made.add_event(Dataclasses.Basket.Created())
        successor = dddkit.dataclasses.evolve(made, note="a")
        assert (successor.id, successor.note, len(successor.get_events())) == (1, "a", 1)
        run(baskets.save(successor))


@attrs.frozen(eq=False)
class SlottedWithAttrs(dddkit.dataclasses.Aggregate):
    id: Any = attrs.field(init=False, factory=uuid4)
    _count: int = attrs.field(default=0, converter=int)


def test_fd4_classes_of_attrs_evolve_on_every_python() -> None:
    make: Any = SlottedWithAttrs
    made = make(count=1)
    after: Any = dddkit.dataclasses.evolve(made, count="2")
    assert (after.id, attrs.astuple(after)[1]) == (made.id, 2)
    with pytest.raises(TypeError, match="no field '_count' to set; did you mean \"count\""):
        dddkit.dataclasses.evolve(made, _count=1)


# Models


class Address(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(alias_generator=str.upper)
    city: str


class Aliased(dddkit.pydantic.Aggregate):
    id: int = pydantic.Field(alias="orderId")
    first: str = pydantic.Field("", validation_alias=pydantic.AliasPath("names", 0))
    last: str = pydantic.Field("", validation_alias=pydantic.AliasPath("names", 1))
    note: str = pydantic.Field("", validation_alias=pydantic.AliasChoices("remark", "note_text"))
    address: Address | None = None


def test_fd4_models_evolve_by_the_names_of_their_fields_whatever_the_aliases() -> None:
    order = Aliased.model_validate({"orderId": 1, "names": ["Ada", "L"], "remark": "a"})
    after = dddkit.pydantic.evolve(order, last="Lovelace", note="b", address={"CITY": "London"})
    assert (after.id, after.first, after.last, after.note) == (1, "Ada", "Lovelace", "b")
    assert after.address == Address.model_validate({"CITY": "London"})
    with pytest.raises(TypeError, match="no field 'orderId'"):
        dddkit.pydantic.evolve(order, orderId=1)


class Defaults(dddkit.pydantic.Aggregate):
    id: UUID = pydantic.Field(default_factory=uuid4)
    sloppy: str = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # pydantic lets it be
    tags: list[str] = []
    note: str = ""
    _seen: int = pydantic.PrivateAttr(0)


def test_fd4_defaults_stay_as_they_are_and_count_as_not_set() -> None:
    before: Any = Defaults()
    before.tags.append("a")
    before._seen = 3
    after: Any = dddkit.pydantic.evolve(before, note="n")
    assert (after.id, after.tags, after.note, after._seen) == (before.id, ["a"], "n", 0)
    assert vars(after)["sloppy"] is None
    assert after.model_fields_set == {"note"}
    assert dddkit.pydantic.evolve(after).model_fields_set == {"note"}


class Open(dddkit.pydantic.Aggregate):
    model_config = pydantic.ConfigDict(extra="allow")
    id: int


class Forbidding(dddkit.pydantic.Aggregate):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)
    id: int
    tags: tuple[str, ...] = ()


def test_fd4_extra_attributes_stay_and_may_be_added_where_the_model_allows_them() -> None:
    after: Any = dddkit.pydantic.evolve(Open.model_validate({"id": 1, "old": 1}), new=2)
    assert (after.model_extra, after.model_fields_set) == ({"old": 1, "new": 2}, {"id", "old", "new"})
    with pytest.raises(TypeError, match="no field 'new'"):
        dddkit.pydantic.evolve(Forbidding(id=1), new=2)
    with pytest.raises(pydantic.ValidationError):
        dddkit.pydantic.evolve(Forbidding(id=1), tags=["a"])
    assert dddkit.pydantic.evolve(Forbidding(id=1), tags=("a",)).tags == ("a",)


class OwnInit(dddkit.pydantic.Aggregate):
    id: int
    note: str

    def __init__(self, id: int, note: str = "default") -> None:  # noqa: A002 - the field's name
        values: dict[str, Any] = {"id": id, "note": note.strip()}
        super().__init__(**values)


def test_fd4_a_constructor_of_ones_own_is_called() -> None:
    assert dddkit.pydantic.evolve(OwnInit(1), note=" n ").note == "n"


def test_fd4_nested_models_stay_the_same_objects() -> None:
    order = Pydantic.declare("Aggregate", "Order", id=int, product=Any, note=(str, ""))
    product = Pydantic.Product(product_id=1)
    made = order(id=1, product=product)
    assert dddkit.pydantic.evolve(made, note="a").product is product


def _doubled(value: str) -> str:
    return value * 2


class Transformed(dddkit.pydantic.Aggregate):
    """Its types make of a value what they reject or change when they get it."""

    model_config = pydantic.ConfigDict(frozen=True, revalidate_instances="always")
    id: int
    payload: pydantic.Json[list[int]]
    key: pydantic.Base64Bytes
    name: Annotated[str, pydantic.Field(max_length=3), pydantic.AfterValidator(_doubled)]
    marked: Annotated[str, pydantic.Field(validate_default=True), pydantic.AfterValidator(_doubled)] = "m"
    path: pydantic.Json[int] = pydantic.Field(0, validation_alias=pydantic.AliasPath("deep", "path"))
    deep: dict[str, str] = pydantic.Field(default_factory=dict[str, str])
    parts: tuple[Transformed, ...] = ()
    low: int = 0
    high: int = 0

    @pydantic.model_validator(mode="before")
    @classmethod
    def before(cls, values: Any) -> Any:
        return values

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def wrap(cls, values: Any, make: Any) -> Any:
        return make(values)

    @pydantic.model_validator(mode="after")
    def ordered(self) -> Any:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


def transformed(id: int, **others: Any) -> Transformed:  # noqa: A002 - the field's name
    given = {"id": id, "payload": "[1, 2]", "key": b"YWFhYQ==", "name": "ada", "deep": {"path": "7"}, **others}
    return Transformed.model_validate(given)


def test_fd4_values_that_stay_are_not_validated_again() -> None:
    before = transformed(1, parts=[{"id": 2, "payload": "[]", "key": b"YWFhYQ==", "name": "bob"}])
    after = dddkit.pydantic.evolve(before, low=3, high=4)
    assert (after.payload, after.key, after.name, after.marked, after.path) == ([1, 2], b"aaaa", "adaada", "mm", 7)
    assert after.parts is before.parts
    assert (after.low, after.high) == (3, 4)
    assert before.deep == {"path": "7"}
    assert dddkit.pydantic.evolve(after, path="8", name="a").path == 8


@pytest.mark.parametrize(
    "changes",
    [{"payload": [3]}, {"name": "long"}, {"low": 5}, {"payload": "[3", "high": 1}, {"parts": [{"id": 1}]}],
)
def test_fd4_changes_are_validated_and_so_is_the_whole(changes: dict[str, Any]) -> None:
    made = transformed(1)
    dddkit.pydantic.evolve(made)
    with pytest.raises(pydantic.ValidationError):
        dddkit.pydantic.evolve(made, **changes)
    with pytest.raises(pydantic.ValidationError):
        transformed(1, name="adaada")


def test_fd4_a_given_value_is_validated_even_if_it_is_the_same_object() -> None:
    made = transformed(1)
    with pytest.raises(pydantic.ValidationError):
        dddkit.pydantic.evolve(made, payload=made.payload)


class OwnInitTransformed(Transformed):
    _calls: int = pydantic.PrivateAttr(0)

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._calls += 1

    def calls(self) -> int:
        return self._calls


def test_fd4_a_constructor_of_ones_own_leaves_what_stays_the_same() -> None:
    made = OwnInitTransformed(id=1, payload="[1]", key=b"YWFhYQ==", name="ada")
    after = dddkit.pydantic.evolve(made, low=1, high=2)
    assert (after.payload, after.name, after.marked, after.calls()) == ([1], "adaada", "mm", 1)
    assert "__pydantic_validator__" not in vars(after)
    with pytest.raises(pydantic.ValidationError):
        dddkit.pydantic.evolve(after, low=3)


def test_fd4_extra_attributes_that_stay_are_not_validated_again() -> None:
    class Extra(dddkit.pydantic.Aggregate):
        model_config = pydantic.ConfigDict(extra="allow")
        __pydantic_extra__: dict[str, pydantic.Json[int]] = pydantic.Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]  # pydantic's own way
        id: int

    after: Any = dddkit.pydantic.evolve(Extra.model_validate({"id": 1, "old": "1"}), new="2")
    assert after.model_extra == {"old": 1, "new": 2}
    with pytest.raises(pydantic.ValidationError):
        dddkit.pydantic.evolve(after, newer=3)


def test_fd4_evolving_keeps_no_class_alive() -> None:
    made: Any = Pydantic.declare("Aggregate", "Order", id=int, note=(str, ""))(id=1)
    dddkit.pydantic.evolve(made, note="a")
    gone: list[str] = []
    weakref.finalize(made.__class__, gone.append, "Order")
    del made
    gc.collect()
    assert gone == ["Order"]
