"""StoryState is the typed contract between a story, its steps and its caller."""

# A class that is rejected is not used:
# pyright: reportUnusedClass=false

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, InitVar, dataclass, field, make_dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, ForwardRef, Generic, NamedTuple, TypeVar

import attr
import attrs
import pydantic.dataclasses
import pydantic.fields
import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st

from dddkit._awaitables import FINISHED
from dddkit.exceptions import StoryStateError
from dddkit.stories import I, Story, StoryState, variable
from tests.stories.shop import listed

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import ClassVar as OnlyForCheckers

T = TypeVar("T")


class Checkout(Story):
    I.pay

    class State(StoryState):
        order_id: int
        notes: list[str] = []
        discount: Decimal | float = 0.5
        payment: str = variable()

    def pay(self, state: State) -> None:
        state.payment = f"payment of {state.order_id}"


class Standalone(StoryState):
    order_id: int
    payment: str = variable()


def loosely(state_class: Any) -> Any:
    """Return the class as Any, so that checkers do not report what a test does on purpose."""
    return state_class


# The constructor


def test_a_field_without_default_is_a_required_keyword() -> None:
    assert Checkout.State(order_id=1).order_id == 1
    with pytest.raises(
        TypeError, match=r"^Checkout\.State\(\): order_id is required, and was not given; where a step sets it, "
    ):
        loosely(Checkout.State)()
    with pytest.raises(TypeError, match=r'; ordr_id is not declared; did you mean "order_id"\?$'):
        loosely(Checkout.State)(ordr_id=1)
    with pytest.raises(TypeError, match=r"^Checkout\.State\(\) takes its fields by keyword, and got 1 argument"):
        loosely(Checkout.State)(1)


def test_a_default_may_be_overridden_by_the_caller() -> None:
    assert Checkout.State(order_id=1).discount == 0.5
    assert Checkout.State(order_id=1, discount=0.1).discount == 0.1


def test_the_constructor_does_not_take_a_variable() -> None:
    with pytest.raises(TypeError, match=r"payment is set by a step; leave it out, since the"):
        loosely(Checkout.State)(order_id=1, payment="cash")


def test_an_undeclared_argument_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match=r'Checkout\.State\(\): ordr_id is not declared; did you mean "order_id"\?'):
        loosely(Checkout.State)(order_id=1, ordr_id=2)
    with pytest.raises(TypeError, match=r"xyz is not declared; add `xyz: <its type>` to its body"):
        loosely(Checkout.State)(order_id=1, xyz=2)


def test_a_field_may_be_called_self() -> None:
    class State(StoryState):
        self: int

    assert loosely(State)(self=1).self == 1


def test_s14_every_object_gets_its_own_copy_of_an_unhashable_default() -> None:
    first, second = Checkout.State(order_id=1), Checkout.State(order_id=2)
    first.notes.append("fragile")
    assert second.notes == Checkout.State(order_id=3).notes == []


def test_s14_the_copy_of_a_default_is_deep() -> None:
    class State(StoryState):
        nested: dict[str, list[int]] = {"a": [1]}
        pair: tuple[list[int], int] = ([], 0)

    state = State()
    state.nested["a"].append(2)
    state.pair[0].append(1)
    assert State().nested == {"a": [1]}
    assert State().pair == ([], 0)


def test_a_hashable_default_is_shared() -> None:
    class Gateway: ...

    class State(StoryState):
        gateway: Gateway = Gateway()
        call: Any = len

    assert State().gateway is State().gateway
    assert State().call("abc") == 3


def test_defaults_are_read_off_the_object_only() -> None:
    assert not hasattr(Checkout.State, "notes")
    assert not hasattr(Checkout.State, "payment")


# Reading and writing


