from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from dbos import DBOS
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from dddkit.stories import I, Story, StoryState, inject_hooks, variable
from dddkit.stories.dbos import Durable
from dddkit.stories.durable import RunStatus, Signal
from dddkit.stories.opentelemetry import TracingHook
from tests.durable.launched import configured


@dataclass(frozen=True)
class Approved(Story):
    I.before
    I.approval
    I.after

    class State(StoryState):
        approved: bool = variable()

    approval: Any

    async def before(self, state: State) -> None: ...
    async def after(self, state: State) -> None: ...


SPANS = InMemorySpanExporter()


@pytest.fixture(scope="module")
def provider() -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(SPANS))
    return provider


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory, provider: TracerProvider) -> Iterator[Durable[Any]]:
    inject_hooks(Approved, [TracingHook(provider)])
    with configured(f"sqlite:///{tmp_path_factory.mktemp('traces')}/shop.sqlite"):
        approved: Durable[Any] = Durable(Approved(Signal("approval", into="approved")), name="approved")
        DBOS.launch()
        yield approved


@pytest.mark.parametrize("is_resumed", [False, True], ids=["uninterrupted", "resumed"])
def test_a_run_goes_on_in_the_trace_that_it_was_started_in(
    approved: Durable[Any], provider: TracerProvider, is_resumed: bool
) -> None:
    SPANS.clear()
    with provider.get_tracer("tests").start_as_current_span("request") as request:
        run_id = approved.start(Approved.State())
    while approved.status(run_id) is not RunStatus.WAITING:
        time.sleep(0.005)
    if is_resumed:
        approved.cancel(run_id, undo=False)
        approved.resume(run_id)  # it is read from the database, in a thread that knows nothing
    approved.signal(run_id, "approval", True)
    approved.result(run_id)
    spans = {span.name: span for span in SPANS.get_finished_spans()}
    assert {"Approved", "Approved.after"} <= spans.keys()
    contexts = [span.get_span_context() for span in spans.values()]
    assert {context.trace_id for context in contexts if context} == {request.get_span_context().trace_id}
    parent = spans["Approved"].parent
    assert parent is not None
    assert parent.span_id == request.get_span_context().span_id
