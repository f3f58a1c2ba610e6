"""Whether a callable is async: a story answers for itself, wherever a broker, an outer story or a hook asks."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeAlias
from unittest.mock import patch

import pytest

from dddkit._awaitables import FINISHED
from dddkit.dataclasses import DomainEvent, EventBroker
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories import I, Story, inject_hooks
from tests.stories.recording import AsyncRecorder
from tests.stories.shop import both_modes, needs_threads

Given: TypeAlias = Callable[[Any], Any]
"""What makes the handler or step to ask about out of a step, sync or async."""


@dataclass(frozen=True)
class Paid(DomainEvent):
    log: list[str] = field(default_factory=list[str])


def loosely(value: Any) -> Any:
    """Return the value as Any, so that checkers do not report what a test does on purpose."""
    return value


def steps_of(mode: str) -> Any:
    def note(event: Paid) -> None:
        event.log.append("story")

    async def anote(event: Paid) -> None:
        await asyncio.sleep(0)
        event.log.append("story")

    return note if mode == "sync" else anote


@dataclass
class Injected(Story):
    I.note

    note: Any


@dataclass(slots=True)
class Outer(Story):
    I.inner

    inner: Any


def listed(step: Any) -> Any:
    class Listed(Story):
        I.note

        note = staticmethod(step)

    return Listed()


def after_a_run(step: Any) -> Any:
    story = listed(step)
    called = story(Paid())
    if called is not FINISHED:
        asyncio.run(called)
    return story


def on_the_class(step: Any) -> Any:
    class Holding(Story):
        I.inner

        inner = Injected(step)

    return Holding()


def as_a_static_method(step: Any) -> Any:
    class Holding(Story):
        I.inner

        inner = staticmethod(Injected(step))

    return Holding()


def by_a_property(step: Any) -> Any:
    class Making(Story):
        I.inner

        @property
        def inner(self) -> Any:
            return Injected(step)

    return Making()


def by_hand(step: Any) -> Any:
    class Logged(Injected):
        def __call__(self, state: Any, /) -> Any:
            return super().__call__(state)

    return Logged(step)


def by_super(step: Any) -> Any:
    class Logged(Injected):
        def __call__(self, state: Any, /) -> Any:
            return self.base(state)

        @property
        def base(self) -> Any:
            return super().__call__

    return Logged(step).base


def kept_from_before_the_first_run(step: Any) -> Any:
    story = Injected(step)
    call = story.__call__
    after_a_run(step)
    return call


def as_the_call_of_an_object(step: Any) -> Any:
    class Handling:
        __call__ = Injected(step)

    return Handling()


STORIES: dict[str, Given] = {
    "not run before": listed,
    "after a run": after_a_run,
    "injected step": Injected,
    "nested": lambda step: Outer(Injected(step)),
    "nested as its call": lambda step: Outer(Injected(step).__call__),
    "nested as a partial": lambda step: Outer(partial(Injected(step))),
    "nested as a partial of its call": lambda step: Outer(partial(partial(listed(step).__call__))),
    "nested twice": lambda step: Outer(Outer(listed(step))),
    "on the class": on_the_class,
    "as a static method": as_a_static_method,
    "by a property": by_a_property,
    "partial": lambda step: partial(listed(step)),
    "partial of an injected one": lambda step: partial(Injected(step)),
    "partial of partials": lambda step: partial(partial(partial(Injected(step)))),
    "call": lambda step: listed(step).__call__,
    "call of an injected one": lambda step: Injected(step).__call__,
    "partial of the call": lambda step: partial(Injected(step).__call__),
    "call of the call": lambda step: loosely(Injected(step)).__call__.__call__,
    "an attribute of another object": lambda step: SimpleNamespace(charge=listed(step)).charge,
    "the call of an object's class": as_the_call_of_an_object,
    "a handwritten call": by_hand,
    "a handwritten call as a method": lambda step: by_hand(step).__call__,
    "what super() gives": by_super,
    "a call read before the first run": kept_from_before_the_first_run,
}

every_story = pytest.mark.parametrize("given", STORIES.values(), ids=STORIES)


@every_story
@both_modes
def test_fb1_a_broker_knows_before_any_handler_runs_whether_a_story_is_async(given: Given, mode: str) -> None:
    broker, event = EventBroker(), Paid()
    broker.subscribe(Paid, lambda event: event.log.append("first"))
    broker.subscribe(Paid, given(steps_of(mode)))
    if mode == "async":
        with pytest.raises(TypeError, match="is async; use `await"):
            broker.publish(event)
        assert event.log == []
        asyncio.run(broker.apublish(event))
    else:
        broker.publish(event)
    assert event.log == ["first", "story"]


@every_story
@both_modes
@pytest.mark.parametrize("parallel", [False, pytest.param(True, marks=needs_threads)])
def test_fb1_a_broker_that_continues_awaits_an_async_story(given: Given, mode: str, parallel: bool) -> None:
    broker, event = EventBroker(on_error="continue", parallel=parallel), Paid()
    broker.subscribe(Paid, given(steps_of(mode)))
    called = broker(event)
    assert inspect.iscoroutine(called) == (mode == "async")
    if inspect.iscoroutine(called):
        assert event.log == []
        asyncio.run(called)
    assert event.log == ["story"]


@every_story
@both_modes
def test_fb1_an_outer_story_is_async_where_the_inner_one_is(given: Given, mode: str) -> None:
    event = Paid()
    called = Outer(given(steps_of(mode)))(event)
    assert inspect.iscoroutine(called) == (mode == "async")
    if inspect.iscoroutine(called):
        assert event.log == []
        asyncio.run(called)
    assert event.log == ["story"]


def test_fb1_a_story_answers_anew_after_it_is_patched() -> None:
    class Sale(Story):
        I.note

        def note(self, state: Paid) -> None:
            state.log.append("sync")

    async def anote(self: object, state: Paid) -> None:
        state.log.append("async")

    sale = Sale()
    for outer in (Outer(partial(sale)), as_a_static_method(partial(sale)), Outer(sale.__call__)):
        assert outer(Paid()) is FINISHED
        with patch.object(Sale, "note", anote):
            called = outer(Paid())
            assert inspect.iscoroutine(called)
            called.close()
        assert outer(Paid()) is FINISHED


def test_fb1_a_handwritten_call_that_returns_nothing_is_sync() -> None:
    class Blocking(Injected):
        def __call__(self, state: Any, /) -> None:
            asyncio.run(super().__call__(state))

    broker, event = EventBroker(), Paid()
    broker.subscribe(Paid, Blocking(steps_of("async")))
    broker.publish(event)
    assert event.log == ["story"]


def test_fb1_a_handwritten_async_call_of_a_sync_story_is_async() -> None:
    class Waiting(Injected):
        async def __call__(self, state: Any, /) -> None:
            await asyncio.sleep(0)
            await super().__call__(state)

    broker, event = EventBroker(), Paid()
    broker.subscribe(Paid, partial(Waiting(steps_of("sync"))))
    with pytest.raises(TypeError, match="is async"):
        broker.publish(event)
    called = Outer(Waiting(steps_of("sync")))(event)
    assert inspect.iscoroutine(called)
    asyncio.run(called)
    assert event.log == ["story"]


class WithoutSteps(Story):
    pass


class Broken(Story):
    I.note

    @property
    def note(self) -> Any:
        raise OSError("no connection yet")


def loop() -> Any:
    story = Outer(None)
    story.inner = Outer(story)
    return story


@pytest.mark.parametrize(
    ("story", "error"),
    [
        (WithoutSteps(), StoryDefinitionError),
        (Broken(), OSError),
        (Outer.__new__(Outer), StoryDefinitionError),
        (Outer(3), StoryDefinitionError),
        (Outer(Outer.__new__(Outer)), StoryDefinitionError),
        (loop(), StoryDefinitionError),
    ],
    ids=["no steps", "failing property", "missing step", "no callable", "missing in a nested one", "inside itself"],
)
def test_fb1_what_is_wrong_with_a_story_is_said_by_its_run_and_not_where_it_is_subscribed(
    story: Any, error: type[Exception]
) -> None:
    broker = EventBroker()
    broker.subscribe(Paid, story)
    broker.subscribe(Paid, partial(story.__call__))
    with pytest.raises(error):
        broker.publish(Paid())


def test_fb1_an_async_hook_of_a_sync_story_is_refused_through_a_partial_too() -> None:
    log: list[str] = []

    class Inner(Story):
        I.note

        def note(self, state: Paid) -> None: ...

    inject_hooks(Inner, [AsyncRecorder("a", log)])

    @dataclass
    class Twice(Story):
        I.first
        I.inner

        inner: Any

        def first(self, state: Paid) -> None:
            state.log.append("first")

    event = Paid()
    with pytest.raises(TypeError, match="Inner: the before hook"):
        Twice(partial(Inner()))(event)
    assert event.log == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="inspect cannot mark functions yet")
def test_fb1_a_function_that_inspect_has_marked_is_async() -> None:
    anote = steps_of("async")
    mark: Any = getattr(inspect, "markcoroutinefunction", None)

    def note(event: Paid) -> Any:
        return anote(event)

    marked: Any = mark(note)
    for handler in (marked, partial(marked), Outer(marked)):
        broker, event = EventBroker(), Paid()
        broker.subscribe(Paid, handler)
        with pytest.raises(TypeError, match="is async; use `await"):
            broker.publish(event)
        asyncio.run(broker.apublish(event))
        assert event.log == ["story"]
