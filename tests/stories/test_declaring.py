"""What the body of a story may contain."""

# A class that is rejected, or that only causes a warning, is not used:
# pyright: reportUnusedClass=false

from __future__ import annotations

import typing
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial, partialmethod
from types import SimpleNamespace
from typing import Any, ClassVar, Generic, TypeVar

import attrs
import pytest
import typing_extensions

from dddkit._awaitables import FINISHED
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories import I, Story, steps
from dddkit.stories import I as Vocabulary
from tests.stories.constructors import CONSTRUCTORS, Constructor, every_constructor
from tests.stories.shop import listed

T = TypeVar("T")
ATTRS_FIELD: Any = attrs.field()
FIELD: Any = field(default=None)  # Any: checkers would report a field without annotation


class Reserving:
    def reserve(self, state: list[str]) -> None:
        state.append("reserve")


def note(state: list[str]) -> None:
    state.append("note")


def ran(story: Callable[[list[str]], object]) -> list[str]:
    state: list[str] = []
    assert story(state) is FINISHED
    return state


class Checkout(Story):
    I.reserve
    I.charge

    def reserve(self, state: list[str]) -> None:
        state.append("reserve")

    def charge(self, state: list[str]) -> None:
        state.append("charge")


# Constructors


@every_constructor
def test_a_story_runs_with_every_kind_of_constructor(made: Constructor) -> None:
    class Priced(Story):  # type: ignore[dddkit-undecorated-class]
        I.add
        I.note

        price: int
        note: Callable[[list[str]], None]

        def add(self, state: list[str]) -> None:
            state.append(f"add {self.price}")

    story_class = made(Priced)
    story = story_class(3, note)

    assert ran(story) == ["add 3", "note"]
    assert story.I.__steps__ == ["add", "note"]
    assert story_class.I.__steps__ == ["add", "note"]


@every_constructor
def test_steps_may_call_zero_argument_super(made: Constructor) -> None:
    class Careful(Checkout):
        def charge(self, state: list[str]) -> None:
            state.append("check")
            super().charge(state)

    assert ran(made(Careful)()) == ["reserve", "check", "charge"]


@every_constructor
def test_super_works_through_a_chain_of_made_classes(made: Constructor) -> None:
    class Parent(Checkout):
        def charge(self, state: list[str]) -> None:
            super().charge(state)
            state.append("parent")

    made_parent: Any = made(Parent)

    class Child(made_parent):  # type: ignore[misc]  # a base chosen at run time
        def charge(self, state: list[str]) -> None:
            parent: Any = super()
            parent.charge(state)
            state.append(__class__.__name__)  # type: ignore[name-defined]  # the closure cell that super() reads

    assert ran(made(Child)()) == ["reserve", "charge", "parent", "Child"]


@every_constructor
def test_hooks_injected_before_the_decorator_ran_are_kept(made: Constructor) -> None:
    seen: list[str] = []

    class Hooked(Checkout):
        pass

    Hooked.register_hook("before", lambda context, step: seen.append(step.step_name))
    ran(made(Hooked)())

    assert seen == ["reserve", "charge"]


@every_constructor
def test_a_story_without_steps_can_be_declared_as_a_base(made: Constructor) -> None:
    class House(Story):
        def helper(self) -> str:
            return "helped"

    assert made(House)().helper() == "helped"


@every_constructor
def test_a_story_may_be_abstract_until_a_child_defines_its_step(made: Constructor) -> None:
    class Payment(Story):
        I.pay

        @abstractmethod
        def pay(self, state: list[str]) -> None: ...

    open_story = made(Payment)
    with pytest.raises(TypeError, match="pay"):
        open_story()

    class Cash(open_story):  # type: ignore[misc, valid-type]  # a base chosen at run time
        def pay(self, state: list[str]) -> None:
            state.append("cash")

    assert ran(made(Cash)()) == ["cash"]


def test_an_unannotated_attrs_field_is_a_step() -> None:
    for define in (attrs.define, attrs.define(slots=False)):

        class Noted(Story):
            I.note

            note = ATTRS_FIELD

        made: Any = define(Noted)

        assert ran(made(note)) == ["note"]


def test_a_child_inherits_the_field_of_an_attrs_story() -> None:
    @attrs.define(slots=False)
    class Noted(Story):
        note = ATTRS_FIELD

    class Child(Noted):
        I.note

    made: Any = Child

    assert ran(made(note)) == ["note"]


