"""What is rejected when a story is defined, and what is rejected before its first step."""

# A class that is rejected is not used:
# pyright: reportUnusedClass=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any

import attrs
import pydantic.dataclasses
import pytest

from dddkit.exceptions import StoryDefinitionError
from dddkit.stories import I, Story
from tests.stories.constructors import Constructor, by_hand, every_constructor
from tests.stories.shop import listed


def define(step: Any, name: str = "charge") -> type[Story]:
    """Return a story whose only step is `step`."""

    class Checkout(Story):
        listed(I, name)
        locals()[name] = step

    return Checkout


def test_s7_a_misspelt_step_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(StoryDefinitionError) as caught:

        class Checkout(Story):
            listed(I, "shpi")

            def ship(self, state: object) -> None: ...

    assert str(caught.value).endswith('Checkout: I.shpi names no step; did you mean "ship"?')
    assert (caught.value.story, caught.value.step) == ("Checkout", "shpi")
    assert isinstance(caught.value, TypeError)


def test_s7_without_a_near_name_the_refusal_says_what_to_write() -> None:
    with pytest.raises(StoryDefinitionError) as caught:

        class Checkout(Story):
            listed(I, "reserve")

    assert str(caught.value).endswith(
        "I.reserve names no step; define a method reserve(self, state), abstract where a subclass provides it, "
        "or annotate a field reserve"
    )


def test_the_names_of_the_metaclass_are_no_steps() -> None:
    for name in ("register", "mro"):
        with pytest.raises(StoryDefinitionError, match=f"I.{name} names no step"):

            class Checkout(Story):
                listed(I, name)


def test_the_names_of_story_itself_are_no_steps() -> None:
    for name in ("register_hook", "I", "State"):
        with pytest.raises(StoryDefinitionError):

            class Checkout(Story):
                listed(I, name)

                class State: ...


def test_an_inherited_name_is_offered_too() -> None:
    class Parent(Story):
        gateway: Callable[[object], None]

        def reserve(self, state: object) -> None: ...

    with pytest.raises(StoryDefinitionError, match='did you mean "reserve"'):

        class Child(Parent):  # type: ignore[dddkit-undecorated-class]
            listed(I, "reserv")

    with pytest.raises(StoryDefinitionError, match='did you mean "gateway"'):

        class OtherChild(Parent):  # type: ignore[dddkit-undecorated-class]
            listed(I, "gatewy")


def test_a_step_inherited_from_a_parent_is_validated_in_the_child() -> None:
    class Parent(Story):
        listed(I, "charge")

        def charge(self, state: object) -> None: ...

    with pytest.raises(StoryDefinitionError, match=r"Child: I\.charge is no callable"):

        class Child(Parent):
            charge = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # rejected below


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        (0, "0"),
        ("", "a str"),
        ("s3cr3t", "a str"),
        (3.5, "3.5"),
        ({}, "a dict"),
        (object(), "an object"),
    ],
)
def test_s15_fr9_a_step_that_is_not_callable_is_refused(value: object, shown: str) -> None:
    with pytest.raises(StoryDefinitionError) as caught:
        define(value)

    assert str(caught.value).endswith(f"I.charge is no callable, but {shown}; a step is a method or any callable")


def test_a_bare_class_is_refused_where_an_instance_belongs() -> None:
    class Payment(Story):
        I.pay

        def pay(self, state: object) -> None: ...

    with pytest.raises(StoryDefinitionError, match=r"is the class .*Payment, where an instance belongs; did you mean"):
        define(Payment)


def no_self() -> None: ...
def no_state(self: object) -> None: ...
def too_many(self: object, state: object, more: object) -> None: ...
def keyword_only(self: object, *, state: object) -> None: ...
def needs_keyword(self: object, state: object, *, more: object) -> None: ...
async def three(self: object, state: object, one: int, two: int, *, key: int, more: int = 1) -> None: ...
def alone(state: object) -> None: ...
def two(state: object, more: object) -> None: ...


