"""The spans of compensations, and of steps and runs that were refused."""

from __future__ import annotations

from typing import Any

import pytest

from dddkit.exceptions import CompensationError
from dddkit.stories import I, StepExecutionInfo, StepStatus, Story, StoryExecutionContext, inject_hooks
from tests.observing.backends import undoable
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, derived, perform

pytest.importorskip("opentelemetry.sdk", reason="needs the SDK")

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import StatusCode

from dddkit.stories.opentelemetry import TracingHook
from tests.observing.test_tracing import Tracing, attributes, tracing

__all__ = ["tracing"]


def fail(story: type[Story], **errors: BaseException) -> None:
    with pytest.raises((Declined, CompensationError)):
        perform(story, Notes(**errors))


@both_modes
def test_a_compensation_is_a_span_inside_the_run_named_after_its_method(tracing: Tracing, mode: Mode) -> None:
    story = undoable(mode)
    inject_hooks(story, [tracing.hook])
    fail(story, ship=Declined())
    assert [span.name for span in tracing.spans()] == [
        "Checkout.reserve",
        "Checkout.charge",
        "Checkout.ship",
        "Checkout.refund",
        "Checkout.release",
        "Checkout",
    ]
    parents = tracing.parents()
    assert (parents["Checkout.refund"], parents["Checkout.release"]) == ("Checkout", "Checkout")
    assert attributes(tracing.span("Checkout.refund")) == {
        "dddkit.story.name": "Checkout",
        "dddkit.step.name": "charge",
        "dddkit.step.index": 1,
        "dddkit.compensation.name": "refund",
        "dddkit.status": "completed",
    }
    assert tracing.span("Checkout.refund").status.status_code is StatusCode.UNSET
    assert not trace.get_current_span().is_recording()


@both_modes
def test_a_compensation_that_fails_sets_the_status_and_records_the_exception(tracing: Tracing, mode: Mode) -> None:
    story = undoable(mode)
    inject_hooks(story, [tracing.hook])
    fail(story, ship=Declined(), refund=ConnectionError("gone"))
    assert tracing.statuses() == {
        "Checkout.reserve": "completed",
        "Checkout.charge": "completed",
        "Checkout.ship": "failed",
        "Checkout.refund": "failed",
        "Checkout.release": "completed",
        "Checkout": "failed",
    }
    span = tracing.span("Checkout.refund")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ConnectionError: gone")
    assert attributes(span)["error.type"] == "ConnectionError"
    assert [event.name for event in span.events] == ["exception"]
    assert attributes(tracing.span("Checkout"))["error.type"] == "dddkit.exceptions.CompensationError"


def test_a_compensation_that_is_interrupted_is_no_error(tracing: Tracing) -> None:
    story = undoable("sync")
    inject_hooks(story, [tracing.hook])
    with pytest.raises(KeyboardInterrupt):
        perform(story, Notes(ship=Declined(), refund=KeyboardInterrupt()))
    span = tracing.span("Checkout.refund")
    assert attributes(span)["dddkit.status"] == "cancelled"
    assert (span.status.status_code, list(span.events)) == (StatusCode.UNSET, [])


@both_modes
def test_what_a_compensation_traces_is_inside_its_span(tracing: Tracing, mode: Mode) -> None:
    tracer = tracing.provider.get_tracer("test")

    def pay_back(self: object, state: object) -> None:
        with tracer.start_as_current_span("POST"):
            pass

    async def pay_back_async(self: object, state: object) -> None:
        pay_back(self, state)

    story = derived(undoable(mode), refund=pay_back if mode == "sync" else pay_back_async)
    inject_hooks(story, [tracing.hook])
    fail(story, ship=Declined())
    assert tracing.parents()["POST"] == "Checkout.refund"


@both_modes
def test_a_nested_story_is_undone_inside_the_run_that_undoes_it(tracing: Tracing, mode: Mode) -> None:
    inner = undoable(mode)

    class Outer(Story):
        I.pay
        I.thank

        pay = inner()

        def thank(self, state: object) -> None:
            raise Declined

    inject_hooks(inner, [tracing.hook])
    inject_hooks(Outer, [tracing.hook])
    fail(Outer)
    parents = tracing.parents()
    assert parents["Checkout"] == "Outer.pay"
    assert (parents["Checkout.refund"], parents["Checkout.release"]) == ("Outer", "Outer")


class Broken(Sampler):
    def should_sample(self, *arguments: Any, **options: Any) -> Any:
        raise OSError("no tracer")

    def get_description(self) -> str:
        return "broken"


@both_modes
def test_a_tracer_that_fails_keeps_no_step_from_being_undone(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    story, state = undoable(mode), Notes(ship=Declined())
    inject_hooks(story, [TracingHook(TracerProvider(sampler=Broken()))])
    with pytest.raises(Declined):
        perform(story, state)
    assert state.log == ["reserve", "charge", "ship", "refund", "release"]
    assert [record.name for record in caplog.records] == ["dddkit.stories.hooks"]


def test_a_hook_can_be_tested_with_facts_made_by_hand(tracing: Tracing) -> None:
    step = StepExecutionInfo("charge", status=StepStatus.COMPLETED)
    run = tracing.hook.around_compensation(StoryExecutionContext(checkout("sync")(), steps=[step]), step)
    next(run)
    with pytest.raises(StopIteration):
        next(run)
    assert [span.name for span in tracing.spans()] == ["Checkout.undo charge"]


# Refusals


@both_modes
@pytest.mark.parametrize("expected", [Declined, (KeyError, Declined), [Exception]])
def test_a_refusal_leaves_the_status_unset_and_records_no_exception(
    tracing: Tracing, mode: Mode, expected: Any
) -> None:
    story = checkout(mode)
    inject_hooks(story, [TracingHook(tracing.provider, expected=expected)])
    fail(story, charge=Declined())
    assert tracing.statuses() == {
        "Checkout.reserve": "completed",
        "Checkout.charge": "refused",
        "Checkout": "refused",
    }
    for span in tracing.spans():
        assert (span.status.status_code, list(span.events)) == (StatusCode.UNSET, [])
        assert "error.type" not in attributes(span)


@both_modes
def test_where_the_undoing_fails_the_run_has_failed_and_so_has_the_compensation(tracing: Tracing, mode: Mode) -> None:
    story = undoable(mode)
    inject_hooks(story, [TracingHook(tracing.provider, expected=Exception)])
    fail(story, ship=Declined(), refund=Declined())
    statuses = tracing.statuses()
    assert (statuses["Checkout.ship"], statuses["Checkout.refund"], statuses["Checkout"]) == (
        "refused",
        "failed",
        "failed",
    )
    assert tracing.span("Checkout").status.status_code is StatusCode.ERROR


def test_what_is_not_expected_is_a_failure_still(tracing: Tracing) -> None:
    story = checkout("sync")
    inject_hooks(story, [TracingHook(tracing.provider, expected=[KeyError])])
    fail(story, charge=Declined())
    assert tracing.statuses()["Checkout.charge"] == "failed"
    assert tracing.span("Checkout.charge").status.status_code is StatusCode.ERROR


def test_what_can_be_no_refusal_is_rejected() -> None:
    for wrong in (None, "Declined", Declined(), KeyboardInterrupt, CompensationError):
        given: Any = wrong
        with pytest.raises(TypeError, match=r"^TracingHook\(expected=...\) "):
            TracingHook(expected=given)
