"""Exceptions of the domain that a metrics hook is told to expect: they count as refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from dddkit.exceptions import CompensationError, DDDKitError
from dddkit.stories import I, LoggingHook, Story, inject_hooks
from tests.observing.backends import STEP, STORY, Backend, backend, undoable
from tests.stories.recording import Recorder
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform

__all__ = ["backend"]


class SoldOut(Declined):
    """A refusal whose base class is one too."""


class LeftOver(CompensationError):
    """A kind of it."""


def run(story: type[Story], **errors: BaseException) -> None:
    with pytest.raises((Exception, asyncio.CancelledError)):
        perform(story, Notes(**errors))


@both_modes
@pytest.mark.parametrize("expected", [Declined, [Declined], (KeyError, Declined)])
@pytest.mark.parametrize("error", [Declined(), SoldOut()])
def test_a_run_and_a_step_that_an_expected_exception_stops_count_as_refused(
    backend: Backend, mode: Mode, expected: Any, error: Declined
) -> None:
    story = checkout(mode)
    inject_hooks(story, [backend.new_hook(expected=expected)])
    run(story, charge=error)
    assert backend.stories() == {("Checkout", "refused"): 1}
    assert backend.steps() == {("reserve", "completed"): 1, ("charge", "refused"): 1}


@both_modes
@pytest.mark.parametrize(
    ("error", "word"), [(Declined(), "failed"), (KeyError(), "failed"), (asyncio.CancelledError(), "cancelled")]
)
def test_what_is_not_expected_counts_as_before(backend: Backend, mode: Mode, error: BaseException, word: str) -> None:
    story = checkout(mode)
    inject_hooks(story, [backend.new_hook(expected=[SoldOut, TypeError])])
    run(story, charge=error)
    assert backend.stories() == {("Checkout", word): 1}
    assert backend.steps() == {("reserve", "completed"): 1, ("charge", word): 1}


def test_nothing_is_expected_unless_the_hook_says_so(backend: Backend) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(), backend.new_hook(app_name="office", expected=[])])
    run(story, charge=Declined())
    assert backend.stories() == {("Checkout", "failed"): 2}


def test_refusals_have_a_series_from_the_first_one_on(backend: Backend) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(expected=Declined)])
    perform(story, Notes())
    run(story, charge=KeyError())
    assert not backend.has(STORY, status="refused")
    assert not backend.has(STEP, status="refused")
    run(story, charge=Declined())
    assert backend.has(STORY, status="refused")
    refusing = {dict(sample.labels)["step_name"] for sample in backend.everything() if ("status", "refused") in
                sample.labels and sample.name == f"{STEP}_count"}  # fmt: skip
    assert refusing == {"charge"}


def test_where_the_first_run_is_refused_the_other_series_begin_at_zero(backend: Backend) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(expected=Declined)])
    run(story, reserve=Declined())
    for metric in (STORY, STEP):
        shown = {
            dict(sample.labels)["status"]: value
            for sample, value in backend.everything().items()
            if sample.name == f"{metric}_count"
        }
        assert shown == {"completed": 0, "failed": 0, "cancelled": 0, "refused": 1}


@both_modes
def test_a_step_that_a_guard_refuses_counts_as_refused(backend: Backend, mode: Mode) -> None:
    story = checkout(mode)
    inject_hooks(story, [backend.new_hook(expected=Declined), Recorder("guard", [], before=Declined())])
    run(story)
    assert backend.stories() == {("Checkout", "refused"): 1}
    assert backend.steps() == {("reserve", "refused"): 1}


@both_modes
def test_a_refusal_inside_a_nested_story_is_one_of_both_runs(backend: Backend, mode: Mode) -> None:
    inner = checkout(mode)

    class Outer(Story):
        I.pay

        pay = inner()

    hook = backend.new_hook(expected=Declined)
    inject_hooks(inner, [hook])
    inject_hooks(Outer, [hook])
    run(Outer, charge=Declined())
    assert backend.stories() == {("Outer", "refused"): 1, ("Checkout", "refused"): 1}
    assert backend.steps() == {("pay", "refused"): 1, ("reserve", "completed"): 1, ("charge", "refused"): 1}


@both_modes
def test_a_refused_run_that_is_undone_is_a_refusal_still(backend: Backend, mode: Mode) -> None:
    story = undoable(mode)
    inject_hooks(story, [backend.new_hook(expected=Declined)])
    run(story, ship=Declined())
    assert backend.stories() == {("Checkout", "refused"): 1}
    assert backend.compensations() == {("charge", "completed"): 1, ("reserve", "completed"): 1}


@both_modes
@pytest.mark.parametrize("expected", [Declined, (Exception,), (DDDKitError, Declined)])
def test_where_the_undoing_fails_the_run_has_failed_whatever_is_expected(
    backend: Backend, mode: Mode, expected: Any
) -> None:
    story = undoable(mode)
    inject_hooks(story, [backend.new_hook(expected=expected)])
    run(story, ship=Declined(), refund=Declined())
    assert backend.stories() == {("Checkout", "failed"): 1}
    assert backend.steps()["ship", "refused"] == 1
    assert backend.compensations() == {("charge", "failed"): 1, ("reserve", "completed"): 1}


@both_modes
def test_a_failed_undoing_is_an_error_in_the_log_too_whatever_is_expected(
    mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    class Outer(Story):
        I.pay

        pay = undoable(mode)()

    inject_hooks(Outer, [LoggingHook(expected=Exception)])
    run(Outer, ship=Declined(), refund=KeyError())
    assert [record.levelname for record in caplog.records if record.name == "dddkit.stories.story"] == ["ERROR"]


def test_fm2_after_its_series_is_removed_the_next_refusal_counts_in_a_new_one(backend: Backend) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(app_name="shop", expected=Declined)])
    for _ in range(2):
        run(story, charge=Declined())
        assert backend.stories() == {("Checkout", "refused"): 1}
        backend.remove(STORY, service="shop", story_name="Checkout", status="refused")


# What is rejected


def shown_once() -> Iterator[type[Exception]]:
    yield Declined


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        (
            None,
            r"^PrometheusMetricsHook\(expected=...\) takes exception classes, not None: expected=\(PaymentDeclined,\)$",
        ),
        ("Declined", "not a str: "),
        ([Declined, "SoldOut"], "not a str: "),
        ([(Declined, SoldOut)], "not a tuple: "),
        (Declined("4711"), "not a Declined, an object of one: "),
        ([KeyError("4711")], "not a KeyError, an object of one: "),
        (int, "not the class int, which is no exception; take it out$"),
        (asyncio.CancelledError, "the class CancelledError, which ends a run as cancelled; take it out$"),
        ([Declined, KeyboardInterrupt], "the class KeyboardInterrupt, which ends a run as cancelled"),
        (CompensationError, "cannot take the class CompensationError: something is left that was not undone"),
        ([LeftOver], "cannot take the class LeftOver"),
    ],
)
def test_what_can_be_no_refusal_is_rejected_with_what_to_write(backend: Backend, expected: Any, message: str) -> None:
    before = backend.render()
    with pytest.raises(TypeError, match=message) as rejected:
        backend.new_hook(expected=expected)
    assert "4711" not in str(rejected.value)
    assert backend.render() == before


def test_classes_are_read_once_from_any_iterable(backend: Backend) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(expected=shown_once())])
    for _ in range(2):
        run(story, charge=Declined())
    assert backend.stories() == {("Checkout", "refused"): 2}


@pytest.mark.parametrize(
    ("first", "second"), [(Declined, ()), ((), Declined), ([Declined], [Declined, KeyError]), (Declined, SoldOut)]
)
def test_hooks_on_one_series_that_expect_different_things_are_rejected_with_both(
    backend: Backend, first: Any, second: Any
) -> None:
    def named(expected: Any) -> str:
        classes = [expected] if isinstance(expected, type) else expected
        return ", ".join(sorted(f"{one.__module__}.{one.__qualname__}" for one in classes))

    labels = {"env": "test"}
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(expected=first, labels=labels)])
    with pytest.raises(ValueError, match=f"the same series of {STORY}") as rejected:
        backend.new_hook(expected=second, labels=labels)
    assert f"already, with expected=({named(first)})," in str(rejected.value)
    assert f"wants expected=({named(second)});" in str(rejected.value)
    perform(story, Notes())
    assert backend.stories() == {("Checkout", "completed"): 1}
    backend.new_hook(expected=first, labels=labels)


def test_hooks_on_other_series_may_expect_something_else(backend: Backend) -> None:
    backend.new_hook(labels={"env": "test"}, expected=Declined)
    backend.new_hook(labels={"env": "live"}, expected=KeyError)
    backend.new_hook(labels={"env": "test"}, app_name="office")
    backend.new_hook(prefix="our", expected=KeyError)


def test_hooks_that_expect_the_same_in_another_order_are_equal(backend: Backend) -> None:
    story = checkout("sync")
    hooks = [backend.new_hook(expected=expected) for expected in ((Declined, KeyError), [KeyError, Declined, KeyError])]
    inject_hooks(story, hooks)
    run(story, charge=Declined())
    assert backend.stories() == {("Checkout", "refused"): 1}