class Takes:
    def __call__(self, state: object, more: object) -> None: ...
    def two(self, state: object, more: object) -> None: ...


FROM = "comes from the state, or from a field of the story"
CALLS_IT = "list a method that calls self.charge with what it needs"
TAKES_OTHER_THAN_THE_STATE: dict[str, tuple[Any, str]] = {
    "no self": (no_self, "charge(); write def charge(self, state)"),
    "no state": (no_state, "charge(self); write def charge(self, state)"),
    "too many": (
        too_many,
        f"charge(self, state, more); write def charge(self, state); more {FROM}",
    ),
    "keyword only": (keyword_only, "charge(self, *, state); write def charge(self, state), without the *"),
    "needs keyword": (
        needs_keyword,
        f"charge(self, state, *, more); write def charge(self, state); more {FROM}",
    ),
    "static": (staticmethod(two), f"charge(state, more); write def charge(state); more {FROM}"),
    "static without": (staticmethod(no_self), "charge(); write def charge(state)"),
    "class method": (
        classmethod(too_many),
        f"charge(self, state, more); write def charge(self, state); more {FROM}",
    ),
    "object": (Takes(), f"charge(state, more); {CALLS_IT}"),
    "bound method": (Takes().two, f"charge(state, more); {CALLS_IT}"),
    "partial keyword": (staticmethod(partial(two, state=1)), f"charge(*, state=1, more); {CALLS_IT}"),
    "built-in": (isinstance, f"charge(obj, class_or_tuple, /); {CALLS_IT}"),
    "static with self": (
        staticmethod(too_many),
        "charge(self, state, more); take @staticmethod off, which passes no self",
    ),
    "no method": (alone, "charge(state); write charge = staticmethod(alone)"),
    "two besides": (
        three,
        "charge(self, state, one, two, *, key, more=1); write async def charge(self, state); one, two, key come"
        + FROM.removeprefix("comes"),
    ),
}


@pytest.mark.parametrize(("step", "expected"), TAKES_OTHER_THAN_THE_STATE.values(), ids=TAKES_OTHER_THAN_THE_STATE)
def test_s7_a_step_that_does_not_take_the_state_alone_is_refused(step: Any, expected: str) -> None:
    with pytest.raises(StoryDefinitionError) as caught:
        define(step)

    shape, _, hint = expected.partition("; ")
    assert caught.value.step == "charge"
    assert str(caught.value).endswith(
        f"Checkout: I.charge is {shape}, which cannot be called with the state alone; {hint}"
    )


def test_a_decorated_step_is_validated_by_what_is_called() -> None:
    def taking_anything(step: Callable[..., None]) -> Callable[..., None]:
        @wraps(step)
        def call(*args: Any) -> None:
            step(*args, "more")

        return call

    def taking_nothing(step: Callable[..., None]) -> Callable[..., None]:
        @wraps(step)
        def call() -> None: ...

        return call

    define(taking_anything(too_many))()(None)
    with pytest.raises(StoryDefinitionError, match=r"write def charge\(self, state\)"):
        define(taking_nothing(no_state))


def test_a_callable_that_does_not_tell_its_parameters_is_let_through() -> None:
    class Quiet:
        __signature__ = "nothing that inspect can read"
        __call__ = len

    define(Quiet())


def test_a_partial_that_leaves_the_state_open_is_let_through() -> None:
    define(staticmethod(partial(two, more=1)))()(None)


def test_a_generator_step_is_refused_since_its_body_would_never_run() -> None:
    def generator(self: object, state: object) -> Iterator[None]:
        yield

    async def async_generator(self: object, state: object) -> AsyncIterator[None]:
        yield

    def lone_generator(more: int, state: object) -> Iterator[None]:
        yield

    for step in (generator, async_generator, staticmethod(partial(lone_generator, 1))):
        with pytest.raises(StoryDefinitionError, match="is a generator function: calling it runs nothing of its body"):
            define(step)


# What may supply a name


