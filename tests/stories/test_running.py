"""How a story runs: order, sync or async, nesting, errors."""

from __future__ import annotations

import asyncio
import functools
import gc
import pickle
import traceback
import types
import warnings
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any
from unittest.mock import AsyncMock

import pytest

from dddkit._awaitables import FINISHED
from dddkit.stories import I, Story
from tests.stories.constructors import Constructor, every_constructor
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, listed, perform


class Shipping(Story):
    I.pack
    I.send

    def pack(self, state: Notes) -> None:
        state.take("pack")

    async def send(self, state: Notes) -> None:
        await asyncio.sleep(0)
        state.take("send")


class Packing(Story):
    I.pack

    def pack(self, state: Notes) -> None:
        state.take("pack")


async def send(state: Notes) -> None:
    await asyncio.sleep(0)
    state.take("send")


class Sender:
    async def __call__(self, state: Notes) -> None:
        await send(state)

    async def send(self, state: Notes) -> None:
        await send(state)


# The same story in both modes


@both_modes
def test_steps_run_in_order(mode: Mode) -> None:
    state = Notes()
    perform(checkout(mode), state)
    assert state.log == ["reserve", "charge", "ship"]


@both_modes
def test_the_state_is_passed_on_as_it_is(mode: Mode) -> None:
    @dataclass
    class Seeing(Story):
        I.see

        see: Callable[[object], Any]

    @dataclass
    class State:
        total: int = 0

    async def async_see(state: object) -> None:
        seen.append(state)

    seen: list[object] = []
    states: list[object] = [None, {}, [], State(), object(), 0]
    for state in states:
        perform(Seeing(seen.append if mode == "sync" else async_see), state)

    assert all(one is other for one, other in zip(seen, states, strict=True))


@both_modes
def test_an_error_propagates_unchanged_and_stops_the_story(mode: Mode) -> None:
    error = Declined("card")
    state = Notes(charge=error)

    with pytest.raises(Declined) as caught:
        perform(checkout(mode), state)

    assert caught.value is error
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert state.log == ["reserve", "charge"]


def test_what_a_step_returns_counts_for_nothing() -> None:
    def number(state: Notes) -> int:
        state.take("number")
        return 42

    async def text(state: Notes) -> str:
        state.take("text")
        return "done"

    @dataclass
    class Returning(Story):
        I.first
        I.second

        first: Callable[[Notes], Any]
        second: Callable[[Notes], Any]

    state = Notes()
    perform(Returning(number, number), state)
    perform(Returning(number, text), state)
    assert state.log == ["number"] * 3 + ["text"]


# Sync


def test_a_sync_story_runs_when_it_is_called_and_gives_finished() -> None:
    state = Notes()

    assert checkout("sync")()(state) is FINISHED
    assert state.log == ["reserve", "charge", "ship"]


def test_s6_a_sync_story_in_a_running_loop_runs_when_it_is_called_and_can_be_awaited() -> None:
    async def main() -> None:
        state = Notes()
        called = checkout("sync")()(state)
        assert state.log == ["reserve", "charge", "ship"]
        assert await called is None

    asyncio.run(main())


def test_finished_is_one_object_that_says_so() -> None:
    assert repr(FINISHED) == "FINISHED"
    assert pickle.loads(pickle.dumps(FINISHED)) is FINISHED

    async def twice() -> list[None]:
        return [await FINISHED, await FINISHED]

    assert asyncio.run(twice()) == [None, None]


def test_stop_iteration_of_a_step_reaches_the_caller_of_a_sync_story() -> None:
    with pytest.raises(StopIteration, match="no more"):
        checkout("sync")()(Notes(charge=StopIteration("no more")))


def test_a_sync_step_may_return_finished() -> None:
    class Outer(Story):
        listed(I, "inner")

        def inner(self, state: Notes) -> object:
            return Packing()(state)

    state = Notes()
    assert Outer()(state) is FINISHED
    assert state.log == ["pack"]


class Cancellable:
    """An awaitable that is neither a coroutine nor a future."""

    def __init__(self) -> None:
        self.cancelled = False

    def __await__(self) -> Generator[Any, Any, None]:
        yield from ()

    def cancel(self) -> None:
        self.cancelled = True


class Bare:
    def __await__(self) -> Generator[Any, Any, None]:
        yield from ()


@types.coroutine
def old_style(state: Notes) -> Generator[Any, Any, None]:
    yield from ()
    state.take("old style")


def test_an_awaitable_from_a_step_of_a_sync_story_is_closed_and_refused() -> None:
    cancellable = Cancellable()
    returned: list[Callable[[Notes], Any]] = [send, lambda state: cancellable, lambda state: Bare(), old_style]

    @dataclass
    class Hiding(Packing):
        listed(I, "pack", "charge", "ship")

        call: Callable[[Notes], Any]

        def charge(self, state: Notes) -> object:
            return self.call(state)

        def ship(self, state: Notes) -> None:
            state.take("ship")

    for call in returned:
        state = Notes()
        with pytest.raises(TypeError) as caught:
            Hiding(call)(state)

        assert "Hiding: step charge returned an awaitable (" in str(caught.value)
        assert str(caught.value).endswith(
            "none of its steps is declared async; write `async def charge(self, state)`, await that in it, and await "
            "the story"
        )
        assert state.log == ["pack"]
    assert cancellable.cancelled


def test_a_refused_coroutine_is_closed() -> None:
    coroutine: Any = send(Notes())

    class Hiding(Story):
        listed(I, "charge")

        def charge(self, state: object) -> object:
            return coroutine

    with pytest.raises(TypeError):
        Hiding()(None)
    assert coroutine.cr_frame is None