def test_reading_a_variable_that_no_step_has_set_names_story_and_attribute() -> None:
    state = Checkout.State(order_id=1)

    with pytest.raises(StoryStateError) as caught:
        _ = state.payment

    assert str(caught.value) == (
        "Checkout.State.payment is not set: pay has not set it yet; list it before those that read it, "
        "let it set it on every path, and call the story first (with await if it is async)"
    )
    assert (caught.value.story, caught.value.attribute) == ("Checkout", "payment")
    assert repr(caught.value.args[0]) == repr(str(caught.value))
    assert pickle.loads(pickle.dumps(caught.value)).args == (str(caught.value), "Checkout", "payment")
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(state, "payment")
    assert getattr(state, "payment", None) is None


def test_a_variable_is_read_once_a_step_has_set_it() -> None:
    state = Checkout.State(order_id=7)
    assert Checkout()(state) is FINISHED
    assert state.payment == "payment of 7"


def test_an_undeclared_name_can_neither_be_set_nor_read_nor_deleted() -> None:
    state = loosely(Checkout.State)(order_id=1)

    with pytest.raises(StoryStateError) as caught:
        state.paymnet = "cash"
    assert str(caught.value) == "Checkout.State declares no 'paymnet', so it cannot be set; did you mean \"payment\"?"
    assert (caught.value.story, caught.value.attribute) == ("Checkout", "paymnet")

    with pytest.raises(StoryStateError, match=r"State declares no 'paymnet'; did you mean"):
        _ = state.paymnet
    with pytest.raises(StoryStateError, match=r"declares no 'mro'; add `mro: <its type> = variable\(\)` to"):
        _ = state.mro
    with pytest.raises(AttributeError):
        del state.paymnet


def test_a_field_can_be_deleted_and_then_is_not_set() -> None:
    state = Checkout.State(order_id=1)
    del state.order_id
    with pytest.raises(StoryStateError, match="is not set"):
        _ = state.order_id
    with pytest.raises(StoryStateError, match="is not set"):
        del state.order_id


def test_a_state_that_stands_alone_goes_by_its_own_name() -> None:
    with pytest.raises(StoryStateError) as caught:
        _ = Standalone(order_id=1).payment
    assert caught.value.story == "Standalone"
    assert str(caught.value).startswith("Standalone.payment is not set")


def test_a_state_defined_in_a_function_goes_by_its_short_name() -> None:
    class Local(Story):  # type: ignore[dddkit-empty-story]  # only its State is tested
        class State(StoryState):
            payment: str = variable()

    with pytest.raises(StoryStateError) as caught:
        _ = Local.State().payment
    assert caught.value.story == "Local"
    assert str(caught.value).startswith("Local.State.payment")


# What is not a field


def test_class_variables_are_no_fields() -> None:
    class State(StoryState):
        shared: ClassVar[list[str]] = []
        qualified: typing.ClassVar[int] = 1
        extended: typing_extensions.ClassVar[int] = 1
        bare: ClassVar = 1
        annotated: Annotated[ClassVar[int], "a constant"] = 1  # type: ignore[valid-type]
        constant: ClassVar[Final[int]] = 1  # type: ignore[valid-type]
        hidden: OnlyForCheckers[int] = 5
        order_id: int

    state = loosely(State)(order_id=1)
    assert repr(state).endswith("State(hidden=5, order_id=1)")
    assert state.shared is State.shared
    assert (state.qualified, state.extended, state.bare, state.annotated, state.constant) == (1, 1, 1, 1, 1)
    with pytest.raises(StoryStateError):
        state.constant = 4


CLASS_VARIABLES = (
    "ClassVar[int]",
    "typing.ClassVar",
    "unknown.ClassVar[int]",
    "Annotated[ClassVar[int], 'constant']",
    "typing . Annotated[ typing . ClassVar[int], 1]",
    "ClassVar[Final[int]]",
    "Final[ClassVar[int]]",
    "unknown.Final[unknown.ClassVar[int]]",
)


