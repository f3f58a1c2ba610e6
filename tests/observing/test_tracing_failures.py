"""What of OpenTelemetry fails, and what errors of a step cannot be described: the story and its spans go on."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from dddkit.stories import I, StepExecutionInfo, Story, StoryExecutionContext, inject_hooks
from tests.observing.backends import with_odd_step
from tests.stories.shop import Declined, Mode, Notes, both_modes, checkout, perform

pytest.importorskip("opentelemetry.sdk", reason="needs the SDK")

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import StatusCode

from dddkit.stories.opentelemetry import TracingHook

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:opentelemetry")


class Keeping(SpanProcessor):
    """Keeps what has ended, without a context of its own, which the processors of the SDK attach."""

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


class Tracing:
    """A hook whose spans are kept."""

    def __init__(self, **options: Any) -> None:
        self.keeping = Keeping()
        self.provider = TracerProvider(**options)
        self.provider.add_span_processor(self.keeping)
        self.hook = TracingHook(self.provider)

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.keeping.ended}

    def parents(self) -> dict[str, str | None]:
        found = self.spans()
        names = {cast("Any", span.get_span_context()).span_id: name for name, span in found.items()}
        return {name: names[span.parent.span_id] if span.parent else None for name, span in found.items()}


ALL = {"Checkout.reserve": "Checkout", "Checkout.charge": "Checkout", "Checkout.ship": "Checkout", "Checkout": None}


def reports(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "dddkit.stories.hooks"]


def runs_as_without_hooks(mode: Mode, hook: TracingHook) -> None:
    """Run a story that completes and one that fails; compare them with those of no hook."""
    story, state, own = checkout(mode), Notes(), Declined("own")
    inject_hooks(story, [hook])
    perform(story, state)
    assert state.log == ["reserve", "charge", "ship"]
    with pytest.raises(Declined) as caught:
        perform(story, Notes(charge=own))
    assert caught.value is own
    assert own.__context__ is None
    assert own.__cause__ is None


# Runtime contexts


class Plain(ContextVarsRuntimeContext):
    """Keeps the current context in an attribute; its tokens are plain objects."""

    def __init__(self) -> None:
        super().__init__()
        self.current = Context()

    def attach(self, context: Context) -> Any:
        token, self.current = [self.current], context
        return token

    def get_current(self) -> Context:
        return self.current

    def detach(self, token: Any) -> None:
        [self.current] = token


class NoTokens(Plain):
    def attach(self, context: Context) -> Any:
        self.current = context
        return None

    def detach(self, token: Any) -> None:
        assert token is None
        self.current = Context()


class Failing(Plain):
    """Fails in one of its methods, once a test has said so."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method

    def attach(self, context: Context) -> Any:
        self.fail("attach")
        return super().attach(context)

    def get_current(self) -> Context:
        self.fail("get_current")
        return super().get_current()

    def detach(self, token: Any) -> None:
        super().detach(token)
        self.fail("detach")

    def fail(self, method: str) -> None:
        if method == self.method:
            raise LookupError(f"no {method}")