def test_a_hand_written_method_may_supply_any_name() -> None:
    def __init__(self: Any) -> None:
        self.charge = alone

    def __new__(cls: Any) -> Any:
        made = object.__new__(cls)
        made.charge = alone
        return made

    def __getattr__(self: object, name: str) -> object:
        return alone

    def __getattribute__(self: object, name: str) -> object:
        return alone if name == "charge" else object.__getattribute__(self, name)

    for method in (__init__, __new__, __getattr__, __getattribute__):

        class Mixin:
            locals()[method.__name__] = method

        class OfMixin(Story, Mixin):
            listed(I, "charge")

        class OfItself(Story):
            listed(I, "charge")
            locals()[method.__name__] = method

        class OfParent(OfItself):
            pass

        for story in (OfMixin, OfItself, OfParent):
            story()(None)


def test_a_class_made_by_a_call_may_supply_names_by_hand_too() -> None:
    def __init__(self: Any) -> None:
        self.charge = alone

    metaclass: Any = type(Story)
    base = metaclass("Base", (Story,), {"__init__": __init__})

    class Child(base):  # type: ignore[misc, valid-type]  # a base chosen at run time
        listed(I, "charge")

    Child()(None)


def test_post_init_may_supply_any_name() -> None:
    @dataclass
    class Checkout(Story):
        listed(I, "charge")

        def __post_init__(self) -> None:
            self.charge = alone

    @attrs.define(slots=False)
    class Other(Story):
        listed(I, "charge")

        def __attrs_post_init__(self) -> None:
            self.charge = alone

    Checkout()(None)
    Other()(None)


def test_a_hand_written_init_may_replace_a_default_of_the_class() -> None:
    class Checkout(Story):
        I.charge

        charge: Callable[[object], None] = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # set below

        def __init__(self) -> None:
            self.charge = alone

    class Other(Story):
        listed(I, "charge")
        locals()["charge"] = None

        def __init__(self) -> None:
            self.charge = alone

    Checkout()(None)
    Other()(None)


def test_a_slot_supplies_its_own_name() -> None:
    class Checkout(Story):
        __slots__ = ("charge",)
        I.charge

        charge: Callable[[object], None]

    story = Checkout()
    with pytest.raises(StoryDefinitionError, match=r"is declared, but this .*Checkout has no value for it"):
        story(None)
    story.charge = alone
    story(None)


@every_constructor
def test_a_generated_constructor_supplies_only_its_fields(made: Constructor) -> None:
    class Priced(Story):
        price: int

    made_class: Any = made(Priced)
    if made is by_hand:
        return

    with pytest.raises(StoryDefinitionError, match='did you mean "price"'):

        class Child(made_class):  # type: ignore[misc]  # a base chosen at run time
            listed(I, "prce")


@pytest.mark.parametrize(
    "decorator",
    [dataclass, dataclass(slots=True), attrs.define, attrs.define(slots=False), pydantic.dataclasses.dataclass],
)
def test_a_generated_constructor_of_a_mixin_supplies_only_its_fields(decorator: Any) -> None:
    class Priced:
        price: int

    mixin: Any = decorator(Priced)

    with pytest.raises(StoryDefinitionError, match="names no step"):

        class Checkout(Story, mixin):  # type: ignore[misc]  # a base chosen at run time
            listed(I, "shpi")


# What only an instance shows: rejected before the first step


class Recording(Story):
    def reserve(self, state: list[str]) -> None:
        state.append("reserve")


@every_constructor
@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "is no callable"),
        (Takes, "is the class Takes"),
        (two, r"is charge\(state, more\), which cannot be called"),
    ],
)
def test_a_field_is_validated_before_the_first_step(made: Constructor, value: object, what: str) -> None:
    class Checkout(Recording):
        I.reserve
        I.charge

        charge: Any

    state: list[str] = []
    with pytest.raises(StoryDefinitionError, match=f"Checkout: I.charge {what}"):
        made(Checkout)(value)(state)
    assert state == []