@pytest.mark.parametrize("text", CLASS_VARIABLES)
@pytest.mark.parametrize("kind", [str, ForwardRef])
def test_an_annotation_that_only_checkers_can_evaluate_is_matched_by_its_text(kind: Any, text: str) -> None:
    body = {"__annotations__": {"limit": kind(text), "order_id": kind("int")}, "limit": 3}
    state_class = loosely(type(StoryState))("State", (StoryState,), body)
    assert state_class.limit == 3
    assert repr(state_class(order_id=1)) == "State(order_id=1)"


FINAL = (
    "Final",
    "Final[int]",
    "typing.Final",
    "typing_extensions.Final[int]",
    "unknown.Final[int]",
    "Annotated[Final[int], 'given once']",
)


@pytest.mark.parametrize("text", FINAL)
@pytest.mark.parametrize("kind", [str, ForwardRef])
@pytest.mark.parametrize("default", [{}, {"limit": 3}], ids=["required", "with a default"])
def test_fs2_a_final_name_is_a_field_that_keeps_its_value(kind: Any, text: str, default: dict[str, int]) -> None:
    body: dict[str, Any] = {"__annotations__": {"limit": kind(text)}, "__module__": __name__, **default}
    state_class = loosely(type(StoryState))("State", (StoryState,), body)

    if default:
        assert repr(state_class()) == "State(limit=3)"
    else:
        with pytest.raises(
            TypeError, match=r"^State\(\): limit is required, and was not given; where a step sets it, "
        ):
            state_class()
    state = state_class(limit=4)
    assert state.limit == 4
    with pytest.raises(StoryStateError, match=r"^State\.limit is Final, so it keeps the value .*; take Final off"):
        state.limit = 5
    with pytest.raises(StoryStateError, match="is Final"):
        del state.limit
    assert state == state_class(limit=4) != state_class(limit=5)
    assert copy.deepcopy(state).limit == state.__replace__().limit == 4
    assert state.__replace__(limit=5).limit == 5


def test_fs2_final_belongs_to_the_nearest_declaration() -> None:
    class Parent(StoryState):
        limit: Final[int] = 1
        total: int = 1

    class Inheriting(Parent):
        other: int = 2

    class Child(Parent):
        limit: int = 2  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]  # the point
        total: Final[int] = 2  # type: ignore[misc]  # pyright: ignore[reportIncompatibleVariableOverride]  # the point

    with pytest.raises(StoryStateError):
        loosely(Inheriting)().limit = 3
    state = loosely(Child)()
    state.limit = 3
    with pytest.raises(StoryStateError):
        state.total = 3
    assert (state.limit, state.total) == (3, 2)


def test_fs2_a_final_list_is_copied_for_every_object() -> None:
    class State(StoryState):
        notes: Final[list[str]] = []

    State().notes.append("fragile")
    assert State().notes == []


def test_fs2_a_final_variable_is_set_once() -> None:
    class State(StoryState):
        payment: Final[str] = variable()

    state = loosely(State)()
    state.payment = "cash"
    with pytest.raises(StoryStateError, match="payment is Final"):
        state.payment = "card"
    assert state.payment == "cash"


def test_fs2_a_constructor_of_its_own_may_set_a_final_field() -> None:
    class State(StoryState):
        limit: Final[int]

        def __init__(self, text: str) -> None:
            self.limit = int(text)

    state = loosely(State)("3")
    with pytest.raises(StoryStateError):
        state.limit = 4
    assert state.limit == 3


def test_fs2_other_qualifiers_say_nothing_about_the_field() -> None:
    class State(StoryState):
        order_id: typing_extensions.ReadOnly[int]  # type: ignore[valid-type]  # pyright: ignore[reportInvalidTypeForm]
        notes: Annotated[list[str], "for the courier"] = []

    assert repr(loosely(State)(order_id=1)).endswith("State(order_id=1, notes=[])")


# What is no default of a StoryState


