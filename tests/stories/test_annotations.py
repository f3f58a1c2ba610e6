"""Annotations that are objects, not strings: this module omits the `__future__` import on purpose."""

import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import pytest
import typing_extensions

from dddkit.exceptions import StoryStateError
from dddkit.stories import I, Story, StoryState, steps, variable
from tests.stories.constructors import Constructor, every_constructor

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import ClassVar as OnlyForCheckers


def loosely(value: Any) -> Any:
    """Return the value as Any, so that checkers do not report what a test does on purpose."""
    return value


def test_fs2_class_variables_are_no_fields_and_final_names_are() -> None:
    class State(StoryState):
        shared: ClassVar[list[str]] = []
        bare: typing.ClassVar = 1
        LIMIT: Final = 3
        TYPED: typing_extensions.Final[int] = 4
        quoted: "ClassVar[Decimal]" = loosely(5)
        required: Final[int]
        annotated: Annotated["Final[int]", "given once"] = 5  # type: ignore[valid-type]
        constant: Annotated["ClassVar[int]", "shared"] = 6  # type: ignore[valid-type]
        order_id: int
        price: "Decimal" = loosely(6)
        payment: "Decimal | None" = variable()

    state = loosely(State)(order_id=1, required=2)
    assert repr(state) == "State(LIMIT=3, TYPED=4, required=2, annotated=5, order_id=1, price=6)"
    for name in ("LIMIT", "TYPED", "required", "annotated"):
        with pytest.raises(StoryStateError, match=f"{name} is Final"):
            setattr(state, name, 0)
    assert state.shared is State.shared
    assert not hasattr(state, "payment")


def test_the_state_of_a_child_extends_that_of_its_parent() -> None:
    class Parent(StoryState):
        order_id: int

    class Child(Parent):
        courier: str = "bike"

    assert repr(Child(order_id=1)) == "Child(order_id=1, courier='bike')"


@every_constructor
def test_an_annotated_name_is_a_field(made: Constructor) -> None:
    class Priced(Story):
        I.note

        note: Callable[[list[str]], None]

    def note(state: list[str]) -> None:
        state.append("note")

    state: list[str] = []
    made(Priced)(note)(state)
    assert state == ["note"]


@every_constructor
def test_steps_may_be_annotated_in_quotes(made: Constructor) -> None:
    class Looked(Story):
        I: ClassVar["Looked"] = steps()
        I.reserve

        def reserve(self, state: list[str]) -> None:
            state.append("found")

    state: list[str] = []
    made(Looked)()(state)
    assert state == ["found"]


def test_a_namespace_is_silent_about_what_is_meant_to_be_shared() -> None:
    class Cart(Story):  # type: ignore[dddkit-empty-story]  # only its State is tested
        class State(SimpleNamespace):
            known: ClassVar[list[str]] = []
            fixed: Final = {"a": 1}

    assert Cart.State.known == []


@pytest.mark.skipif(sys.version_info < (3, 14), reason="earlier ones evaluate annotations at once")
def test_names_that_only_checkers_import_need_no_quotes() -> None:
    class State(StoryState):
        hidden: OnlyForCheckers[int] = 5
        shared: ClassVar[Decimal] = loosely(1)
        price: Decimal = loosely(2)

    @dataclass(slots=True)
    class Priced(Story):
        I.note

        note: Callable[[Decimal], None]

    assert repr(loosely(State)()) == "State(hidden=5, price=2)"
    seen: list[Decimal] = []
    Priced(seen.append)(loosely(3))
    assert seen == [3]