def test_a_dataclass_field_with_a_default_factory_is_a_step() -> None:
    @dataclass(slots=True)
    class Outer(Story):
        I.inner

        inner: Checkout = field(default_factory=Checkout)

    assert ran(Outer()) == ["reserve", "charge"]


def test_a_dataclass_field_without_annotation_is_rejected_by_dataclass() -> None:
    with pytest.raises(TypeError, match="no type annotation"):

        @dataclass
        class Outer(Story):
            I.inner

            inner = FIELD


# Order and repetition


def test_a_step_listed_twice_runs_twice() -> None:
    class Knock(Story):
        I.knock
        I.enter
        I.knock

        def knock(self, state: list[str]) -> None:
            state.append("knock")

        def enter(self, state: list[str]) -> None:
            state.append("enter")

    assert ran(Knock()) == ["knock", "enter", "knock"]


def test_steps_can_be_listed_by_a_for_statement() -> None:
    class Looped(Story):
        for name in ("reserve", "charge"):
            getattr(I, name)

        reserve = Checkout.reserve
        charge = Checkout.charge

    assert ran(Looped()) == ["reserve", "charge"]


# What a step may be


def test_a_step_may_be_any_callable() -> None:
    def function(what: str, state: list[str]) -> None:
        state.append(what)

    class Callee:
        def __call__(self, state: list[str]) -> None:
            state.append("object")

        def method(self, state: list[str], /) -> None:
            state.append("bound method")

        @classmethod
        def of_class(cls, state: list[str]) -> None:
            state.append("bound class method")

    class Mixed(Story):
        listed(I, "static", "of_class", "defaulted", "open", "attribute", "bound", "bound_class", "prepared", "method")
        listed(I, "computed", "cached", "held", "nested", "bound_story", "builtin")

        @staticmethod
        def static(state: list[str]) -> None:
            state.append("static")

        @classmethod
        def of_class(cls, state: list[str]) -> None:
            state.append(f"class {cls.__name__}")

        def defaulted(self, state: list[str], what: str = "defaulted", *, more: str = "") -> None:
            state.append(what + more)

        def open(self, *args: Any, **more: Any) -> None:
            args[0].append("open")

        attribute = Callee()
        bound = Callee().method
        bound_class = Callee.of_class

        def say(self, what: str, state: list[str]) -> None:
            state.append(what)

        prepared = staticmethod(partial(function, "partial"))  # without it, Python 3.14 binds the function
        method = partialmethod(say, "partial method")

        @property
        def computed(self) -> Callable[[list[str]], None]:
            return lambda state: state.append("property")

        @cached_property
        def cached(self) -> Callable[[list[str]], None]:
            return lambda state: state.append("cached property")

        def __init__(self) -> None:
            self.held = partial(function, "function")
            self.nested = Checkout()
            self.bound_story = Checkout().__call__

        builtin = len

    assert ran(Mixed()) == [
        "static",
        "class Mixed",
        "defaulted",
        "open",
        "object",
        "bound method",
        "bound class method",
        "partial",
        "partial method",
        "property",
        "cached property",
        "function",
        "reserve",
        "charge",
        "reserve",
        "charge",
    ]


def test_a_step_may_be_a_function_defined_elsewhere() -> None:
    class Borrowed(Story):
        I.reserve

        reserve = Reserving.reserve

    assert ran(Borrowed()) == ["reserve"]


@every_constructor
def test_stories_compose_through_fields(made: Constructor) -> None:
    class Outer(Story):
        I.first
        I.second

        first: Story
        second: Story

    assert ran(made(Outer)(Checkout(), Checkout())) == ["reserve", "charge"] * 2


# Inheritance


def test_s8_a_child_inherits_the_steps_of_its_parent() -> None:
    class Child(Checkout):
        pass

    class GrandChild(Child):
        pass

    assert GrandChild.I.__steps__ == ["reserve", "charge"]
    assert ran(GrandChild()) == ["reserve", "charge"]


def test_a_child_that_lists_steps_replaces_those_of_its_parent() -> None:
    class Child(Checkout):
        I.charge

    assert ran(Child()) == ["charge"]
    assert ran(Checkout()) == ["reserve", "charge"]


def test_a_child_overrides_a_step_by_defining_it() -> None:
    class Child(Checkout):
        def charge(self, state: list[str]) -> None:
            state.append("child")

    assert ran(Child()) == ["reserve", "child"]