class Specifiers(NamedTuple):
    value: Any
    name: str


SPECIFIERS: dict[str, Specifiers] = {
    "dataclasses": Specifiers(dataclasses.field(default_factory=list), r"field\(\.\.\.\) of dataclasses"),
    "dataclasses, with a default": Specifiers(field(default=1), r"field\(\.\.\.\) of dataclasses"),
    "attrs": Specifiers(attrs.field(factory=list), r"field\(\.\.\.\) of attrs"),
    "attr.ib": Specifiers(attr.ib(default=1), r"field\(\.\.\.\) of attrs"),
    "attrs.Factory": Specifiers(attrs.Factory(list), r"Factory\(\.\.\.\) of attrs"),
    "pydantic": Specifiers(pydantic.Field(default_factory=list), r"Field\(\.\.\.\) of pydantic"),
    "pydantic, private": Specifiers(pydantic.PrivateAttr(default=1), r"PrivateAttr\(\.\.\.\) of pydantic"),
    "a subclass": Specifiers(type("Own", (pydantic.fields.FieldInfo,), {})(), r"Field\(\.\.\.\) of pydantic"),
}
BODIES: dict[str, Callable[[Any], object]] = {
    "annotated": lambda value: state_class_of({"notes": "list[str]"}, notes=value),
    "Final": lambda value: state_class_of({"notes": "Final"}, notes=value),
    "without annotation": lambda value: state_class_of({}, notes=value),
    "in a child": lambda value: state_class_of({}, (Checkout.State,), notes=value),
    "in a mixin": lambda value: state_class_of(
        {}, (StoryState, type("Mixin", (), {"__annotations__": {"notes": "Any"}, "notes": value}))
    ),
}


def state_class_of(annotations: dict[str, Any], bases: tuple[type, ...] = (StoryState,), **values: Any) -> Any:
    body = {"__annotations__": annotations, "__module__": __name__, **values}
    return loosely(type(StoryState))("State", bases, body)


@pytest.mark.parametrize("define", BODIES.values(), ids=list(BODIES))
@pytest.mark.parametrize("specifier", SPECIFIERS.values(), ids=list(SPECIFIERS))
def test_fs3_a_field_specifier_of_another_library_is_refused_with_the_cure(
    define: Callable[[Any], object], specifier: Specifiers
) -> None:
    with pytest.raises(
        TypeError, match=rf": notes = {specifier.name} is no default of a StoryState; write the default"
    ):
        define(specifier.value)


def test_fs3_a_field_of_pydantic_may_be_metadata() -> None:
    class State(StoryState):
        amount: Annotated[int, pydantic.Field(gt=0)] = 1

    assert State().amount == 1


@pytest.mark.parametrize("annotation", [InitVar[int], InitVar, KW_ONLY, "InitVar[int]", "dataclasses.KW_ONLY"])
def test_fs3_pseudo_fields_of_dataclasses_are_refused(annotation: Any) -> None:
    with pytest.raises(
        TypeError, match=r"^State: order: (InitVar|KW_ONLY) is for dataclasses; a StoryState takes every"
    ):
        state_class_of({"order": annotation})


def test_fs3_a_mixin_that_is_a_dataclass_keeps_its_own_specifiers() -> None:
    @dataclass
    class Audited:
        by: str = "me"
        _: KW_ONLY
        trail: list[str] = field(default_factory=list[str])

    class State(StoryState, Audited):
        order_id: int

    state = loosely(State)(order_id=1)
    assert state.by == "me"
    state.trail = ["read"]
    assert repr(state).endswith("State(by='me', trail=['read'], order_id=1)")