def test_a_name_that_is_annotated_with_a_value_is_a_field() -> None:
    @dataclass
    class Checkout(Recording):
        I.reserve
        listed(I, "charge")

        charge: Callable[[list[str]], None] | None = None

    state: list[str] = []
    with pytest.raises(StoryDefinitionError, match="is no callable"):
        Checkout()(state)
    assert state == []
    Checkout(alone)(state)
    assert state == ["reserve"]


def test_a_field_without_a_value_is_refused_before_the_first_step() -> None:
    class Checkout(Recording):
        I.reserve
        I.charge

        charge: Callable[[list[str]], None]

    state: list[str] = []
    with pytest.raises(StoryDefinitionError, match=r"is declared, but this .* has no value for it") as caught:
        Checkout()(state)
    assert isinstance(caught.value.__cause__, AttributeError)
    assert state == []


def test_what_a_hand_written_init_did_not_supply_is_refused_before_the_first_step() -> None:
    class Checkout(Recording):
        I.reserve
        listed(I, "charge")

        def __init__(self) -> None: ...

    state: list[str] = []
    with pytest.raises(StoryDefinitionError, match=r"I\.charge names no step"):
        Checkout()(state)
    assert state == []


def test_a_property_that_raises_is_heard() -> None:
    class Checkout(Recording):
        I.reserve
        I.charge

        @property
        def charge(self) -> Callable[[list[str]], None]:
            raise LookupError("no gateway today")

    state: list[str] = []
    with pytest.raises(LookupError, match="no gateway today"):
        Checkout()(state)
    assert state == []


def test_s15_a_story_without_steps_is_refused_when_it_is_called() -> None:
    class House(Story):
        pass

    with pytest.raises(StoryDefinitionError, match="House lists no steps, so calling it would do nothing") as caught:
        House()(None)
    assert (caught.value.story, caught.value.step) == ("House", None)
    with pytest.raises(StoryDefinitionError, match="Story lists no steps"):
        Story()(None)


def test_a_nested_story_without_steps_is_refused_before_the_first_step_of_the_outer_one() -> None:
    class House(Story):
        pass

    @dataclass
    class Outer(Recording):
        I.reserve
        I.inner

        inner: House

    state: list[str] = []
    with pytest.raises(StoryDefinitionError, match="House lists no steps"):
        Outer(House())(state)
    assert state == []


def test_a_story_that_reaches_itself_is_refused_before_the_first_step() -> None:
    @dataclass
    class Outer(Recording):
        I.reserve
        I.inner

        inner: Any = None

    @dataclass
    class Between(Story):
        I.outer

        outer: Outer

    loop = Outer()
    loop.inner = Between(loop)
    state: list[str] = []
    with pytest.raises(
        StoryDefinitionError, match=r"steps: .*Outer -> I\.inner -> .*Between -> I\.outer -> .*Outer; give one of"
    ):
        loop(state)

    loop.inner = loop
    with pytest.raises(StoryDefinitionError, match="reaches itself"):
        loop(state)

    loop.inner = loop.__call__
    with pytest.raises(StoryDefinitionError, match="reaches itself"):
        loop(state)
    assert state == []


def test_one_story_may_be_nested_twice() -> None:
    class Once(Recording):
        I.reserve

    @dataclass
    class Twice(Story):
        I.first
        I.second

        first: Story
        second: Story

    once = Once()
    state: list[str] = []
    Twice(once, Twice(once, once))(state)
    assert state == ["reserve"] * 3


def test_a_story_that_an_injected_step_makes_async_is_refused_when_it_is_called_not_when_it_is_awaited() -> None:
    @dataclass
    class Checkout(Story):
        I.reserve
        I.charge

        reserve: Callable[[object], Awaitable[None]]
        charge: Callable[[object], None] = field(init=False)

    async def reserve(state: object) -> None:
        await asyncio.sleep(0)

    call: Callable[[object], object] = Checkout(reserve)
    with pytest.raises(StoryDefinitionError):
        call(None)
