"""Steps that are replaced after the first run, as tests do when they patch."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from unittest.mock import AsyncMock, Mock, create_autospec, patch

import pytest

from dddkit._awaitables import FINISHED
from dddkit.stories import I, StepExecutionInfo, Story, StoryExecutionContext, inject_hooks
from tests.stories.constructors import CONSTRUCTORS, Constructor, every_constructor
from tests.stories.shop import needs_threads


class Charging:
    def charge(self, state: list[str]) -> None:
        state.append("charge")


class Sale(Story):
    I.reserve
    I.charge

    def reserve(self, state: list[str]) -> None:
        state.append("reserve")

    def charge(self, state: list[str]) -> None:
        state.append("charge")


def ran(story: Any) -> list[str]:
    state: list[str] = []
    called = story(state)
    if called is not FINISHED:
        asyncio.run(called)
    return state


@pytest.fixture(params=list(CONSTRUCTORS.values()), ids=list(CONSTRUCTORS))
def story(request: pytest.FixtureRequest) -> Any:
    class Checkout(Sale):
        def charge(self, state: list[str]) -> None:
            super().charge(state)

    story = request.param(Checkout)()
    assert ran(story) == ["reserve", "charge"]
    return story


def fake(self: object, state: list[str]) -> None:
    state.append("fake")


async def async_fake(self: object, state: list[str]) -> None:
    await asyncio.sleep(0)
    state.append("async fake")


def test_a_step_patched_on_the_class_is_run(story: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story.__class__, "charge", fake)
    assert ran(story) == ["reserve", "fake"]
    monkeypatch.undo()
    assert ran(story) == ["reserve", "charge"]


def test_a_step_patched_by_an_async_one_makes_the_story_async(story: Any) -> None:
    with patch.object(type(story), "charge", async_fake):
        coroutine = story([])
        assert asyncio.iscoroutine(coroutine)
        coroutine.close()
        assert ran(story) == ["reserve", "async fake"]
    assert ran(story) == ["reserve", "charge"]


@pytest.mark.parametrize("kind", [Mock, AsyncMock])
def test_a_step_patched_by_a_mock_is_called(story: Any, kind: Any) -> None:
    with patch.object(type(story), "charge", new_callable=kind) as charge:
        assert ran(story) == ["reserve"]
    charge.assert_called_once()
    if kind is AsyncMock:
        charge.assert_awaited_once()


def test_a_step_patched_by_an_autospec_is_called(story: Any) -> None:
    with patch.object(type(story), "charge", autospec=True) as charge:
        assert ran(story) == ["reserve"]
    charge.assert_called_once_with(story, ["reserve"])


def test_a_step_patched_on_the_parent_reaches_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    class Parent(Sale):
        pass

    class Child(Parent):
        pass

    assert ran(Child()) == ["reserve", "charge"]
    monkeypatch.setattr(Sale, "charge", async_fake)
    assert ran(Child()) == ["reserve", "async fake"]
    monkeypatch.undo()
    assert ran(Child()) == ["reserve", "charge"]


def test_a_step_deleted_from_a_child_is_the_parents_again() -> None:
    class Child(Sale):
        async def charge(self, state: list[str]) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point
            state.append("child")

    assert ran(Child()) == ["reserve", "child"]
    del Child.charge
    assert ran(Child()) == ["reserve", "charge"]


@every_constructor
def test_a_step_patched_on_a_mixin_is_run(made: Constructor, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mixed(Story, Charging):
        I.charge

    story = made(Mixed)()
    assert ran(story) == ["charge"]
    monkeypatch.setattr(Charging, "charge", async_fake)
    assert ran(story) == ["async fake"]


def test_a_method_shadowed_on_the_instance_is_run() -> None:
    def shadow(state: list[str]) -> None:
        state.append("shadow")

    story: Any = Sale()
    story.charge = shadow
    assert ran(story) == ["reserve", "shadow"]


def test_a_field_may_be_replaced_between_runs() -> None:
    @dataclass
    class Outer(Story):
        I.inner

        inner: Any

    outer = Outer(Sale())
    assert ran(outer) == ["reserve", "charge"]
    outer.inner = AsyncMock()
    assert ran(outer) == []
    outer.inner.assert_awaited_once()


def test_a_mock_with_the_spec_of_a_story_stands_for_a_nested_one() -> None:
    @dataclass
    class Outer(Story):
        I.inner

        inner: Any

    inner = create_autospec(Sale, instance=True)
    assert ran(Outer(inner)) == []
    inner.assert_called_once()


def test_hooks_stay_when_a_step_is_patched(story: Any) -> None:
    def see(context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        seen.append(step.step_name)

    seen: list[str] = []
    story.register_hook("before", see)
    with patch.object(type(story), "charge", fake):
        ran(story)
    assert seen == ["reserve", "charge"]


@needs_threads
def test_a_patch_during_the_first_run_of_another_thread_is_not_lost() -> None:
    inspected, patched = threading.Event(), threading.Event()

    class Slow:
        """A step that blocks the thread that inspects it, once the test has begun."""

        def __call__(self, state: list[str]) -> None:
            state.append("slow")

        def __getattribute__(self, name: str) -> object:
            if started and name == "__class__":
                inspected.set()
                assert patched.wait(5)
            return object.__getattribute__(self, name)

    started: list[str] = []
    step: Any = staticmethod(Slow())

    class Checkout(Sale):
        I.charge
        I.slow

        slow = step

    def first_run() -> None:
        with suppress(TypeError):  # this first run may still call the old step
            Checkout()([])

    started.append("now")
    thread = threading.Thread(target=first_run)
    thread.start()
    assert inspected.wait(5)
    patch.object(Checkout, "charge", async_fake).start()
    patched.set()
    thread.join()

    assert ran(Checkout()) == ["async fake", "slow"]


def test_injecting_after_a_first_run_reaches_the_next() -> None:
    class Checkout(Sale):
        pass

    seen: list[str] = []

    class Seeing:
        def before(self, context: object, step: object) -> None:
            seen.append("before")

    ran(Checkout())
    inject_hooks(Sale, [Seeing()]).remove()
    ran(Checkout())
    with inject_hooks(Sale, [Seeing()]):
        ran(Checkout())
    assert seen == ["before", "before"]