def test_the_nearest_base_that_lists_steps_gives_them() -> None:
    class Helper(Story):
        def helper(self) -> None: ...

    class Child(Helper, Checkout):
        pass

    assert ran(Child()) == ["reserve", "charge"]


@pytest.mark.parametrize("protocol", [typing.Protocol, typing_extensions.Protocol])
@every_constructor
def test_protocol_mixins_fit(made: Constructor, protocol: Any) -> None:
    class CanCharge(protocol):  # type: ignore[misc]  # a base chosen at run time
        @abstractmethod
        def charge(self, state: list[str]) -> None: ...

    class Sale(Story, CanCharge):
        I.charge

        def charge(self, state: list[str]) -> None:
            state.append("charged")

    assert ran(made(Sale)()) == ["charged"]


@pytest.mark.parametrize("protocol", [typing.Protocol, typing_extensions.Protocol])
def test_a_protocol_gives_no_step_that_is_not_there(protocol: Any) -> None:
    class CanCharge(protocol):  # type: ignore[misc]  # a base chosen at run time
        def charge(self, state: list[str]) -> None: ...

    with pytest.raises(StoryDefinitionError, match=r"I\.chrge names no step"):

        class Sale(Story, CanCharge):
            listed(I, "chrge")


@every_constructor
def test_s18_abc_beside_story_is_no_metaclass_conflict(made: Constructor) -> None:
    class First(Story, ABC):
        I.reserve

        reserve = Reserving.reserve

    class Helping(ABC):
        @abstractmethod
        def reserve(self, state: list[str]) -> None: ...

    class Second(Helping, Story):
        I.reserve

        def reserve(self, state: list[str]) -> None:
            state.append("reserve")

    assert ran(made(First)()) == ran(made(Second)()) == ["reserve"]


@every_constructor
def test_stories_may_be_generic(made: Constructor) -> None:
    class Adding(Story, Generic[T]):  # type: ignore[dddkit-undecorated-class]
        I.add

        item: T

        def add(self, state: list[T]) -> None:
            state.append(self.item)

    assert ran(made(Adding)("apple")) == ["apple"]

    class AddingText(Adding[str]):
        pass

    assert AddingText.I.__steps__ == ["add"]


def test_class_keywords_reach_init_subclass() -> None:
    class Named(Story):
        label: ClassVar[str]

        def __init_subclass__(cls, label: str = "", **more: Any) -> None:
            super().__init_subclass__(**more)
            cls.label = label

    class Child(Named, label="child"):
        pass

    assert Child.label == "child"


def test_a_story_class_may_be_made_by_calling_its_metaclass() -> None:
    metaclass: Any = type(Checkout)
    made: Any = metaclass("Made", (Checkout,), {})

    assert ran(made()) == ["reserve", "charge"]


# I


def test_steps_read_as_a_fresh_list_of_names() -> None:
    Checkout.I.__steps__.append("more")

    assert Checkout.I.__steps__ == Checkout().I.__steps__ == ["reserve", "charge"]


def test_a_listed_name_reads_as_itself() -> None:
    assert Checkout.I.reserve == "reserve"
    assert repr(Checkout.I) == "<steps: reserve, charge>"
    assert {"reserve", "charge"} <= set(dir(Checkout.I))


def test_s9_asking_i_for_a_name_adds_no_step() -> None:
    assert not hasattr(Checkout.I, "ship")
    with pytest.raises(AttributeError, match=r"I\.ship is no step of this story; it lists I.reserve, I.charge"):
        Checkout.I.ship
    assert Checkout.I.__steps__ == ["reserve", "charge"]


def test_i_of_a_story_without_steps_is_closed_too() -> None:
    class House(Story):
        pass

    with pytest.raises(AttributeError, match="it lists none"):
        House.I.ship
    with pytest.raises(AttributeError, match="it lists none"):
        Story.I.ship
    assert House.I.__steps__ == []
    assert repr(House.I) == "<steps: none>"


def test_the_imported_i_refuses_every_name() -> None:
    with pytest.raises(StoryDefinitionError, match="only in the body of a class that derives from Story"):
        listed(Vocabulary, "reserve")
    with pytest.raises(StoryDefinitionError):

        class NoStory:
            listed(I, "reserve")


def test_the_imported_i_is_rejected_in_a_body_under_another_name_too() -> None:
    with pytest.raises(StoryDefinitionError, match=r"I\.reserve lists no step here") as caught:

        class Renamed(Story):
            listed(Vocabulary, "reserve")

    assert caught.value.step == "reserve"


