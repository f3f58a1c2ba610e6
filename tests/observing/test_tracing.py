"""The spans of stories, as the in-memory exporter of the SDK receives them."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from dddkit.stories import I, Story, inject_hooks
from tests.stories.recording import Recorder
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform, run_alone

pytest.importorskip("opentelemetry.sdk", reason="needs the SDK")

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from dddkit.stories.opentelemetry import TracingHook


class Tracing:
    """A tracer provider with an in-memory exporter."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.hook = TracingHook(self.provider)

    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def span(self, name: str) -> ReadableSpan:
        [found] = [span for span in self.spans() if span.name == name]
        return found

    def statuses(self) -> dict[str, object]:
        return {span.name: attributes(span)["dddkit.status"] for span in self.spans()}

    def parents(self) -> dict[str, str | None]:
        names = {number(span): span.name for span in self.spans()}
        return {span.name: names[span.parent.span_id] if span.parent else None for span in self.spans()}


def number(span: ReadableSpan) -> int:
    return int(where(span).span_id)


def where(span: ReadableSpan) -> SpanContext:
    context: SpanContext | None = span.get_span_context()
    assert context is not None
    return context


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.fixture
def tracing() -> Tracing:
    return Tracing()


@both_modes
def test_a_run_is_a_span_and_each_step_a_span_inside_it(tracing: Tracing, mode: Mode) -> None:
    story = checkout(mode)
    inject_hooks(story, [tracing.hook])
    perform(story, Notes())
    assert [span.name for span in tracing.spans()] == [
        "Checkout.reserve",
        "Checkout.charge",
        "Checkout.ship",
        "Checkout",
    ]
    assert tracing.parents() == {
        "Checkout.reserve": "Checkout",
        "Checkout.charge": "Checkout",
        "Checkout.ship": "Checkout",
        "Checkout": None,
    }
    assert {span.status.status_code for span in tracing.spans()} == {StatusCode.UNSET}
    assert {span.kind for span in tracing.spans()} == {SpanKind.INTERNAL}
    assert attributes(tracing.span("Checkout")) == {"dddkit.story.name": "Checkout", "dddkit.status": "completed"}
    assert attributes(tracing.span("Checkout.charge")) == {
        "dddkit.story.name": "Checkout",
        "dddkit.step.name": "charge",
        "dddkit.step.index": 1,
        "dddkit.status": "completed",
    }
    assert not trace.get_current_span().is_recording()


def test_the_spans_name_the_kit_and_its_version_as_their_origin(tracing: Tracing) -> None:
    import dddkit

    story = checkout("sync")
    inject_hooks(story, [tracing.hook])
    perform(story, Notes())
    for span in tracing.spans():
        assert span.instrumentation_scope is not None
        assert (span.instrumentation_scope.name, span.instrumentation_scope.version) == ("dddkit", dddkit.__version__)


@both_modes
def test_a_failure_sets_the_status_and_records_the_exception(tracing: Tracing, mode: Mode) -> None:
    story = checkout(mode)
    inject_hooks(story, [tracing.hook])
    with pytest.raises(Declined):
        perform(story, Notes(charge=Declined("no cover")))
    assert tracing.statuses() == {
        "Checkout.reserve": "completed",
        "Checkout.charge": "failed",
        "Checkout": "failed",
    }
    for name in ("Checkout.charge", "Checkout"):
        span = tracing.span(name)
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "Declined: no cover")
        assert attributes(span)["error.type"] == "tests.stories.shop.Declined"
        [event] = span.events
        assert event.name == "exception"
        assert dict(event.attributes or {})["exception.message"] == "no cover"
    assert not tracing.span("Checkout.reserve").events


def test_an_error_of_python_itself_is_named_without_its_module(tracing: Tracing) -> None:
    story = checkout("sync")
    inject_hooks(story, [tracing.hook])
    with pytest.raises(ValueError, match="bad"):
        perform(story, Notes(reserve=ValueError("bad")))
    assert attributes(tracing.span("Checkout"))["error.type"] == "ValueError"


