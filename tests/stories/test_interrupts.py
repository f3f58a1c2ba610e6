"""An interrupt at any place in the engine leaves nothing behind."""

from __future__ import annotations

import gc
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import pytest

from dddkit._awaitables import FINISHED
from dddkit.stories import I, StepExecutionInfo, StepStatus, Story, StoryExecutionContext, inject_hooks
from tests.stories.shop import Mode, both_modes, derived

INTERRUPTS = 2_000  # for each of the ten kinds of run

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")


class State:
    """Can be referred to weakly."""


class Sync(Story):
    I.first
    I.second

    def first(self, state: State) -> None: ...
    def second(self, state: State) -> None: ...


class Async(Sync):
    async def first(self, state: State) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point


class StepHook:
    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...
    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...


class AroundHook:
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        yield

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        yield

    def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None: ...


class Kept:
    """Keeps the context of the last run."""

    def __init__(self) -> None:
        self.context: StoryExecutionContext | None = None

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.context = context
        yield


def story_with(mode: Mode, hooks: str) -> tuple[type[Story], Kept]:
    def fail(self: object, state: State) -> None:
        raise ValueError("declined")

    body: dict[str, Any] = {"second": fail} if hooks == "failing" else {}
    story = derived(Sync if mode == "sync" else Async, **body)
    kept = Kept()
    match hooks:
        case "default":
            inject_hooks(story)
        case "steps":
            inject_hooks(story, [StepHook()])
        case "nested":
            inject_hooks(story, [StepHook()])

            class Outer(Story):
                I.inner
                I.inner

                inner = story()

            inject_hooks(Outer, [StepHook()])
            return Outer, kept
        case _:
            inject_hooks(story, [AroundHook(), kept])
    return story, kept


def run_once(story: type[Story], state: State) -> None:
    try:
        called: Any = story()(state)
        if called is not FINISHED:
            called.send(None)
    except (ValueError, StopIteration):
        pass


@pytest.fixture
def interrupted() -> Iterator[Callable[[float, Callable[[], None]], None]]:
    """Run a function again and again until, after some seconds, an interrupt stops it."""

    def run(seconds: float, function: Callable[[], None]) -> None:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            while True:
                function()
        except KeyboardInterrupt:
            pass

    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    gc.collect()
    gc.freeze()  # collecting is fast as long as there is little to look at
    gc.disable()  # what is called around a collection is not ours
    try:
        yield run
    finally:
        gc.enable()
        gc.unfreeze()
        signal.signal(signal.SIGALRM, previous)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@both_modes
@pytest.mark.parametrize("hooks", ["default", "steps", "around", "failing", "nested"])
def test_fr15_an_interrupt_leaves_no_run_current(
    mode: Mode, hooks: str, interrupted: Callable[[float, Callable[[], None]], None]
) -> None:
    story, kept = story_with(mode, hooks)
    run_once(story, State())
    times = random.Random(15)
    states: list[State] = []

    def run_the_story() -> None:
        states[:] = [State()]
        run_once(story, states[0])

    kept_states = unfinished = 0
    for _ in range(INTERRUPTS):
        interrupted(times.uniform(1e-6, 60e-6), run_the_story)
        context, kept.context = kept.context, None
        if context is not None and context.status is StepStatus.RUNNING:
            unfinished += 1
        del context
        state = ref(states.pop()) if states else None
        if state is not None and state() is not None:
            gc.collect()
            kept_states += state() is not None  # a current run would hold its state
    assert (kept_states, unfinished) == (0, 0)