OTHER_STATES: dict[str, Callable[[], object]] = {
    "namespace": lambda: type("State", (SimpleNamespace,), {"payment": loosely(variable())}),
    "dataclass": lambda: dataclass(type("State", (), body_with_variable())),
    "slotted dataclass": lambda: dataclass(slots=True)(type("State", (), body_with_variable())),
    "make_dataclass": lambda: make_dataclass("State", [("payment", Any, variable())]),
    "default of a field": lambda: dataclass(
        type("State", (), {**body_with_variable(), "payment": field(default=variable())})
    ),
    "attrs": lambda: attrs.define(type("State", (), body_with_variable())),
    "pydantic": lambda: loosely(type(pydantic.BaseModel))("State", (pydantic.BaseModel,), body_with_variable()),
    "plain class": lambda: type("State", (), body_with_variable()),
    "protocol": lambda: loosely(type(typing_extensions.Protocol))(
        "State",
        (loosely(typing_extensions.Protocol),),
        body_with_variable(),
    ),
    "story": lambda: loosely(type(Checkout))("State", (Checkout,), body_with_variable()),
}


def body_with_variable() -> dict[str, Any]:
    return {"__annotations__": {"payment": Any}, "__module__": __name__, "payment": variable()}


@pytest.mark.parametrize("define", OTHER_STATES.values(), ids=list(OTHER_STATES))
def test_fs3_a_variable_in_another_kind_of_state_is_refused_at_definition(define: Callable[[], object]) -> None:
    with pytest.raises((TypeError, RuntimeError)) as caught:
        define()
    error: BaseException | None = caught.value
    if sys.version_info < (3, 12):  # Python makes a RuntimeError of what `__set_name__` raises
        assert "'payment' in 'State'" in str(error)
        error = caught.value.__cause__
    assert isinstance(error, TypeError)
    prefix, _, advice = str(error).partition("; ")
    assert prefix == "State: payment = variable() is for the fields of a StoryState"
    assert advice in (
        "derive the State from StoryState, or write `payment: <its type>` in a mixin for one",
        "move the line into its class State(StoryState)",  # it is a story
    )


def test_fs3_a_variable_in_a_named_tuple_is_refused_before_the_story_is_made() -> None:
    with pytest.raises(
        TypeError, match=r"payment = variable\(\).* is for the fields of a StoryState; derive the State"
    ):

        class Sale(Story):  # type: ignore[dddkit-empty-story]  # only its State is tested
            class State(NamedTuple):  # it is rejected itself from 3.13 on
                order_id: int
                payment: str = variable()


def test_fs3_a_variable_says_what_it_is() -> None:
    assert repr(variable()) == "variable()"
    assert COPIES.keys() == {name for name, copied in COPIES.items() if copied(variable()) is variable()}


def test_methods_and_properties_work() -> None:
    class State(StoryState):
        price: int
        payment: str = variable()
        stored: int = 0

        @property
        def total(self) -> int:
            return self.price * 2

        @property
        def receipt(self) -> str:
            return f"receipt of {self.payment}"

        @property
        def doubled(self) -> int:
            return self.stored * 2

        @doubled.setter
        def doubled(self, value: int) -> None:
            self.stored = value // 2

        def raised(self, by: int) -> int:
            return self.price + by

        @classmethod
        def free(cls) -> Any:
            return cls(price=0)

    state = State(price=5)
    assert (state.total, state.raised(1), State.free().price) == (10, 6, 0)
    state.doubled = 8
    assert (state.stored, state.doubled) == (4, 8)
    with pytest.raises(AttributeError):
        loosely(state).total = 3
    with pytest.raises(StoryStateError, match="payment is not set"):
        _ = state.receipt


def test_a_variable_without_annotation_is_refused() -> None:
    with pytest.raises(TypeError, match=r"payment = variable\(\) has no annotation; write `payment: <its type>"):

        class State(StoryState):
            payment = loosely(variable())


def test_a_slot_is_no_default() -> None:
    class State(StoryState):
        __slots__ = ("order_id",)
        order_id: int

    with pytest.raises(TypeError, match="order_id is required"):
        loosely(State)()
    assert loosely(State)(order_id=1).order_id == 1


