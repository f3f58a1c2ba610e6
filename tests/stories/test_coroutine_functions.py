"""Where a class shows an async step, its `__call__` is a coroutine function, for those who ask `inspect`."""

from __future__ import annotations

import asyncio
import inspect
import sys
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, get_type_hints
from unittest.mock import AsyncMock, Mock, patch

import pytest

from dddkit._awaitables import FINISHED
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories import I, Story, inject_hooks
from tests.stories.constructors import Constructor, every_constructor
from tests.stories.recording import Recorder
from tests.stories.shop import Mode, both_modes


def is_coroutine_function(story: Any) -> bool:
    """Ask in the ways that frameworks do; all have to agree."""
    answers = {
        inspect.iscoroutinefunction(story.__call__),
        inspect.iscoroutinefunction(type(story).__call__),
        inspect.iscoroutinefunction(partial(story.__call__)),
    }
    if sys.version_info < (3, 14):
        answers |= {asyncio.iscoroutinefunction(story.__call__), asyncio.iscoroutinefunction(type(story).__call__)}
    [answer] = answers
    return answer


def run(story: Any) -> list[str]:
    """Run a story as Starlette runs a background task, which takes the answer for true."""
    state: list[str] = []
    if is_coroutine_function(story):
        called = story.__call__(state)
        assert asyncio.iscoroutine(called)
        asyncio.run(called)
    else:
        assert story.__call__(state) is FINISHED
    return state


def note(state: list[str]) -> None:
    state.append("charge")


async def anote(state: list[str]) -> None:
    await asyncio.sleep(0)
    state.append("charge")


def charge(self: object, state: list[str]) -> None:
    note(state)


async def acharge(self: object, state: list[str]) -> None:
    await anote(state)


class Waiting:
    async def __call__(self, state: list[str]) -> None:
        await anote(state)


class AsyncCharging:
    async def charge(self, state: list[str]) -> None:
        await anote(state)


class Sale(Story):
    I.reserve
    I.charge

    def reserve(self, state: list[str]) -> None:
        state.append("reserve")

    def charge(self, state: list[str]) -> None:
        state.append("charge")


class AsyncSale(Sale):
    async def charge(self, state: list[str]) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        await anote(state)


class Charge(Story):
    I.charge

    async def charge(self, state: list[str]) -> None:
        await anote(state)


def sale(mode: Mode) -> Any:
    """Return a new class, which has not run yet."""
    base: Any = Sale if mode == "sync" else AsyncSale
    return type(base)("Child", (base,), {})


def with_charge(charge: object) -> Any:
    base: Any = Sale
    return type(base)("Child", (base,), {"charge": charge})


@both_modes
@every_constructor
def test_fb2_from_the_class_statement_on_and_after_runs(made: Constructor, mode: Mode) -> None:
    story = made(sale(mode))()
    for _ in range(3):
        assert is_coroutine_function(story) == (mode == "async")
        assert run(story) == ["reserve", "charge"]


@both_modes
def test_fb2_before_and_after_hooks_come_and_go(mode: Mode) -> None:
    child = sale(mode)
    story = child()
    for _ in range(2):
        with inject_hooks(child):
            assert is_coroutine_function(story) == (mode == "async")
            assert run(story) == ["reserve", "charge"]
            assert is_coroutine_function(story) == (mode == "async")
        with inject_hooks(Sale, [Recorder("all", [])]):
            assert is_coroutine_function(story) == (mode == "async")
            assert run(story) == ["reserve", "charge"]
        assert is_coroutine_function(story) == (mode == "async")
        assert run(story) == ["reserve", "charge"]


ASYNC_STEPS: dict[str, Any] = {
    "static method": staticmethod(anote),
    "class method": classmethod(acharge),
    "partial": staticmethod(partial(anote)),
    "object": Waiting(),
    "mock": AsyncMock(side_effect=anote),
    "story": Charge(),
    "partial of a story": staticmethod(partial(partial(Charge()))),
    "call of a story": Charge().__call__,
    "static story": staticmethod(partial(Charge())),
    "method of another object": AsyncCharging().charge,
}


@pytest.mark.parametrize("charge", ASYNC_STEPS.values(), ids=ASYNC_STEPS)
def test_fb2_with_every_kind_of_async_step_that_the_class_shows(charge: object) -> None:
    story = with_charge(charge)()
    assert is_coroutine_function(story)
    assert run(story) == ["reserve", "charge"]
    assert is_coroutine_function(story)


def test_fb2_with_an_async_step_of_a_mixin() -> None:
    base: Any = Sale
    story = type(base)("Mixed", (AsyncCharging, base), {})()
    assert is_coroutine_function(story)
    assert run(story) == ["reserve", "charge"]
    with patch.object(AsyncCharging, "charge", charge):  # which the story cannot notice
        assert run(story) == ["reserve", "charge"]
    assert run(story) == ["reserve", "charge"]


@pytest.mark.parametrize("charge", [note, anote, Waiting(), Charge()], ids=["sync", "async", "object", "story"])
def test_fb2_an_injected_step_is_not_shown_by_the_class(charge: Any) -> None:
    @dataclass
    class Injected(Story):
        I.charge

        charge: Any

    story = Injected(charge)
    assert not is_coroutine_function(story)
    state: list[str] = []
    called = story(state)
    assert (called is FINISHED) == (charge is note)
    if called is not FINISHED:
        asyncio.run(called)
    assert state == ["charge"]
    assert not is_coroutine_function(story)