def test_a_comprehension_in_a_body_is_told_what_to_write() -> None:
    with pytest.raises(StoryDefinitionError, match="with a for statement") as caught:

        class Comprehended(Story):
            names: ClassVar[list[Any]] = [getattr(I, name) for name in ("reserve", "charge")]

    assert caught.value.story is None


def test_names_that_begin_with_an_underscore_list_nothing() -> None:
    with pytest.raises(AttributeError, match="do not begin with an underscore"):

        class Private(Story):
            listed(I, "_reserve")

            def _reserve(self, state: object) -> None: ...

    assert not hasattr(Vocabulary, "_anything")
    assert not hasattr(Vocabulary, "__wrapped__")


def test_steps_gives_checkers_a_list_to_look_up() -> None:
    for made in CONSTRUCTORS.values():

        class Dynamic(Story):
            I: ClassVar[Dynamic] = steps()
            I.reserve

            def reserve(self, state: list[str]) -> None:
                state.append("listed")

        story = made(Dynamic)()

        assert ran(story) == ["listed"]
        assert story.I.__steps__ == ["reserve"]
        with pytest.raises(AttributeError):
            story.I.ship


def test_steps_without_any_step_inherits() -> None:
    class Child(Checkout):
        I: ClassVar[Any] = steps()

    assert ran(Child()) == ["reserve", "charge"]


def test_steps_has_to_come_before_the_first_step() -> None:
    with pytest.raises(StoryDefinitionError, match=r"I\.reserve is listed before I is given a new list"):

        class Late(Story):
            listed(I, "reserve")
            I: ClassVar[Any] = steps()

            reserve = Reserving.reserve


def test_i_cannot_be_something_else() -> None:
    with pytest.raises(
        StoryDefinitionError, match=r"I is the list of its steps, and cannot be a list; write one line `I"
    ):

        class Other(Story):
            I: ClassVar[Any] = ["reserve"]


# Names


def test_story_adds_no_public_name_but_those_promised() -> None:
    story = Checkout()

    assert [name for name in dir(story) if not name.startswith("_")] == ["I", "charge", "register_hook", "reserve"]


def test_a_step_may_be_called_like_an_attribute_of_the_metaclass() -> None:
    class Registration(Story):
        listed(I, "register", "mro")

        def register(self, state: list[str]) -> None:
            state.append("register")

        def mro(self, state: list[str]) -> None:
            state.append("mro")

    state: list[str] = []
    Registration()(state)

    assert state == ["register", "mro"]


# Warnings about the state


def test_s14_a_mutable_default_of_a_namespace_is_warned_of_once() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")

        class Cart(Story):
            I.add

            class State(SimpleNamespace):
                items: list[str] = []  # type: ignore[dddkit-mutable-default]  # the warning is tested
                discount: float = 0.0

            def add(self, state: State) -> None: ...

        dataclass(frozen=True, slots=True)(Cart)

        class Child(Cart):
            pass

        class Sharing(Story):  # type: ignore[dddkit-empty-story]  # only its State is tested
            State = Cart.State

    assert [Child.I.__steps__, Sharing.I.__steps__] == [["add"], []]
    [only] = warned
    assert only.category is UserWarning
    assert only.filename == __file__
    assert str(only.message).startswith("Cart: items of ")
    assert "derive the State from StoryState" in str(only.message)


def test_an_inherited_default_is_warned_of_with_the_class_that_has_it() -> None:
    class Base(SimpleNamespace):
        seen: set[str] = set()  # type: ignore[dddkit-mutable-default]  # the warning is tested
        known: dict[str, str] = {}  # type: ignore[dddkit-mutable-default]  # the warning is tested

    with pytest.warns(UserWarning, match="seen, known of") as warned:

        class Cart(Story):  # type: ignore[dddkit-empty-story]  # only its State is tested
            class State(Base):
                total = 0.0

    assert len(warned) == 1


def test_what_is_meant_to_be_shared_is_not_warned_of() -> None:
    class Cart(Story):  # type: ignore[dddkit-empty-story]  # only its State is tested
        class State(SimpleNamespace):
            known: ClassVar[list[str]] = []
            fixed: typing.Final = {"a": 1}
            named: typing.ClassVar[set[str]] = set()
            names: tuple[str, ...] = ()


def test_a_state_that_is_no_namespace_is_not_inspected() -> None:
    class Cart(Story):  # type: ignore[dddkit-empty-story]  # only its State is tested
        class State:
            items: list[str] = []

    class Other(Story):
        State = None