# Async


def test_s5_an_async_story_without_a_loop_runs_nothing_before_it_is_awaited() -> None:
    state = Notes()
    coroutine = checkout("async")()(state)

    assert asyncio.iscoroutine(coroutine)
    assert state.log == []
    asyncio.run(coroutine)
    assert state.log == ["reserve", "charge", "ship"]


@both_modes
def test_a_missing_await_is_a_warning_that_names_the_story(mode: Mode) -> None:
    story = checkout("async")
    if mode == "async":  # with hooks
        story.register_hook("before", print)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        story()(Notes())
        gc.collect()

    [only] = warned
    assert "AsyncCheckout.__call__' was never awaited" in str(only.message)


def test_an_async_story_awaits_every_awaitable_a_step_returns() -> None:
    class Mixed(Story):
        I.send
        listed(I, "hiding", "nothing", "finished", "old_style")

        async def send(self, state: Notes) -> None:
            await send(state)

        def hiding(self, state: Notes) -> Awaitable[None]:
            return send(state)

        def nothing(self, state: Notes) -> None:
            state.take("nothing")

        def finished(self, state: Notes) -> Any:
            return Packing()(state)

        old_style = staticmethod(old_style)

    state = Notes()
    perform(Mixed, state)
    assert state.log == ["send", "send", "nothing", "pack", "old style"]


@pytest.mark.parametrize(
    "step",
    [send, functools.partial(send), Sender().send, old_style],
    ids=["function", "partial", "bound method", "types.coroutine"],
)
@every_constructor
def test_s4_an_injected_async_callable_is_awaited(made: Constructor, step: Any) -> None:
    class Outer(Story):
        I.step

        step: Callable[[Notes], Any]

    state = Notes()
    coroutine = made(Outer)(step)(state)
    assert asyncio.iscoroutine(coroutine)
    asyncio.run(coroutine)
    assert state.log in (["send"], ["old style"])


@every_constructor
def test_s16_an_object_with_an_async_call_is_awaited(made: Constructor) -> None:
    class Outer(Story):
        I.step

        step: Any

    state = Notes()
    asyncio.run(made(Outer)(Sender())(state))
    assert state.log == ["send"]


@every_constructor
def test_an_async_mock_is_awaited(made: Constructor) -> None:
    class Outer(Story):
        I.step

        step: Any

    step = AsyncMock()
    state = Notes()
    asyncio.run(made(Outer)(step)(state))
    step.assert_awaited_once_with(state)


@every_constructor
def test_s4_a_nested_async_story_is_awaited(made: Constructor) -> None:
    class Outer(Story):
        I.shipping
        I.done

        shipping: Story

        def done(self, state: Notes) -> None:
            state.take("done")

    state = Notes()
    coroutine = made(Outer)(Shipping())(state)
    assert asyncio.iscoroutine(coroutine)
    asyncio.run(coroutine)
    assert state.log == ["pack", "send", "done"]


def test_the_instance_decides_whether_a_story_is_sync_or_async() -> None:
    @dataclass
    class Outer(Story):
        I.inner

        inner: Callable[[Notes], Any]

    state = Notes()
    assert Outer(Packing())(state) is FINISHED
    assert Outer(Outer(Packing()))(state) is FINISHED
    for inner in (Shipping(), Outer(Shipping()), Shipping().__call__, send):
        assert not isinstance(Outer(inner), Awaitable)
        perform(Outer(inner), state)
    assert state.log == ["pack"] * 2 + ["pack", "send"] * 3 + ["send"]


def test_an_async_method_decides_for_children_too_and_an_override_may_change_it() -> None:
    class Child(Shipping):
        pass

    class Sync(Shipping):
        def send(self, state: Notes) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point
            state.take("sync send")

    state = Notes()
    asyncio.run(Child()(state))
    assert Sync()(state) is FINISHED
    assert state.log == ["pack", "send", "pack", "sync send"]


def test_async_static_and_class_methods_and_class_level_callables_are_awaited() -> None:
    class Outer(Story):
        listed(I, "static", "of_class", "sender", "nested")

        @staticmethod
        async def static(state: Notes) -> None:
            state.take("static")

        @classmethod
        async def of_class(cls, state: Notes) -> None:
            state.take(cls.__name__)

        sender = Sender()
        nested = Shipping()

    for name, expected in [
        ("static", ["static"]),
        ("of_class", ["Only"]),
        ("sender", ["send"]),
        ("nested", ["pack", "send"]),
    ]:

        class Only(Outer):
            listed(I, name)

        state = Notes()
        asyncio.run(Only()(state))
        assert state.log == expected


def test_a_story_may_have_its_own_call() -> None:
    class Timed(Story):
        I.pack

        def pack(self, state: Notes) -> None:
            state.take("pack")

        async def __call__(self, state: Notes, /) -> None:
            state.take("before")
            super().__call__(state)

    @dataclass
    class Outer(Story):
        I.inner

        inner: Timed

    state = Notes()
    asyncio.run(Outer(Timed())(state))
    assert state.log == ["before", "pack"]


def test_stop_iteration_in_an_async_story_is_what_python_makes_of_it() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(checkout("async")()(Notes(charge=StopIteration())))


# Tracebacks


@both_modes
def test_the_traceback_of_an_error_shows_the_line_of_the_step(mode: Mode) -> None:
    with pytest.raises(Declined) as caught:
        perform(checkout(mode), Notes(charge=Declined()))

    assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][-2:] == ["charge", "take"]