@both_modes
def test_fb2_an_injected_step_beside_one_that_the_class_shows(mode: Mode) -> None:
    @dataclass
    class Injected(AsyncSale):
        I.reserve
        I.charge
        I.ship

        ship: Any

    story = Injected(note if mode == "sync" else anote)
    for _ in range(2):
        assert is_coroutine_function(story)
        assert run(story) == ["reserve", "charge", "charge"]


def test_fb2_an_abstract_step_counts_by_its_definition_until_a_child_defines_another() -> None:
    class Abstract(Story):
        I.charge

        @abstractmethod
        async def charge(self, state: list[str]) -> None: ...

    class Concrete(Abstract):
        def charge(self, state: list[str]) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            note(state)

    class AsyncConcrete(Abstract):
        async def charge(self, state: list[str]) -> None:
            await anote(state)

    assert inspect.iscoroutinefunction(Abstract.__call__)
    assert run(Concrete()) == ["charge"]
    assert run(AsyncConcrete()) == ["charge"]
    assert is_coroutine_function(AsyncConcrete())
    assert not is_coroutine_function(Concrete())


def test_fb2_a_child_answers_for_its_own_steps() -> None:
    class Short(AsyncSale):
        I.reserve

    assert not is_coroutine_function(Short())
    assert run(Short()) == ["reserve"]
    assert is_coroutine_function(AsyncSale())


@pytest.mark.parametrize("has_run", [False, True])
def test_fb2_patching_a_step_changes_the_answer(has_run: bool) -> None:
    class Parent(Sale):
        pass

    class Child(Parent):
        pass

    def both() -> list[bool]:
        answers = [is_coroutine_function(Child()), is_coroutine_function(Parent())]
        if has_run:
            assert run(Child()) == run(Parent()) == ["reserve", "charge"]
            assert answers == [is_coroutine_function(Child()), is_coroutine_function(Parent())]
        return answers

    assert both() == [False, False]
    with patch.object(Parent, "charge", acharge):
        assert both() == [True, True]
        with patch.object(Child, "charge", charge):
            assert both() == [False, True]
        assert both() == [True, True]
    assert both() == [False, False]
    with patch.object(Child, "charge", AsyncMock(side_effect=anote)):
        assert both() == [True, False]
    with patch.object(Child, "charge", Mock(side_effect=note)):
        assert both() == [False, False]


@both_modes
def test_fb2_a_handwritten_call_answers_for_itself(mode: Mode) -> None:
    class Blocking(AsyncSale):
        def __call__(self, state: Any, /) -> None:
            asyncio.run(super().__call__(state))

    class Awaiting(Sale):
        async def __call__(self, state: Any, /) -> None:
            called: Any = super().__call__(state)
            await called

    assert not is_coroutine_function(Blocking())
    assert is_coroutine_function(Awaiting())
    state: list[str] = []
    Blocking()(state)
    asyncio.run(Awaiting()(state))
    assert state == ["reserve", "charge"] * 2
    story = sale(mode)()
    with patch.object(type(story), "__call__", Awaiting.__call__):
        assert is_coroutine_function(story)
    assert is_coroutine_function(story) == (mode == "async")
    assert run(story) == ["reserve", "charge"]


def described(story: Any) -> tuple[object, ...]:
    call = type(story).__call__
    return (
        inspect.signature(call),
        inspect.signature(story),
        inspect.signature(story.__call__),
        call.__doc__,
        inspect.getdoc(call),
        get_type_hints(call),
        call.__annotations__,
        call.__name__,
    )


@both_modes
def test_fb2_signature_annotations_and_docstring_of_the_call_stay(mode: Mode) -> None:
    first = described(Sale())
    assert str(first[1]).startswith("(state: ")
    assert first[5] == {"state": Any, "return": Any}
    assert first[3] is not None
    story = sale(mode)()
    assert described(story) == first
    run(story)
    assert described(story) == first
    with inject_hooks(story.__class__):
        assert described(story) == first
        run(story)
        assert described(story) == first
    run(story)
    assert described(story) == first


def test_fb2_a_definition_error_comes_at_the_call_or_below_python_3_12_at_the_await() -> None:
    @dataclass
    class Injected(AsyncSale):
        I.charge
        I.ship

        ship: Any

    story = Injected(3)
    if sys.version_info >= (3, 12):
        with pytest.raises(StoryDefinitionError, match="is no callable"):
            story([])
    else:
        called = story([])
        with pytest.raises(StoryDefinitionError, match="is no callable"):
            asyncio.run(called)


@pytest.mark.parametrize("has_run", [False, True])
def test_fb2_the_warning_of_a_forgotten_await_names_the_story(has_run: bool) -> None:
    story = sale("async")()
    if has_run:
        run(story)
    called = story([])
    assert called.__qualname__ == "Child.__call__"
    called.close()


def test_fb2_a_property_is_not_read_at_the_class_statement() -> None:
    class Making(Story):
        I.charge

        @property
        def charge(self) -> Callable[[list[str]], object]:
            raise AssertionError

    class Holding(Story):
        I.charge

        charge = Making()

    assert not is_coroutine_function(Holding())