@both_modes
def test_a_step_that_a_guard_stops_has_failed(tracing: Tracing, mode: Mode) -> None:
    story = checkout(mode)
    inject_hooks(story, [tracing.hook, Recorder("guard", [], before=Declined())])
    with pytest.raises(Declined):
        perform(story, Notes())
    assert tracing.statuses() == {"Checkout.reserve": "failed", "Checkout": "failed"}


@both_modes
def test_a_hook_that_fails_after_a_step_fails_the_run_and_not_the_step(tracing: Tracing, mode: Mode) -> None:
    story = checkout(mode)
    inject_hooks(story, [tracing.hook, Recorder("other", [], after=Declined())])
    with pytest.raises(Declined):
        perform(story, Notes())
    assert tracing.statuses() == {"Checkout.reserve": "completed", "Checkout": "failed"}
    assert tracing.span("Checkout.reserve").status.status_code is StatusCode.UNSET
    assert tracing.span("Checkout").status.status_code is StatusCode.ERROR


class Waiting(Story):
    I.wait

    async def wait(self, state: asyncio.Event) -> None:
        state.set()
        await asyncio.sleep(3600)


def test_a_cancelled_run_ends_its_spans_without_an_error(tracing: Tracing) -> None:
    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.ensure_future(Waiting()(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with inject_hooks(Waiting, [tracing.hook]):
        asyncio.run(main())
    assert tracing.statuses() == {"Waiting.wait": "cancelled", "Waiting": "cancelled"}
    assert {span.status.status_code for span in tracing.spans()} == {StatusCode.UNSET}
    assert not [event for span in tracing.spans() for event in span.events]


@both_modes
def test_ctrl_c_is_a_cancellation(tracing: Tracing, mode: Mode) -> None:
    story = checkout(mode)
    inject_hooks(story, [tracing.hook])
    with pytest.raises(KeyboardInterrupt):
        (run_alone if mode == "sync" else perform)(story, Notes(reserve=KeyboardInterrupt()))
    assert tracing.statuses() == {"Checkout.reserve": "cancelled", "Checkout": "cancelled"}


def test_a_coroutine_closed_from_another_context_ends_its_spans_and_leaves_that_context_alone(
    tracing: Tracing, caplog: pytest.LogCaptureFixture
) -> None:
    class Paused(Story):
        I.pause

        async def pause(self, state: object) -> None:
            await asyncio.sleep(0)

    inject_hooks(Paused, [tracing.hook])
    coroutine: Any = Paused()(None)
    contextvars.Context().run(coroutine.send, None)
    with trace.use_span(tracing.provider.get_tracer("test").start_span("outside")) as outside:
        coroutine.close()
        assert trace.get_current_span() is outside
    assert tracing.statuses() == {"Paused.pause": "cancelled", "Paused": "cancelled"}
    assert caplog.records == []


@both_modes
def test_a_nested_story_stands_inside_the_step_that_runs_it(tracing: Tracing, mode: Mode) -> None:
    inner = checkout(mode)

    class Outer(Story):
        I.pay
        I.thank

        pay = inner()

        def thank(self, state: object) -> None: ...

    inject_hooks(inner, [tracing.hook])
    inject_hooks(Outer, [tracing.hook])
    perform(Outer, Notes())
    assert tracing.parents() == {
        "Outer": None,
        "Outer.pay": "Outer",
        "Checkout": "Outer.pay",
        "Checkout.reserve": "Checkout",
        "Checkout.charge": "Checkout",
        "Checkout.ship": "Checkout",
        "Outer.thank": "Outer",
    }


def test_a_run_stands_inside_the_span_of_its_caller_and_what_a_step_traces_inside_the_step(tracing: Tracing) -> None:
    tracer = tracing.provider.get_tracer("test")

    class Fetching(Story):
        I.fetch

        async def fetch(self, state: object) -> None:
            with tracer.start_as_current_span("GET"):
                await asyncio.sleep(0)

    inject_hooks(Fetching, [tracing.hook])

    async def main() -> None:
        with tracer.start_as_current_span("request"):
            await Fetching()(None)

    asyncio.run(main())
    assert tracing.parents() == {
        "request": None,
        "Fetching": "request",
        "Fetching.fetch": "Fetching",
        "GET": "Fetching.fetch",
    }


def test_1000_concurrent_runs_each_have_a_tree_of_their_own(tracing: Tracing) -> None:
    inner = checkout("async")

    class Outer(Story):
        I.wait
        I.pay

        async def wait(self, state: Notes) -> None:
            await asyncio.sleep(0.001 * (id(state) % 7))

        pay = inner()

    inject_hooks(Outer, [tracing.hook])
    inject_hooks(inner, [tracing.hook])

    async def main() -> None:
        runs = [Outer()(Notes() if index % 4 else Notes(charge=Declined())) for index in range(1000)]
        results = await asyncio.gather(*runs, return_exceptions=True)
        assert sum(isinstance(result, Declined) for result in results) == 250

    asyncio.run(main())
    spans = tracing.spans()
    by_number = {number(span): span for span in spans}

    def path(span: ReadableSpan) -> str:
        return (path(by_number[span.parent.span_id]) + " > " if span.parent else "") + span.name

    assert Counter(path(span) for span in spans) == {
        "Outer": 1000,
        "Outer > Outer.wait": 1000,
        "Outer > Outer.pay": 1000,
        "Outer > Outer.pay > Checkout": 1000,
        "Outer > Outer.pay > Checkout > Checkout.reserve": 1000,
        "Outer > Outer.pay > Checkout > Checkout.charge": 1000,
        "Outer > Outer.pay > Checkout > Checkout.ship": 750,
    }
    # Each run has its own trace, which holds only its own spans.
    traces = Counter(where(span).trace_id for span in spans)
    assert Counter(traces.values()) == {7: 750, 6: 250}
    assert len({(span.parent.span_id, span.name) for span in spans if span.parent}) == 5750


class Broken(SpanProcessor):
    """A span processor that raises at the start or at the end of each span."""

    def __init__(self, at: str) -> None:
        self._at = at

    def on_start(self, span: object, parent_context: object = None) -> None:
        if self._at == "start":
            raise OSError("collector gone")

    def on_end(self, span: object) -> None:
        if self._at == "end":
            raise OSError("collector gone")


@both_modes
@pytest.mark.parametrize("at", ["start", "end"])
def test_tracing_that_fails_never_fails_the_story(
    tracing: Tracing, mode: Mode, at: str, caplog: pytest.LogCaptureFixture
) -> None:
    tracing.provider.add_span_processor(Broken(at))
    story, state = checkout(mode), Notes()
    inject_hooks(story, [tracing.hook])
    perform(story, state)
    assert state.log == ["reserve", "charge", "ship"]
    [record] = [record for record in caplog.records if record.name == "dddkit.stories.hooks"]
    assert record.levelno == logging.ERROR
    assert "TracingHook could not record what a story did" in record.message
    with suppress(Declined):
        perform(story, Notes(charge=Declined()))
    assert not trace.get_current_span().is_recording()


@both_modes
def test_an_error_that_cannot_be_described_is_still_the_one_that_comes_out(tracing: Tracing, mode: Mode) -> None:
    class Mute(Declined):
        def __str__(self) -> str:
            raise ValueError("no words")

    story, own = checkout(mode), Mute()
    inject_hooks(story, [tracing.hook])
    with pytest.raises(Mute) as caught:
        perform(story, Notes(charge=own))
    assert caught.value is own
    assert tracing.statuses()["Checkout"] == "failed"


def test_without_an_sdk_nothing_happens() -> None:
    story, state = checkout("sync"), Notes()
    inject_hooks(story, [TracingHook(trace.NoOpTracerProvider())])
    perform(story, state)
    assert state.log == ["reserve", "charge", "ship"]
