"""What a failed run leaves: right facts whatever the error does, and no reference cycle."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import new_class
from typing import Any
from weakref import ref

import pytest

from dddkit._awaitables import FINISHED
from dddkit.stories import I, StepExecutionInfo, StepStatus, Story, StoryExecutionContext, inject_hooks
from tests.stories.recording import Recorder
from tests.stories.shop import Mode, both_modes


class State:
    """Can be referred to weakly."""


def failing(mode: Mode, error: Callable[[], BaseException]) -> type[Story]:
    """Return a new story class whose first step fails."""

    class Sale(Story):
        I.charge
        I.ship

        def charge(self, state: State) -> None:
            raise error()

        def ship(self, state: State) -> None: ...

    class AsyncSale(Sale):
        async def charge(self, state: State) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point
            await asyncio.sleep(0)
            raise error()

    return Sale if mode == "sync" else AsyncSale


def nested_in(story: type[Story]) -> type[Story]:
    class Outer(Story):
        I.inner

        inner = story()

    return Outer


def run_without_loop(story: type[Story], state: State) -> None:
    """Run a story to its end; a loop of asyncio would have cycles of its own."""
    called: Any = story()(state)
    if called is not FINISHED:
        while True:
            called.send(None)


class Records(logging.Handler):
    """Keeps the records as they are; pytest's handler would format the errors in them."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    logger, handler = logging.getLogger("dddkit"), Records()
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield handler.records
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


# The reference cycle


class Guard:
    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        self._check(context)

    def _check(self, context: StoryExecutionContext) -> None:
        raise ValueError("too many requests")


class BrokenAround:
    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        raise ValueError("no connection")
        yield


class LateAround:
    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        try:
            yield
        finally:
            raise ValueError("no connection")


class BrokenStory:
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        raise ValueError("no connection")
        yield


class LateStory:
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        yield
        raise ValueError("no connection")


class Interrupted:
    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        try:
            yield
        finally:
            raise KeyboardInterrupt


class InterruptedStory:
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        finally:
            raise KeyboardInterrupt


class BrokenAfter:
    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        raise ValueError("no connection")


class AsyncGuard:
    async def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        raise ValueError("too many requests")


HOOKS: dict[str, list[Any] | None] = {
    "none": [],
    "default": None,
    "all": [Recorder("hook", [])],
    "guard": [Guard()],
    "broken around a step": [BrokenAround()],
    "broken after a step": [BrokenAfter()],
    "broken after a failed step": [LateAround()],
    "broken around the story": [BrokenStory()],
    "broken after the story": [LateStory()],
    "interrupted after a step": [Interrupted()],
    "interrupted after the story": [InterruptedStory()],
    "interrupted several times": [Interrupted(), InterruptedStory(), LateStory(), LateAround()],
    "several": [Recorder("one", []), BrokenAfter(), LateAround(), LateStory()],
}


@both_modes
@pytest.mark.parametrize("is_nested", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError, None])
@pytest.mark.parametrize("hooks", HOOKS)
def test_fr4_a_failed_run_is_freed_without_the_garbage_collector(
    mode: Mode, hooks: str, error: type[BaseException] | None, is_nested: bool, records: list[logging.LogRecord]
) -> None:
    logging.getLogger("dddkit").setLevel(logging.CRITICAL)  # a record would keep the error
    story = failing(mode, error or ValueError) if error else succeeding(mode)
    inject_hooks(story, HOOKS[hooks])
    if is_nested:
        story = nested_in(story)
        inject_hooks(story, HOOKS[hooks])
    states: list[ref[State]] = []
    gc.disable()
    try:
        for _ in range(3):
            state = State()
            states.append(ref(state))
            with contextlib.suppress(BaseException):
                run_without_loop(story, state)
            del state
        assert [state() for state in states] == [None] * 3
    finally:
        gc.enable()


def succeeding(mode: Mode) -> type[Story]:
    class Sale(Story):
        I.reserve

        def reserve(self, state: State) -> None: ...

    class AsyncSale(Sale):
        async def reserve(self, state: State) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # the point

    return Sale if mode == "sync" else AsyncSale


def test_fr4_an_async_guard_that_refuses_leaves_no_cycle() -> None:
    story = succeeding("async")
    inject_hooks(story, [AsyncGuard()])
    gc.disable()
    try:
        state = State()
        weak = ref(state)
        with pytest.raises(ValueError, match="too many requests"):
            run_without_loop(story, state)
        del state
        assert weak() is None
    finally:
        gc.enable()


