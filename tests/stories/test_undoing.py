"""Undoing what a stopped run has done: when, in which order, and what is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import pickle
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest
import trio

from dddkit._awaitables import FINISHED
from dddkit.exceptions import CompensationError
from dddkit.stories import I, StepStatus, Story, compensates, inject_hooks
from tests.stories.shop import Declined, Mode, Notes, both_modes, finish

COMPENSATION = "dddkit.stories.compensation"


class Waiting:
    """A state whose steps and compensations wait, and note when they begin and end."""

    def __init__(self, wait: Callable[[], Awaitable[object]]) -> None:
        self.wait = wait
        self.log: list[str] = []
        self.reached: dict[str, Callable[[], object]] = {}

    async def take(self, name: str) -> None:
        self.log.append(f"{name}...")
        if name in self.reached:
            self.reached[name]()
        await self.wait()
        self.log.append(name)


class Slow(Story):
    I.reserve
    I.charge
    I.ship

    async def reserve(self, state: Waiting) -> None:
        await state.take("reserve")

    @compensates(reserve)
    async def release(self, state: Waiting) -> None:
        await state.take("release")

    async def charge(self, state: Waiting) -> None:
        await state.take("charge")

    @compensates(charge)
    async def refund(self, state: Waiting) -> None:
        await state.take("refund")

    async def ship(self, state: Waiting) -> None:
        await state.take("ship")


def shop(mode: Mode) -> type[Story]:
    """Return a story of three steps, the first two with a compensation."""
    if mode == "sync":

        class Shop(Story):
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

            @compensates(charge)
            def refund(self, state: Notes) -> None:
                state.take("refund")

            def ship(self, state: Notes) -> None:
                state.take("ship")

        return Shop

    class AsyncShop(Story):
        I.reserve
        I.charge
        I.ship

        def reserve(self, state: Notes) -> None:
            state.take("reserve")

        @compensates(reserve)
        async def release(self, state: Notes) -> None:
            state.take("release")

        def charge(self, state: Notes) -> None:
            state.take("charge")

        @compensates(charge)
        def refund(self, state: Notes) -> None:
            state.take("refund")

        def ship(self, state: Notes) -> None:
            state.take("ship")

    return AsyncShop


def fail(story: type[Story], **errors: BaseException) -> tuple[list[str], BaseException]:
    """Run a story that is stopped; return what ran, and what the caller got."""
    state = Notes(**errors)
    with pytest.raises(BaseException) as caught:  # noqa: PT011  # what it is, the test says
        finish(story()(state))
    return state.log, caught.value


@both_modes
@pytest.mark.parametrize("error", [Declined("no"), KeyboardInterrupt()])
def test_completed_steps_are_undone_the_last_first(mode: Mode, error: BaseException) -> None:
    log, raised = fail(shop(mode), ship=error)
    assert log == ["reserve", "charge", "ship", "refund", "release"]
    assert raised is error


@both_modes
def test_a_step_that_was_stopped_is_not_undone(mode: Mode) -> None:
    log, _ = fail(shop(mode), charge=Declined())
    assert log == ["reserve", "charge", "release"]


@both_modes
def test_the_others_still_run_where_a_compensation_fails(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    declined, lost = Declined(), ConnectionError("secret")
    log, raised = fail(shop(mode), ship=declined, refund=lost)
    assert log == ["reserve", "charge", "ship", "refund", "release"]
    assert isinstance(raised, CompensationError)
    assert raised.failures == (("charge", lost),)
    assert (raised.undone, raised.left) == (("reserve",), ("charge",))
    assert raised.__cause__ is declined
    name = shop(mode).__name__
    assert str(raised) == (
        f"{name}: the undoing of charge (ConnectionError) failed, see .failures; look at what they have left; "
        f"undone: reserve"
    )
    assert [(record.name, record.levelname, record.message) for record in caplog.records] == [
        (COMPENSATION, "ERROR", f"{name}: charge is not undone: its compensation refund failed")
    ]


@both_modes
def test_ctrl_c_passes_unchanged_where_a_compensation_fails(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    interrupt = KeyboardInterrupt()
    log, raised = fail(shop(mode), ship=interrupt, refund=ConnectionError())
    assert raised is interrupt
    assert log[-1] == "release"
    assert "refund failed" in caplog.text


@both_modes
def test_a_second_ctrl_c_stops_the_undoing_and_what_is_left_is_logged(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    second = KeyboardInterrupt()
    log, raised = fail(shop(mode), ship=Declined(), refund=second)
    assert raised is second
    assert log == ["reserve", "charge", "ship", "refund"]
    name = shop(mode).__name__
    assert [record.message for record in caplog.records] == [
        f"{name}: not undone: charge, reserve, since KeyboardInterrupt stopped the undoing"
    ]


@both_modes
def test_a_compensation_error_survives_pickling_with_its_cause_and_its_notes(mode: Mode) -> None:
    _, raised = fail(shop(mode), ship=Declined("no"), refund=ConnectionError("lost"))
    assert isinstance(raised, CompensationError)
    vars(raised)["__notes__"] = ["order 1"]  # what add_note of 3.11 does
    copy = pickle.loads(pickle.dumps(raised))
    assert type(copy) is CompensationError
    assert (str(copy), copy.undone, copy.left) == (str(raised), raised.undone, raised.left)
    assert isinstance(copy.__cause__, Declined)
    assert vars(copy)["__notes__"] == ["order 1"]
    assert [(step, type(error)) for step, error in copy.failures] == [("charge", ConnectionError)]


@both_modes
@pytest.mark.parametrize("has_hooks", [False, True])
def test_a_run_whose_undoing_failed_is_freed_without_the_garbage_collector(
    mode: Mode, has_hooks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for logger in (COMPENSATION, "dddkit.stories.story"):  # pytest keeps the records
        monkeypatch.setattr(logging.getLogger(logger), "disabled", True)
    story = shop(mode)
    if has_hooks:
        inject_hooks(story)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        state = Notes(ship=Declined(), refund=ConnectionError())
        freed = weakref.ref(state)
        with contextlib.suppress(CompensationError, StopIteration):
            called = story()(state)
            while called is not FINISHED:  # a loop of asyncio would have cycles of its own
                called.send(None)
        called = None
        state._errors.clear()  # pyright: ignore[reportPrivateUsage]  # they hold tracebacks, which hold the state
        del state
        assert freed() is None
    finally:
        if was_enabled:
            gc.enable()


# Cancellation


def test_asyncio_undoes_a_cancelled_run() -> None:
    async def run() -> list[str]:
        state = Waiting(lambda: asyncio.sleep(0))
        state.reached["ship"] = lambda: task.cancel()
        task = asyncio.ensure_future(Slow()(state))
        with pytest.raises(asyncio.CancelledError):
            await task
        return state.log

    log = asyncio.run(run())
    assert log[-5:] == ["ship...", "refund...", "refund", "release...", "release"]


@pytest.mark.parametrize(("at", "left"), [("refund", "charge, reserve"), ("release", "reserve")])
def test_a_second_cancellation_stops_the_undoing_under_asyncio(
    at: str, left: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> list[str]:
        state = Waiting(lambda: asyncio.sleep(0))
        state.reached["ship"] = state.reached[at] = lambda: task.cancel()
        task = asyncio.ensure_future(Slow()(state))
        with pytest.raises(asyncio.CancelledError):
            await task
        return state.log

    assert asyncio.run(run())[-1] == f"{at}..."
    assert [record.message for record in caplog.records] == [
        f"Slow: not undone: {left}, since CancelledError stopped the undoing"
    ]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_scope_of_anyio_does_not_stop_the_undoing(backend: str) -> None:
    async def run() -> list[str]:
        state = Waiting(lambda: anyio.sleep(0))
        with anyio.CancelScope() as scope:
            state.reached["ship"] = scope.cancel
            await Slow()(state)
        return state.log

    log = anyio.run(run, backend=backend)
    assert log[-5:] == ["ship...", "refund...", "refund", "release...", "release"]


def test_a_cancelled_scope_of_trio_does_not_stop_the_undoing() -> None:
    async def run() -> list[str]:
        state = Waiting(lambda: trio.sleep(0))
        with trio.CancelScope() as scope:
            state.reached["ship"] = scope.cancel
            await Slow()(state)
        return state.log

    log = trio.run(run)
    assert log[-5:] == ["ship...", "refund...", "refund", "release...", "release"]


def test_asyncio_undoes_while_trio_is_its_guest() -> None:
    async def run() -> list[str]:
        guest, loop, state = asyncio.Event(), asyncio.get_running_loop(), Waiting(lambda: asyncio.sleep(0))

        def refuse() -> None:
            raise Declined

        state.reached["ship"] = refuse
        trio.lowlevel.start_guest_run(
            trio.sleep, 0.01, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=lambda _: guest.set()
        )
        with pytest.raises(Declined):
            await Slow()(state)
        await guest.wait()
        return state.log

    assert asyncio.run(run())[-1] == "release"


def test_a_time_limit_does_not_limit_the_undoing() -> None:
    async def run() -> list[str]:
        state = Waiting(lambda: asyncio.sleep(0.02))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(Slow()(state), 0.05)
        return state.log

    assert asyncio.run(run())[-1] == "release"


@pytest.mark.parametrize("has_hooks", [False, True])
def test_a_closed_coroutine_undoes_nothing_and_logs_what_is_left(
    has_hooks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Own(Slow):
        pass

    if has_hooks:
        inject_hooks(Own)
    state = Waiting(lambda: asyncio.sleep(0))
    running = Own()(state)
    while "ship..." not in state.log:
        running.send(None)
    running.close()
    assert state.log[-1] == "ship..."
    assert [record.message for record in caplog.records if record.name == COMPENSATION] == [
        "Own: not undone: charge, reserve, since the coroutine of the run was closed"
    ]


# Hooks


@both_modes
def test_a_guard_keeps_the_step_from_being_undone_even_if_failed(mode: Mode) -> None:
    class Guarded(shop(mode)):  # type: ignore[misc]  # a class made by a function
        @compensates("charge", even_if_failed=True)
        def refund(self, state: Notes) -> None:
            state.take("refund")

    def guard(context: Any, step: Any) -> None:
        if step.step_name == "charge":
            raise Declined

    Guarded.register_hook("before", guard)
    log, _ = fail(Guarded)
    assert log == ["reserve", "release"]
    log, _ = fail(shop(mode), charge=Declined())
    assert log == ["reserve", "charge", "release"]


@both_modes
def test_a_hook_that_fails_after_the_last_step_undoes_nothing(mode: Mode) -> None:
    story = shop(mode)

    def refuse(context: Any, step: Any) -> None:
        if step.step_name == "ship":
            raise Declined

    story.register_hook("after", refuse)
    log, raised = fail(story)
    assert log == ["reserve", "charge", "ship"]
    assert isinstance(raised, Declined)


@both_modes
def test_a_hook_that_fails_after_an_earlier_step_undoes_it(mode: Mode) -> None:
    story = shop(mode)

    def refuse(context: Any, step: Any) -> None:
        if step.step_name == "charge":
            raise Declined

    story.register_hook("after", refuse)
    log, _ = fail(story)
    assert log == ["reserve", "charge", "refund", "release"]


@both_modes
def test_hooks_of_the_step_come_before_the_undoing_and_those_of_the_story_after_it(mode: Mode) -> None:
    story, seen = shop(mode), list[str]()

    class Hook:
        def around_story(self, context: Any) -> Iterator[None]:
            try:
                yield
            except BaseException as error:
                seen.append(f"story {type(error).__name__} {[step.compensated for step in context.steps]}")
                raise

        def around_step(self, context: Any, step: Any) -> Iterator[None]:
            try:
                yield
            finally:
                seen.append(f"step {step.step_name}")

        def error(self, context: Any, step: Any) -> None:
            seen.append(f"error {step.step_name}")

        def around_compensation(self, context: Any, step: Any) -> Iterator[None]:
            seen.append(f"undo {step.step_name}")
            try:
                yield
            except Exception as error:
                seen.append(f"failed {type(error).__name__}")
                raise

    inject_hooks(story, [Hook()])
    fail(story, ship=Declined(), refund=ConnectionError())
    assert seen[2:] == [
        "error ship",
        "step ship",
        "undo charge",
        "failed ConnectionError",
        "undo reserve",
        "story CompensationError [True, False, False]",
    ]


@both_modes
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_failing_hook_around_a_compensation_is_logged_and_changes_nothing(
    mode: Mode, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    story = shop(mode)

    class Hook:
        def around_compensation(self, context: Any, step: Any) -> Iterator[None]:
            if place == "before":
                raise OSError
            yield
            raise OSError

    inject_hooks(story, [Hook()])
    declined = Declined()
    log, raised = fail(story, ship=declined)
    assert raised is declined
    assert log[-2:] == ["refund", "release"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "failed around the undoing of charge" in caplog.text


@both_modes
def test_facts_and_tree_show_what_was_undone(mode: Mode) -> None:
    story, trees = shop(mode), list[str]()

    class Hook:
        def around_story(self, context: Any) -> Iterator[None]:
            try:
                yield
            finally:
                trees.append(str(context))
                facts: list[Any] = [
                    (step.status, step.compensated, type(step.compensation_error)) for step in context.steps
                ]
                assert facts == [
                    (StepStatus.COMPLETED, True, type(None)),
                    (StepStatus.COMPLETED, False, ConnectionError),
                    (StepStatus.FAILED, False, type(None)),
                ]

    inject_hooks(story)
    inject_hooks(story, [Hook()])
    fail(story, ship=Declined(), refund=ConnectionError())
    lines = trees[0].splitlines()
    assert [line.partition(" [")[0] for line in lines[1:]] == ["    ↩✓I.reserve", "    ↩✗I.charge", "    ✗I.ship"]