# Decorators


@pytest.mark.parametrize(
    ("decorator", "maker"),
    [
        (dataclass, "dataclasses"),
        (dataclass(slots=True), "dataclasses"),
        (attrs.define, "attrs"),
        (attrs.define(slots=False), "attrs"),
        (pydantic.dataclasses.dataclass, "dataclasses"),
    ],
)
def test_a_decorator_that_would_give_it_another_constructor_is_refused(decorator: Any, maker: str) -> None:
    class State(StoryState):
        order_id: int

    with pytest.raises(TypeError, match=f"State is a StoryState, which has its constructor already; .* of {maker} off"):
        decorator(State)


# Inheritance


def test_the_state_of_a_child_extends_that_of_its_parent() -> None:
    class Express(Checkout):
        class State(Checkout.State):
            courier: str
            tracking: str = variable()
            notes: list[str] = ["express"]

    state = Express.State(order_id=1, courier="bike")
    assert (state.order_id, state.courier, state.notes) == (1, "bike", ["express"])
    Express()(state)
    assert state.payment == "payment of 1"
    assert Checkout.State(order_id=1).notes == []


def test_a_child_may_give_a_new_default_without_annotation() -> None:
    class State(Checkout.State):
        order_id = 7
        notes = ["new"]

    state = loosely(State)()
    assert (state.order_id, state.notes) == (7, ["new"])
    state.notes.append("more")
    assert loosely(State)().notes == ["new"]


def test_a_child_may_leave_a_field_to_a_step_without_annotation() -> None:
    class State(Checkout.State):
        order_id = loosely(variable())

    state = loosely(State)()
    assert not hasattr(state, "order_id")
    with pytest.raises(TypeError, match="order_id is set by a step"):
        loosely(State)(order_id=1)


def test_a_property_may_replace_a_field_of_a_base() -> None:
    class Base(StoryState):
        total: int

    class State(Base):
        price: int = 2

        @property  # type: ignore[misc]  # the point
        def total(self) -> int:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # the point
            return self.price * 2

    assert loosely(State)().total == 4


@pytest.mark.parametrize("protocol", [typing.Protocol, typing_extensions.Protocol])
def test_protocol_mixins_declare_names_for_steps(protocol: Any) -> None:
    class HasCourier(protocol):  # type: ignore[misc]  # a base chosen at run time
        courier: str

    class State(HasCourier, StoryState):
        order_id: int

    state = loosely(State)(order_id=1)
    assert not hasattr(state, "courier")
    state.courier = "bike"
    assert state.courier == "bike"


def test_mixins_declare_fields_and_abc_is_allowed() -> None:
    class Audited:
        by: str
        trail: list[str] = []

    class State(StoryState, Audited, ABC):
        order_id: int

        @abstractmethod
        def describe(self) -> str: ...

    class Concrete(State):
        def describe(self) -> str:
            return f"{self.order_id} by {self.by}"

    with pytest.raises(TypeError, match="abstract"):
        loosely(State)(order_id=1)
    state = loosely(Concrete)(order_id=1)
    state.by = "me"
    assert state.describe() == "1 by me"
    state.trail.append("read")
    assert loosely(Concrete)(order_id=1).trail == []


def test_states_may_be_generic() -> None:
    class Held(StoryState, Generic[T]):
        item: T
        other: list[T] = []

    class HeldText(Held[str]):
        more: str = "more"

    assert Held[int](item=1) == Held(item=1)
    assert (HeldText(item="a").item, HeldText(item="a").more) == ("a", "more")


def test_a_state_may_write_its_own_constructor() -> None:
    class State(StoryState):
        order_id: int
        payment: str = variable()

        def __init__(self, order: str) -> None:
            loosely(super()).__init__(order_id=int(order))

    assert State("3").order_id == 3


# Equality, repr, copies