@both_modes
def test_fr4_the_traceback_of_a_failed_run_still_leads_to_the_step(mode: Mode) -> None:
    story = failing(mode, lambda: ValueError("declined"))
    inject_hooks(story)
    with pytest.raises(ValueError, match="declined") as caught:
        run_without_loop(story, State())
    names = [entry.name for entry in caught.traceback]
    assert names[-2:] == ["__call__", "charge"]
    assert "run_without_loop" in names
    assert "state" in caught.traceback[-1].frame.f_locals


@both_modes
def test_fr4_the_traceback_of_a_hook_that_failed_leads_to_the_hook(mode: Mode) -> None:
    for hook, name in ((Guard(), "_check"), (LateAround(), "around_step"), (BrokenAfter(), "after")):
        story = succeeding(mode)
        inject_hooks(story, [hook])
        with pytest.raises(ValueError, match=r"too many|no connection") as caught:
            run_without_loop(story, State())
        names = [entry.name for entry in caught.traceback]
        assert names[-1] == name
        assert "__call__" in names


# Errors that do something when they are looked at


class Mute(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError("str")

    def __repr__(self) -> str:
        raise ZeroDivisionError("repr")


class Empty(Exception):
    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0


class Undecided(Exception):
    def __bool__(self) -> bool:
        raise ZeroDivisionError("bool")

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("eq")

    def __hash__(self) -> int:
        raise ZeroDivisionError("hash")


@dataclass(frozen=True)
class Frozen(Exception):
    reason: str = "declined"


class Unwritable(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise ZeroDivisionError("setattr")


class Unreadable(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


def refuse(self: object) -> Any:
    raise ZeroDivisionError


MASKS = {name: property(refuse) for name in ("__class__", "__traceback__", "__cause__")}
Masked: type[Exception] = new_class("Masked", (Exception,), exec_body=lambda namespace: namespace.update(MASKS))
MaskedInterrupt: type[BaseException] = new_class(
    "MaskedInterrupt", (BaseException,), exec_body=lambda namespace: namespace.update(MASKS)
)

ODD_ERRORS = [Mute, Empty, Undecided, Frozen, Unwritable, Unreadable, Masked, MaskedInterrupt]


class Kept(Recorder):
    """Keeps the context of the last run."""

    context: StoryExecutionContext

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        self.context = context
        yield from super().around_story(context)


@both_modes
@pytest.mark.parametrize("error", ODD_ERRORS)
@pytest.mark.parametrize("broken", [[], ["after"], ["leave"], ["leave_story"], ["error", "after", "leave_story"]])
def test_fr20_facts_do_not_depend_on_what_an_error_does(
    mode: Mode, error: type[BaseException], broken: list[str], records: list[logging.LogRecord]
) -> None:
    raised = error()
    story = failing(mode, lambda: raised)
    kept = Kept("kept", [])
    inject_hooks(story)
    inject_hooks(story, [kept, Recorder("hook", [], **{kind: OSError(kind) for kind in broken})])
    caught: BaseException | None = None
    try:
        run_without_loop(story, State())
    except BaseException as own:
        caught = own
    assert caught is raised
    status = StepStatus.CANCELLED if error is MaskedInterrupt else StepStatus.FAILED
    assert kept.context.status is status
    assert [step.status for step in kept.context.steps] == [status, StepStatus.PENDING]
    assert kept.context.steps[0].error is raised
    assert kept.log[-1] == "kept leave story"
    if status is StepStatus.FAILED:
        [record] = [record for record in records if record.name == "dddkit.stories.story" and record.exc_info]
        assert "✗I.charge" in record.getMessage()


@both_modes
@pytest.mark.parametrize("error", ODD_ERRORS)
def test_fr20_a_hook_may_raise_such_an_error_too(
    mode: Mode, error: type[BaseException], records: list[logging.LogRecord]
) -> None:
    for kind in ("before", "after", "enter", "leave", "enter_story", "leave_story"):
        raised = error()
        story = succeeding(mode)
        kept = Kept("kept", [])
        inject_hooks(story)
        inject_hooks(story, [kept, Recorder("hook", [], **{kind: raised})])
        caught: BaseException | None = None
        try:
            run_without_loop(story, State())
        except BaseException as own:
            caught = own
        assert caught is raised, kind
        assert kept.context.status is (StepStatus.CANCELLED if error is MaskedInterrupt else StepStatus.FAILED), kind
