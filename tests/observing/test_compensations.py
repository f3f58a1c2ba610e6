"""What is counted of the steps that are undone; both libraries count the same."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
import weakref
from contextlib import suppress
from typing import Any

import pytest

from dddkit.exceptions import CompensationError
from dddkit.stories import I, Story, StoryHook, compensates, inject_hooks
from tests.observing.backends import COMPENSATION, STORY, Backend, backend, undoable
from tests.observing.test_reentry import ends, interrupted
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, derived, needs_threads, perform, run_alone

__all__ = ["backend"]


def fail(story: type[Story], **errors: BaseException) -> None:
    with pytest.raises((Declined, CompensationError)):
        perform(story, Notes(**(errors or {"ship": Declined()})))


def at_zero(backend: Backend) -> set[tuple[str, str]]:
    """Return the series of compensations that wait for their first observation: step and status."""
    return {
        (labels["step_name"], labels["status"])
        for sample, value in backend.everything().items()
        if (labels := dict(sample.labels)) and sample.name == f"{COMPENSATION}_count" and value == 0
    }


@both_modes
def test_each_step_that_is_undone_counts_once_with_the_labels_of_steps(backend: Backend, mode: Mode) -> None:
    story = undoable(mode)
    inject_hooks(story, [backend.new_hook(app_name="shop", labels={"env": "test"})])
    fail(story)
    assert backend.compensations() == {("charge", "completed"): 1, ("reserve", "completed"): 1}
    [labels] = [
        dict(sample.labels)
        for sample in backend.samples()
        if sample.name == f"{COMPENSATION}_count" and ("step_name", "charge") in sample.labels
    ]
    assert labels == {
        "service": "shop",
        "story_name": "Checkout",
        "step_name": "charge",
        "status": "completed",
        "env": "test",
    }
    assert f"# HELP {COMPENSATION} Story step compensation time" in backend.render().splitlines()


@both_modes
@pytest.mark.parametrize("error", [Declined(), ConnectionError()])
def test_a_step_whose_compensation_fails_counts_as_failed(backend: Backend, mode: Mode, error: Exception) -> None:
    story = undoable(mode)
    inject_hooks(story, [backend.new_hook()])
    fail(story, ship=Declined(), refund=error)
    assert backend.compensations() == {("charge", "failed"): 1, ("reserve", "completed"): 1}
    assert backend.stories() == {("Checkout", "failed"): 1}


@both_modes
def test_a_compensation_that_is_interrupted_counts_as_failed_and_what_comes_after_it_not_at_all(
    backend: Backend, mode: Mode
) -> None:
    story = undoable(mode)
    inject_hooks(story, [backend.new_hook()])
    with pytest.raises(KeyboardInterrupt):
        (run_alone if mode == "sync" else perform)(story, Notes(ship=Declined(), refund=KeyboardInterrupt()))
    assert backend.compensations() == {("charge", "failed"): 1}
    assert backend.stories() == {("Checkout", "cancelled"): 1}


@both_modes
def test_the_first_undoing_is_an_increase_from_zero(backend: Backend, mode: Mode) -> None:
    story = undoable(mode)
    inject_hooks(story, [backend.new_hook()])
    perform(story, Notes())
    assert at_zero(backend) == {(step, word) for step in ("reserve", "charge") for word in ("completed", "failed")}
    fail(story)
    assert at_zero(backend) == {("reserve", "failed"), ("charge", "failed")}


def test_a_story_without_compensations_has_no_series_of_them(backend: Backend) -> None:
    plain, other = checkout("sync"), undoable("sync")
    hook = backend.new_hook()
    inject_hooks(plain, [hook])
    inject_hooks(other, [hook])
    perform(plain, Notes())
    fail(plain)
    assert not backend.has(COMPENSATION)
    assert f"# TYPE {COMPENSATION} histogram" in backend.render().splitlines()
    perform(other, Notes())  # of the same name, which does not matter
    assert len(at_zero(backend)) == 4


@both_modes
def test_p5_durations_are_milliseconds_and_belong_to_the_latency_of_the_run(backend: Backend, mode: Mode) -> None:
    def wait(self: object, state: object) -> None:
        time.sleep(0.03)

    async def wait_async(self: object, state: object) -> None:
        await asyncio.sleep(0.03)

    story = derived(undoable(mode), refund=wait if mode == "sync" else wait_async)
    inject_hooks(story, [backend.new_hook()])
    fail(story)
    counted = backend.value(f"{COMPENSATION}_sum", step_name="charge")
    assert 29 < counted < 3000
    assert backend.value(f"{STORY}_sum") > counted


@both_modes
def test_a_step_that_is_undone_though_it_failed_counts(backend: Backend, mode: Mode) -> None:
    class Paying(checkout(mode)):  # type: ignore[misc]  # a class made at run time
        @compensates("charge", even_if_failed=True)
        def refund(self, state: Notes) -> None: ...

    inject_hooks(Paying, [backend.new_hook()])
    fail(Paying, charge=Declined())
    assert backend.compensations() == {("charge", "completed"): 1}


@both_modes
@pytest.mark.parametrize("has_own", [True, False])
def test_a_nested_story_that_is_undone_counts_under_its_own_name_or_as_the_step(
    backend: Backend, mode: Mode, has_own: bool
) -> None:
    inner = undoable(mode)

    class Outer(Story):
        I.pay
        I.thank

        pay = inner()

        def thank(self, state: Notes) -> None:
            raise Declined

        if has_own:

            @compensates("pay")
            def give_back(self, state: Notes) -> None: ...

    hook = backend.new_hook()
    inject_hooks(inner, [hook])
    inject_hooks(Outer, [hook])
    fail(Outer, nothing=Declined())
    steps = ["pay"] if has_own else ["reserve", "charge"]
    assert backend.compensations() == {(step, "completed"): 1 for step in steps}
    assert backend.value(f"{COMPENSATION}_count", story_name="Outer" if has_own else "Checkout") == len(steps)


def test_a_coroutine_that_is_closed_counts_no_compensation(backend: Backend) -> None:
    class Paused(Story):
        I.pay
        I.pause

        def pay(self, state: object) -> None: ...

        @compensates(pay)
        def give_back(self, state: object) -> None: ...

        async def pause(self, state: object) -> None:
            await asyncio.sleep(0)

    inject_hooks(Paused, [backend.new_hook()])
    coroutine: Any = Paused()(None)
    coroutine.send(None)
    logging.disable()  # what was not undone is logged
    try:
        coroutine.close()
    finally:
        logging.disable(logging.NOTSET)
    assert backend.compensations() == {}
    assert at_zero(backend) == {("pay", "completed"), ("pay", "failed")}


# As of the other metrics


@both_modes
def test_fm1_equal_hooks_count_each_compensation_once_and_others_beside_them(backend: Backend, mode: Mode) -> None:
    story = undoable(mode)
    child = derived(story)
    hooks: list[StoryHook] = [backend.new_hook(), backend.new_hook(), backend.new_hook(app_name="office")]
    inject_hooks(story, hooks)
    inject_hooks(child, [backend.new_hook()])
    fail(child)
    assert backend.value(f"{COMPENSATION}_count", service="dddkit_stories") == 2
    assert backend.value(f"{COMPENSATION}_count", service="office") == 2


@both_modes
def test_fm2_after_a_clear_compensations_count_in_new_series_that_begin_at_zero(backend: Backend, mode: Mode) -> None:
    story = undoable(mode)
    inject_hooks(story, [backend.new_hook()])
    fail(story)
    backend.clear(COMPENSATION)
    assert backend.compensations() == {}
    perform(story, Notes())
    assert len(at_zero(backend)) == 4
    fail(story)
    assert backend.compensations() == {("charge", "completed"): 1, ("reserve", "completed"): 1}


def test_fm2_a_series_of_compensations_that_is_removed_alone(backend: Backend) -> None:
    story = undoable("sync")
    inject_hooks(story, [backend.new_hook(app_name="shop")])
    fail(story)
    backend.remove(COMPENSATION, service="shop", story_name="Checkout", step_name="charge", status="completed")
    assert backend.compensations() == {("reserve", "completed"): 1}
    fail(story)
    assert backend.compensations() == {("reserve", "completed"): 2, ("charge", "completed"): 1}


@both_modes
def test_a_library_that_fails_keeps_no_step_from_being_undone_and_is_logged_once(
    backend: Backend, mode: Mode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    story, state, own = undoable(mode), Notes(ship=Declined()), OSError("no space left")
    inject_hooks(story, [backend.new_hook()])
    backend.fail(monkeypatch, own)
    with pytest.raises(Declined):
        perform(story, state)
    assert state.log == ["reserve", "charge", "ship", "refund", "release"]
    assert [record.name for record in caplog.records] == ["dddkit.stories.hooks"]


@needs_threads
def test_fr2_a_finalizer_whose_run_is_undone_while_a_series_is_made_is_counted(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = undoable("sync"), undoable("sync")
    hook = backend.new_hook()
    inject_hooks(outer, [hook])
    inject_hooks(inner, [hook])
    called = interrupted(backend, monkeypatch, lambda: fail(inner))
    ends(lambda: perform(outer, Notes()))
    assert called
    assert backend.compensations() == {("charge", "completed"): 1, ("reserve", "completed"): 1}


@needs_threads
def test_fr2_after_a_finalizer_that_runs_a_story_while_a_series_is_made_its_undoing_begins_at_zero_too(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = checkout("sync"), undoable("sync")
    hook = backend.new_hook()
    inject_hooks(outer, [hook])
    inject_hooks(inner, [hook])
    called = interrupted(backend, monkeypatch, lambda: perform(inner, Notes()))
    ends(lambda: perform(outer, Notes()))
    assert called
    perform(inner, Notes())
    assert len(at_zero(backend)) == 4


@both_modes
def test_fr4_a_run_whose_undoing_fails_is_freed_without_the_collector(
    backend: Backend, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("dddkit.stories.compensation"), "disabled", True)  # caplog keeps records
    watched: list[weakref.ref[Declined]] = []

    def refuse(self: object, state: object) -> None:
        error = Declined()
        watched.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    story = derived(undoable(mode), ship=refuse, refund=refuse)
    inject_hooks(story, [backend.new_hook()])
    gc.collect()
    gc.disable()
    try:
        with suppress(CompensationError):
            (perform if mode == "sync" else run_alone)(story, Notes())  # a loop of asyncio has cycles of its own
        assert [one() for one in watched] == [None, None]
    finally:
        gc.enable()