class Totalled(StoryState):
    price: int
    payment: str = variable()

    @cached_property
    def total(self) -> int:
        return self.price * 2


def test_fs4_only_fields_decide_equality() -> None:
    one, other = Totalled(price=1), Totalled(price=1)
    assert one.total == 2
    assert one == other
    assert other == one
    one.__dict__["_cache"] = {}
    assert one == other
    other.payment = "cash"
    assert one != other
    assert repr(one) == "Totalled(price=1)"


def test_fs4_what_no_field_holds_is_not_even_compared() -> None:
    class Column:  # as in numpy and pandas
        def __eq__(self, other: object) -> Any:
            raise ValueError("the truth value of a column is ambiguous")

        __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    class Table(StoryState):
        rows: int

        @cached_property
        def prices(self) -> Column:
            return Column()

    one, other = Table(rows=1), Table(rows=1)
    assert one.prices is not other.prices
    assert one == other


@pytest.mark.parametrize("name", ["copy", "deepcopy", "pickle"])
def test_fs4_a_copy_of_a_state_that_has_computed_something_is_equal(name: str) -> None:
    state = Totalled(price=1)
    assert state.total == 2
    made = COPIES[name](state)
    assert made == state == Totalled(price=1)
    assert made.total == 2


def test_fs4_a_field_in_the_slot_of_a_mixin_counts() -> None:
    class Audited:
        __slots__ = ("by",)
        by: str

    class State(StoryState, Audited):
        order_id: int

    def audited(by: str) -> Any:
        state = loosely(State)(order_id=1)
        assert not hasattr(state, "by")
        with pytest.raises(StoryStateError, match="is not set"):
            del state.by
        state.by = by
        return state

    assert audited("me") == audited("me") != audited("you")
    assert repr(audited("me")).endswith("State(by='me', order_id=1)")
    assert copy.copy(audited("me")) == audited("me")
    assert audited("me").__replace__(order_id=2).by == "me"


def test_states_are_equal_by_class_and_by_what_is_set() -> None:
    one, other = Checkout.State(order_id=1), Checkout.State(order_id=1)
    assert one == other
    one.payment = "cash"
    assert one != other
    other.payment = "cash"
    assert one == other
    assert one != Standalone(order_id=1)
    assert one != 1


def test_a_state_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Standalone(order_id=1))


def test_repr_shows_what_is_set_in_the_order_of_declaration() -> None:
    state = Checkout.State(order_id=1)
    assert repr(state) == "Checkout.State(order_id=1, notes=[], discount=0.5)"
    state.payment = "cash"
    assert repr(state) == "Checkout.State(order_id=1, notes=[], discount=0.5, payment='cash')"


def test_repr_of_a_state_that_holds_itself_ends() -> None:
    class State(StoryState):
        me: Any = variable()

    state = State()
    state.me = state
    assert repr(state).endswith("State(me=...)")


def pickled(state: object) -> object:
    return pickle.loads(pickle.dumps(state))


COPIES: dict[str, Any] = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickled}


@pytest.mark.parametrize("copied", COPIES.values(), ids=list(COPIES))
@given(order_id=st.integers(), notes=st.lists(st.text()), payment=st.none() | st.text())
def test_a_copy_is_equal_and_keeps_what_is_set_and_what_is_not(
    copied: Any, order_id: int, notes: list[str], payment: str | None
) -> None:
    state = Checkout.State(order_id=order_id, notes=notes)
    if payment is not None:
        state.payment = payment

    made = copied(state)

    assert made == state
    assert type(made) is Checkout.State
    assert repr(made) == repr(state)
    assert hasattr(made, "payment") == (payment is not None)
    made.order_id = order_id + 1
    assert made != state


def replace(state: Any, **changes: Any) -> Any:
    """Do what `copy.replace` does from 3.13 on."""
    replacing: Any = getattr(copy, "replace", None)
    return replacing(state, **changes) if replacing else state.__replace__(**changes)


