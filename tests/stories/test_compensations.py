"""Declaring what undoes a step, and what is rejected of it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

import pytest

from dddkit.exceptions import StoryDefinitionError
from dddkit.stories import I, Story, compensates
from tests.stories.shop import Declined, Notes, finish


def ran(story: Any, **errors: BaseException) -> list[str]:
    """Run a story object to its end; return what ran."""
    state = Notes(**errors)
    with suppress(Declined):
        finish(story(state))
    return state.log


class Base(Story):
    I.reserve
    I.charge
    I.ship

    def reserve(self, state: Notes) -> None:
        state.take("reserve")

    @compensates(reserve)
    def release(self, state: Notes) -> None:
        state.take("release")

    def charge(self, state: Notes) -> None:
        state.take("charge")

    @compensates("charge")
    def refund(self, state: Notes) -> None:
        state.take("refund")

    def ship(self, state: Notes) -> None:
        state.take("ship")


def test_a_compensation_is_a_plain_method_that_can_be_called() -> None:
    state = Notes()
    Base().release(state)
    assert state.log == ["release"]
    assert "compensate" not in "".join(vars(Base.release))


def test_a_child_inherits_overrides_and_replaces() -> None:
    class Overriding(Base):
        def refund(self, state: Notes) -> None:
            state.take("refunded by the child")

    class Replacing(Base):
        @compensates("charge")
        def give_back(self, state: Notes) -> None:
            state.take("give back")

    assert ran(Overriding(), ship=Declined()) == ["reserve", "charge", "ship", "refunded by the child", "release"]
    assert ran(Replacing(), ship=Declined()) == ["reserve", "charge", "ship", "give back", "release"]
    assert ran(Base(), ship=Declined()) == ["reserve", "charge", "ship", "refund", "release"]


def test_the_compensation_of_a_step_that_the_child_does_not_list_is_dropped() -> None:
    class Short(Base):
        I.reserve
        I.ship

    assert ran(Short(), ship=Declined()) == ["reserve", "ship", "release"]


def test_a_mixin_that_is_no_story_brings_steps_with_their_compensations() -> None:
    class Charging:
        def charge(self, state: Notes) -> None:
            state.take("charge")

        @compensates(charge)
        def refund(self, state: Notes) -> None:
            state.take("refund")

    @dataclass(frozen=True, slots=True)
    class Mixed(Charging, Story):
        I.charge
        I.ship

        def ship(self, state: Notes) -> None:
            state.take("ship")

    assert ran(Mixed(), ship=Declined()) == ["charge", "ship", "refund"]


def test_a_function_with_several_names_is_the_step_that_is_listed() -> None:
    class Mixin:
        def _reserve(self, state: Notes) -> None:
            state.take("reserve")

        reserve = _reserve

        @compensates(reserve)
        def release(self, state: Notes) -> None:
            state.take("release")

    class Shop(Mixin, Story):
        I.reserve
        I.charge
        I.ship

        def _charge(self, state: Notes) -> None:
            state.take("charge")

        take_money, charge = _charge, _charge

        @compensates(charge)
        def refund(self, state: Notes) -> None:
            state.take("refund")

        def ship(self, state: Notes) -> None:
            state.take("ship")

    assert ran(Shop(), ship=Declined()) == ["reserve", "charge", "ship", "refund", "release"]


def test_a_dataclass_with_slots_which_is_made_twice_keeps_its_compensations() -> None:
    @dataclass(frozen=True, slots=True)
    class Charge(Story):
        I.charge
        I.ship

        prefix: str

        def charge(self, state: Notes) -> None:
            state.take("charge")

        @compensates(charge)
        def refund(self, state: Notes) -> None:
            state.take(f"{self.prefix} refund")

        def ship(self, state: Notes) -> None:
            state.take("ship")

    assert ran(Charge("my"), ship=Declined()) == ["charge", "ship", "my refund"]


def test_a_step_that_is_listed_twice_is_undone_once_per_completion() -> None:
    class Twice(Base):
        I.charge
        I.reserve
        I.charge
        I.ship

    assert ran(Twice(), ship=Declined())[4:] == ["refund", "release", "refund"]


def test_a_story_is_async_when_a_compensation_is() -> None:
    class Async(Base):
        async def refund(self, state: Notes) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            await asyncio.sleep(0)
            state.take("refund")

    assert iscoroutinefunction(Async.__call__)
    assert ran(Async(), ship=Declined()) == ["reserve", "charge", "ship", "refund", "release"]

    class Patched(Base):
        pass

    Patched.refund = Async.refund  # type: ignore[assignment,method-assign]  # pyright: ignore[reportAttributeAccessIssue]
    assert iscoroutinefunction(Patched.__call__)
    assert ran(Patched(), ship=Declined()) == ["reserve", "charge", "ship", "refund", "release"]


def test_the_own_compensation_of_a_step_that_is_a_story_runs_instead_of_those_inside() -> None:
    @dataclass(frozen=True)
    class Outer(Story):
        I.inner
        I.end

        inner: Base

        def end(self, state: Notes) -> None:
            state.take("end")

    class Own(Outer):
        @compensates("inner")
        def undo_inner(self, state: Notes) -> None:
            state.take("undo inner")

    assert ran(Outer(Base()), end=Declined()) == ["reserve", "charge", "ship", "end", "refund", "release"]
    assert ran(Own(Base()), end=Declined()) == ["reserve", "charge", "ship", "end", "undo inner"]


def test_a_partial_and_a_story_with_its_own_call_are_opaque() -> None:
    class OwnCall(Base):
        def __call__(self, state: Any, /) -> Any:
            return super().__call__(state)

    @dataclass(frozen=True)
    class Outer(Story):
        I.inner
        I.end

        inner: Callable[[Notes], object]

        def end(self, state: Notes) -> None:
            state.take("end")

    for opaque in (OwnCall(), partial(Base())):
        assert ran(Outer(opaque), end=Declined()) == ["reserve", "charge", "ship", "end"]
        assert ran(Outer(opaque), ship=Declined()) == ["reserve", "charge", "ship", "refund", "release"]


def test_even_if_failed_undoes_the_step_that_was_stopped() -> None:
    class Ambiguous(Base):
        @compensates("charge", even_if_failed=True)
        def refund(self, state: Notes) -> None:
            state.take("refund")

    assert ran(Ambiguous(), charge=Declined()) == ["reserve", "charge", "refund", "release"]
    assert ran(Ambiguous(), reserve=Declined()) == ["reserve"]


# What is rejected


def message(caught: pytest.ExceptionInfo[BaseException]) -> str:
    return str(caught.value).rpartition("<locals>.")[2]


def hide(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def hidden(*arguments: Any) -> Any:
        return function(*arguments)

    return hidden


def hide_plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: function(*arguments)


@pytest.mark.parametrize("hiding", [hide, hide_plainly, staticmethod, classmethod, property, partial])
def test_a_compensation_below_another_decorator_is_rejected(hiding: Any) -> None:
    with pytest.raises(StoryDefinitionError) as caught:

        class Hidden(Base):  # pyright: ignore[reportUnusedClass]
            @hiding  # type: ignore[untyped-decorator]
            @compensates("charge")
            def give_back(self, state: Notes) -> None: ...

    assert message(caught) == (
        "Hidden: @compensates stands below another decorator of give_back, which hides it; write it above all others"
    )


@pytest.mark.parametrize("hiding", [hide, hide_plainly, staticmethod, classmethod, property, partial])
def test_one_that_a_mixin_hides_is_rejected_by_the_story(hiding: Any) -> None:
    class Charging:
        @hiding  # type: ignore[untyped-decorator]
        @compensates("charge")
        def give_back(self, state: Notes) -> None: ...

    with pytest.raises(StoryDefinitionError) as caught:

        class Mixed(Charging, Base):  # pyright: ignore[reportUnusedClass]
            pass

    assert message(caught) == (
        "Mixed: @compensates stands below another decorator of give_back, which hides it; write it above all others"
    )


def test_an_abstract_compensation_is_marked_below_compensates() -> None:
    with pytest.raises(StoryDefinitionError, match="write it above all others"):

        class Wrong(Base):  # pyright: ignore[reportUnusedClass]
            @abstractmethod
            @compensates("ship")  # type: ignore[dddkit-compensation]
            def call_back(self, state: Notes) -> None: ...

    class Right(Base):
        @compensates("ship")
        @abstractmethod
        def call_back(self, state: Notes) -> None: ...

    with pytest.raises(TypeError, match="abstract"):
        Right()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


def test_a_name_that_is_no_step_is_rejected_with_the_nearest_one() -> None:
    with pytest.raises(StoryDefinitionError) as caught:

        class Misspelt(Base):  # pyright: ignore[reportUnusedClass]
            @compensates("chrge")  # type: ignore[dddkit-compensation]
            def give_back(self, state: Notes) -> None: ...

    assert message(caught) == 'Misspelt: give_back compensates I.chrge, which is no step; did you mean "charge"?'
    with pytest.raises(StoryDefinitionError, match=r"helper compensates I.release.*lists reserve, charge, ship"):

        class OfCompensation(Base):  # pyright: ignore[reportUnusedClass]
            @compensates(Base.release)  # type: ignore[dddkit-compensation]
            def helper(self, state: Notes) -> None: ...


def test_a_function_of_another_class_is_rejected() -> None:
    def other(state: Notes) -> None: ...

    with pytest.raises(StoryDefinitionError, match="which is no step"):

        class Other(Base):  # pyright: ignore[reportUnusedClass]
            @compensates(other)  # type: ignore[dddkit-compensation]
            def give_back(self, state: Notes) -> None: ...


def test_two_compensations_of_one_step_in_one_class_are_rejected() -> None:
    with pytest.raises(StoryDefinitionError) as caught:

        class Two(Base):  # pyright: ignore[reportUnusedClass]
            @compensates("charge")
            def give_back(self, state: Notes) -> None: ...

            @compensates("charge")  # type: ignore[dddkit-compensation]
            def apologise(self, state: Notes) -> None: ...

    assert message(caught) == (
        "Two: apologise compensates I.charge, which give_back compensates already; keep one of them"
    )


def test_a_method_that_compensates_two_steps_is_rejected() -> None:
    with pytest.raises(StoryDefinitionError, match=r"^both compensates more than one step; write a method for each$"):

        class Both(Base):  # pyright: ignore[reportUnusedClass]
            @compensates("charge")  # type: ignore[dddkit-compensation]
            @compensates("ship")
            def both(self, state: Notes) -> None: ...


def test_a_compensation_that_is_listed_as_a_step_is_rejected() -> None:
    with pytest.raises(StoryDefinitionError) as caught:

        class Listed(Base):  # pyright: ignore[reportUnusedClass]
            I.charge
            I.refund  # type: ignore[dddkit-compensation]

    assert message(caught) == (
        "Listed: refund compensates I.charge, and is listed as a step itself; take the line I.refund out"
    )


def test_a_compensation_that_cannot_be_called_with_the_state_is_rejected() -> None:
    with pytest.raises(StoryDefinitionError) as caught:

        class Short(Base):  # pyright: ignore[reportUnusedClass]
            @compensates("charge")
            def give_back(self) -> None: ...  # type: ignore[dddkit-compensation]

    assert message(caught) == (
        "Short: give_back, which compensates I.charge, is give_back(self), which cannot be called with the state "
        "alone; write def give_back(self, state)"
    )


def test_a_compensation_that_names_no_step_is_rejected() -> None:
    with pytest.raises(StoryDefinitionError) as caught:

        class Shop(Story):  # pyright: ignore[reportUnusedClass]
            I.charge

            def charge(self, state: Notes) -> None: ...

            @compensates
            def refund(self, state: Notes) -> None: ...

    assert str(caught.value) == (
        "Shop: @compensates above refund does not say what refund undoes; name the step: @compensates(charge)"
    )
    with pytest.raises((StoryDefinitionError, RuntimeError)) as raised:  # RuntimeError from it: Python below 3.12

        class Mixin:  # pyright: ignore[reportUnusedClass]
            @compensates
            def refund(self, state: Notes) -> None: ...  # type: ignore[misc]  # mypy takes it for a method

    assert "@compensates above refund" in str(raised.value.__cause__ or raised.value)


def test_a_decorator_may_be_kept_under_a_name() -> None:
    class Shop(Base):
        undoes_ship = compensates("ship", even_if_failed=True)

        @undoes_ship
        def call_back(self, state: Notes) -> None:
            state.take("call_back")

    assert ran(Shop(), ship=Declined()) == ["reserve", "charge", "ship", "call_back", "refund", "release"]


def test_what_is_neither_a_step_nor_a_name_is_rejected() -> None:
    with pytest.raises(TypeError, match=r"@compensates takes a step, or its name, not 1: @compensates\(charge\)"):
        compensates(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