@both_modes
def test_fm3_a_context_whose_tokens_are_plain_objects_traces_like_any_other(
    mode: Mode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    context, tracing = Plain(), Tracing()
    monkeypatch.setattr("opentelemetry.context._RUNTIME_CONTEXT", context)
    story = checkout(mode)
    inject_hooks(story, [tracing.hook])
    perform(story, Notes())
    assert tracing.parents() == ALL
    assert context.current == Context()
    runs_as_without_hooks(mode, tracing.hook)
    assert context.current == Context()
    assert caplog.records == []


@both_modes
def test_fm3_a_context_without_tokens(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    context, tracing = NoTokens(), Tracing()
    monkeypatch.setattr("opentelemetry.context._RUNTIME_CONTEXT", context)
    runs_as_without_hooks(mode, tracing.hook)
    assert context.current == Context()


@both_modes
@pytest.mark.parametrize("method", ["attach", "detach", "get_current"])
def test_fm3_a_context_that_fails_is_logged_once_and_the_spans_are_ended(
    mode: Mode, method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("opentelemetry.context._RUNTIME_CONTEXT", Failing(method))
    tracing = Tracing()
    runs_as_without_hooks(mode, tracing.hook)
    assert len(caplog.records) == len(reports(caplog)) == 1
    if method != "get_current":  # without it, there is no span
        assert tracing.spans().keys() == ALL.keys()
        assert tracing.spans()["Checkout"].end_time is not None


PROGRAM = """
from opentelemetry.context import get_current
from opentelemetry.sdk.trace import TracerProvider
from dddkit.stories import I, StepExecutionInfo, Story, StoryExecutionContext, inject_hooks
from dddkit.stories.opentelemetry import TracingHook

class Pay(Story):
    I.authorize

    def authorize(self, state):
        print(type(__import__("opentelemetry.context").context._RUNTIME_CONTEXT).__name__, len(get_current()))

inject_hooks(Pay, [TracingHook(TracerProvider())])
Pay()(None)
print(len(get_current()))
"""


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no processes to start")
def test_fm3_a_context_chosen_by_otel_python_context(tmp_path: Path) -> None:
    (tmp_path / "plain_context.py").write_text(
        """
class Plain:
    def __init__(self):
        from opentelemetry.context import Context
        self.current = Context()
    def attach(self, context):
        token, self.current = object(), context
        self.before = {token: self.current}
        return token
    def get_current(self):
        return self.current
    def detach(self, token):
        from opentelemetry.context import Context
        self.current = Context()
"""
    )
    info = tmp_path / "plain_context-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plain-context\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[opentelemetry_context]\nplain = plain_context:Plain\n")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OTEL_PYTHON_CONTEXT": "plain"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.split() == ["Plain", "1", "0"]


def test_fm3_a_coroutine_that_another_task_closes_leaves_that_task_alone(caplog: pytest.LogCaptureFixture) -> None:
    tracing = Tracing()

    class Paused(Story):
        I.pause

        async def pause(self, state: object) -> None:
            await asyncio.sleep(0)

    inject_hooks(Paused, [tracing.hook])
    run: Any = Paused()(None)
    contextvars.Context().run(run.send, None)
    with trace.use_span(tracing.provider.get_tracer("test").start_span("outside")) as outside:
        run.close()
        assert trace.get_current_span() is outside
    assert tracing.spans()["Paused"].end_time is not None
    assert caplog.records == []


# Tracers


class Broken(SpanProcessor):
    """A span processor that fails at the start or at the end of a span."""

    def __init__(self, at: str) -> None:
        self.at = at

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        if self.at == "start":
            raise OSError("gone")

    def on_end(self, span: ReadableSpan) -> None:
        if self.at == "end":
            raise OSError("gone")


class BrokenExporter(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        raise OSError("gone")


class BrokenSampler(Sampler):
    def should_sample(self, *args: Any, **named: Any) -> Any:
        raise OSError("gone")

    def get_description(self) -> str:
        return "broken"


def broken_by(what: str) -> Tracing:
    tracing = Tracing(sampler=BrokenSampler()) if what == "sampler" else Tracing()
    if what == "exporter":
        tracing.provider.add_span_processor(SimpleSpanProcessor(BrokenExporter()))
    elif what != "sampler":
        tracing.provider.add_span_processor(Broken(what))
    return tracing


@both_modes
@pytest.mark.parametrize("what", ["start", "end", "exporter", "sampler"])
def test_fm3_a_tracer_that_fails_is_logged_at_most_once_and_leaves_no_span_current(
    mode: Mode, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    runs_as_without_hooks(mode, broken_by(what).hook)
    assert len(reports(caplog)) == (0 if what == "exporter" else 1)  # the SDK logs what an exporter raises
    assert not trace.get_current_span().is_recording()


METHODS = ["set_attribute", "set_status", "record_exception", "end"]


@both_modes
@pytest.mark.parametrize("method", METHODS)
def test_fm3_fr20_a_span_that_fails_in_one_thing_does_the_others(
    mode: Mode, method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tracing = Tracing()

    def fail(*args: object, **named: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(f"opentelemetry.sdk.trace.Span.{method}", fail)
    runs_as_without_hooks(mode, tracing.hook)
    assert len(reports(caplog)) == 1
    if method != "end":
        span = tracing.spans()["Checkout"]
        assert span.status.status_code is (StatusCode.UNSET if method == "set_status" else StatusCode.ERROR)
    assert not trace.get_current_span().is_recording()


def test_fm3_a_logger_that_fails_does_not_fail_the_story(caplog: pytest.LogCaptureFixture) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise OSError("the disk is full")

    logger = logging.getLogger("dddkit.stories.hooks")
    logger.addFilter(fail)
    try:
        runs_as_without_hooks("sync", broken_by("start").hook)
    finally:
        logger.removeFilter(fail)


# Errors that cannot be described


class Mute(Declined):
    def __str__(self) -> str:
        raise ValueError("no words")


class NoText(Declined):
    def __str__(self) -> str:
        return cast("str", 7)


class Falsy(Declined):
    def __bool__(self) -> bool:
        raise ValueError("neither")


class Shy(Declined):
    def __repr__(self) -> str:
        raise ValueError("no repr")

    def __eq__(self, other: object) -> bool:
        raise ValueError("incomparable")

    def __hash__(self) -> int:
        raise ValueError("not to be hashed")


@both_modes
@pytest.mark.parametrize("kind", [Mute, NoText, Shy])
def test_fr20_an_error_that_cannot_be_described_sets_the_status_of_its_spans(mode: Mode, kind: type[Declined]) -> None:
    tracing, story, own = Tracing(), checkout(mode), kind("own")
    inject_hooks(story, [tracing.hook])
    with pytest.raises(kind) as caught:
        perform(story, Notes(charge=own))
    assert caught.value is own
    for name in ("Checkout", "Checkout.charge"):
        span = tracing.spans()[name]
        assert span.status.status_code is StatusCode.ERROR
        assert (span.status.description or "").startswith(kind.__name__)
        assert (span.attributes or {})["dddkit.status"] == "failed"
        assert str((span.attributes or {})["error.type"]).endswith(kind.__name__)


def test_fr20_an_error_that_is_neither_true_nor_false_sets_the_status_of_its_spans() -> None:
    tracing, story, own = Tracing(), checkout("sync")(), Falsy("own")
    context = StoryExecutionContext(story)
    run: Any = tracing.hook.around_story(context)
    next(run)
    charge = StepExecutionInfo("charge", error=own)
    step: Any = tracing.hook.around_step(context, charge)
    next(step)
    for generator in (step, run):
        with pytest.raises(Falsy):
            generator.throw(own)
    assert [span.status.description for span in tracing.spans().values()] == ["Falsy: own"] * 2


# Text that no exporter can encode


def encoded(span: ReadableSpan) -> None:
    """Encode what an exporter sends: the name, the attributes, the status and the events."""
    texts = [span.name, span.status.description or ""]
    for attributes in (span.attributes, *(event.attributes for event in span.events)):
        texts += [value for value in (attributes or {}).values() if isinstance(value, str)]
    for text in texts:
        text.encode()


@both_modes
def test_fr17_the_spans_of_a_step_whose_name_has_a_lone_surrogate_can_be_exported(mode: Mode) -> None:
    tracing, story = Tracing(), with_odd_step(mode)
    inject_hooks(story, [tracing.hook])
    perform(story, Notes())
    assert tracing.spans().keys() == {"Odd", "Odd.reserve", "Odd.pay\\ud800"}
    for span in tracing.keeping.ended:
        encoded(span)


@both_modes
def test_fr17_an_error_whose_text_has_a_lone_surrogate_can_be_exported(mode: Mode) -> None:
    tracing, story = Tracing(), checkout(mode)
    inject_hooks(story, [tracing.hook])
    with pytest.raises(Declined):
        perform(story, Notes(charge=Declined("no file \udcff")))
    span = tracing.spans()["Checkout"]
    encoded(span)
    assert span.status.description == "Declined: no file \\udcff"
    assert "Declined: no file \\udcff" in str((span.events[0].attributes or {})["exception.stacktrace"])


def test_fr17_other_characters_stay_as_they_are() -> None:
    tracing, story = Tracing(), checkout("sync")
    inject_hooks(story, [tracing.hook])
    with pytest.raises(Declined):
        perform(story, Notes(charge=Declined("größer als 5 €")))
    assert tracing.spans()["Checkout"].status.description == "Declined: größer als 5 €"


# Cycles


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    logging.getLogger("dddkit.stories.hooks").disabled = False


@both_modes
@pytest.mark.parametrize("what", ["", "start", "end", "detach"])
def test_fr4_a_failed_run_with_a_tracing_hook_is_freed_without_the_collector(
    mode: Mode, what: str, no_collector: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger("dddkit.stories.hooks").disabled = True  # caplog would keep the records
    if what == "detach":
        monkeypatch.setattr("opentelemetry.context._RUNTIME_CONTEXT", Failing("detach"))
    tracing = broken_by(what) if what in ("start", "end") else Tracing()
    hook: Any = tracing.hook.around_story(StoryExecutionContext(checkout(mode)()))
    error: Declined | None = Declined()
    watched = weakref.ref(error)
    next(hook)
    with suppress(Declined):
        hook.throw(error)
    del hook, error
    assert watched() is None