def test_fs5_replacing_gives_a_state_with_other_fields() -> None:
    state = Checkout.State(order_id=1, notes=["fragile"])
    state.payment = "cash"

    made = replace(state, order_id=2)

    assert type(made) is Checkout.State
    assert repr(made) == "Checkout.State(order_id=2, notes=['fragile'], discount=0.5, payment='cash')"
    assert repr(state) == "Checkout.State(order_id=1, notes=['fragile'], discount=0.5, payment='cash')"
    assert not hasattr(replace(Checkout.State(order_id=1)), "payment")


def test_fs5_what_was_computed_is_computed_anew_after_replacing() -> None:
    state = Totalled(price=1)
    assert state.total == 2
    assert replace(state, price=2).total == 4


def test_fs5_replacing_takes_what_the_constructor_takes() -> None:
    state = Checkout.State(order_id=1)
    with pytest.raises(TypeError, match=r'Checkout\.State\(\): ordr_id is not declared; did you mean "order_id"\?'):
        replace(state, ordr_id=2)
    with pytest.raises(TypeError, match=r"payment is set by a step; leave it out, since the"):
        replace(state, payment="cash")


@given(order_id=st.integers(), notes=st.lists(st.text()), payment=st.none() | st.text())
def test_fs5_replacing_nothing_or_everything_is_a_copy(order_id: int, notes: list[str], payment: str | None) -> None:
    state = Checkout.State(order_id=order_id, notes=notes)
    if payment is not None:
        state.payment = payment
    assert replace(state) == state
    assert replace(state, order_id=order_id, notes=notes, discount=state.discount) == state
    assert replace(replace(state, order_id=0), order_id=order_id) == state


def test_an_object_made_without_its_constructor_has_nothing_set() -> None:
    state = Checkout.State.__new__(Checkout.State)
    assert repr(state) == "Checkout.State()"
    with pytest.raises(StoryStateError):
        _ = state.notes


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(), min_size=1))
def test_states_hold_what_they_were_given(values: dict[str, int]) -> None:
    state_class: Any = loosely(type(StoryState))(
        "State", (StoryState,), {"__annotations__": dict.fromkeys(values, int)}
    )
    state = state_class(**values)
    assert {name: getattr(state, name) for name in values} == values
    assert state == state_class(**values)


# Where the State is defined


def test_a_story_may_name_a_state_from_elsewhere() -> None:
    class Paying(Story):
        I.pay
        State: typing_extensions.TypeAlias = Standalone

        def pay(self, state: State) -> None:
            state.payment = "cash"

    state = Paying.State(order_id=1)
    Paying()(state)
    assert state.payment == "cash"


def test_the_state_of_an_inherited_story_is_inherited() -> None:
    class Child(Checkout):
        listed(I, "pay", "pay")

    state = Child.State(order_id=2)
    Child()(state)
    assert state.payment == "payment of 2"


SENDING = """
import sys, dill
from dddkit.stories import StoryState, variable

class State(StoryState):
    order_id: int
    notes: list = ["fragile"]
    payment: str = variable()

State(order_id=0)
sys.stdout.buffer.write(dill.dumps(State(order_id=1)))
"""


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
def test_the_state_class_of_a_script_is_the_same_in_another_process() -> None:
    dill: Any = pytest.importorskip("dill")
    sent = subprocess.run([sys.executable, "-c", SENDING], capture_output=True, check=True).stdout

    state = dill.loads(sent)

    assert repr(state) == "State(order_id=1, notes=['fragile'])"
    first, second = type(state)(order_id=2), type(state)(order_id=2)
    assert first == second
    assert first.notes is not second.notes
    with pytest.raises(TypeError, match="order_id is required"):
        type(state)()
    with pytest.raises(TypeError, match="payment is set by a step"):
        type(state)(order_id=1, payment="cash")
