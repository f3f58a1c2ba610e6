"""Several hooks with equal settings: a run calls the first only."""

from __future__ import annotations

import logging
from types import new_class
from typing import Any, cast

import pytest

from dddkit.stories import LoggingHook, StepExecutionInfo, Story, StoryExecutionContext, inject_hooks
from dddkit.stories.metrics import MetricsHook
from tests.observing.backends import STEP, STORY, AioPrometheus, Backend, PrometheusClient, backend
from tests.stories.shop import Mode, Notes, both_modes, checkout, perform

__all__ = ["backend"]


def child_of(story: type[Story]) -> type[Story]:
    return cast("type[Story]", new_class("Child", (story,)))


@both_modes
def test_fm1_start_up_code_that_runs_twice_counts_each_run_once(backend: Backend, mode: Mode) -> None:
    story = checkout(mode)
    for _ in range(2):
        inject_hooks(story, [backend.new_hook(app_name="shop", labels={"env": "test", "zone": "a"})])
    perform(story, Notes())
    assert backend.stories() == {("Checkout", "completed"): 1}
    assert backend.steps() == {(step, "completed"): 1 for step in ("reserve", "charge", "ship")}


@both_modes
def test_fm1_a_hook_of_a_base_class_and_one_of_its_child_count_each_run_once(backend: Backend, mode: Mode) -> None:
    story = checkout(mode)
    child = child_of(story)
    inject_hooks(story, [backend.new_hook()])
    inject_hooks(child, [backend.new_hook()])
    perform(child, Notes())
    assert backend.stories() == {("Child", "completed"): 1}
    assert sum(backend.steps().values()) == 3


def test_fm1_defaults_that_are_written_out_are_equal_settings(backend: Backend) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(labels={"a": "1", "b": "2"})])
    inject_hooks(
        story,
        [
            backend.new_hook(
                app_name="dddkit_stories",
                prefix="dddkit_stories",
                labels={"b": "2", "a": "1"},
                buckets=["10", 25, 50, 100, 300, 500, 1000, 2000, 5000, 10000, "+Inf"],
            )
        ],
    )
    perform(story, Notes())
    assert sum(backend.stories().values()) == 1


@pytest.mark.parametrize(
    "options", [{"app_name": "office"}, {"labels": {"env": "live"}}, {"prefix": "our", "labels": {"env": "test"}}]
)
def test_fm1_hooks_that_differ_in_anything_both_count(backend: Backend, options: dict[str, Any]) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook(labels={"env": "test"})])
    inject_hooks(story, [backend.new_hook(**{"labels": {"env": "test"}, **options})])
    perform(story, Notes())
    counts = [
        value for sample, value in backend.samples().items() if sample.name.endswith("_executions_latency_ms_count")
    ]
    assert sum(counts) == 2 * (1 + 3)


def test_fm1_hooks_with_registries_of_their_own_both_count() -> None:
    pytest.importorskip("aioprometheus", reason="needs both libraries")
    backends: list[Backend] = [PrometheusClient(), PrometheusClient(), AioPrometheus(), AioPrometheus()]
    story = checkout("sync")
    for one in backends:
        inject_hooks(story, [one.new_hook()])
    perform(story, Notes())
    assert [one.stories() for one in backends] == [{("Checkout", "completed"): 1}] * 4


@both_modes
def test_fm1_the_second_hook_counts_when_the_first_is_removed(backend: Backend, mode: Mode) -> None:
    story = checkout(mode)
    first = inject_hooks(story, [backend.new_hook()])
    second = inject_hooks(story, [backend.new_hook()])
    perform(story, Notes())
    first.remove()
    perform(story, Notes())
    assert backend.stories() == {("Checkout", "completed"): 2}
    assert sum(backend.steps().values()) == 2 * 3
    second.remove()
    perform(story, Notes())
    assert backend.stories() == {("Checkout", "completed"): 2}


def test_fm1_registrations_stay_as_they_are(backend: Backend) -> None:
    story, hooks = checkout("sync"), [backend.new_hook(), backend.new_hook()]
    for hook in hooks:
        inject_hooks(story, [hook])
    assert [callback.__self__ for callback in cast("Any", story).__step_hooks__["after"]] == hooks


def test_fm1_a_nested_story_counts_for_itself(backend: Backend) -> None:
    inner = checkout("sync")
    outer = cast("Any", new_class("Outer", (checkout("sync"),), exec_body=lambda body: body.update(charge=inner())))
    inject_hooks(inner, [backend.new_hook()])
    inject_hooks(outer, [backend.new_hook()])
    perform(outer, Notes())
    assert backend.stories() == {("Outer", "completed"): 1, ("Checkout", "completed"): 1}


def test_fm1_a_new_hook_counts_beside_one_whose_metric_was_unregistered(backend: Backend) -> None:
    story = checkout("sync")
    inject_hooks(story, [backend.new_hook()])
    backend.unregister(STORY)
    backend.unregister(STEP)
    inject_hooks(story, [backend.new_hook()])
    perform(story, Notes())
    assert backend.stories() == {("Checkout", "completed"): 1}
    assert sum(backend.steps().values()) == 3


# Subclasses


def subclass(hook: MetricsHook, **methods: Any) -> type[MetricsHook]:
    return cast("type[MetricsHook]", new_class("Own", (type(hook),), exec_body=lambda body: body.update(methods)))


def test_fm1_a_subclass_that_changes_nothing_is_an_equal_hook(backend: Backend) -> None:
    first = backend.new_hook()
    second = cast("Any", subclass(first))(registry=backend.registry)
    story = checkout("sync")
    inject_hooks(story, [first])
    inject_hooks(story, [second])
    perform(story, Notes())
    assert sum(backend.stories().values()) == 1


def test_fm1_a_subclass_that_overrides_a_method_is_called_too_and_its_equals_are_not(backend: Backend) -> None:
    first = backend.new_hook()
    seen: list[str] = []

    def after(self: MetricsHook, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        seen.append(step.step_name)

    own: Any = subclass(first, after=after)
    story = checkout("sync")
    inject_hooks(story, [first])
    for _ in range(2):
        inject_hooks(story, [own(registry=backend.registry)])
    perform(story, Notes())
    assert seen == ["reserve", "charge", "ship"]
    assert sum(backend.steps().values()) == 3


@pytest.mark.parametrize("slots", [(), ("rate",)])
def test_fm1_hooks_of_a_subclass_with_other_attributes_are_both_called(
    backend: Backend, slots: tuple[str, ...]
) -> None:
    seen: list[float] = []

    def after(self: Any, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        seen.append(self.rate)

    own: Any = subclass(backend.new_hook(), after=after, **({"__slots__": slots} if slots else {}))
    story = checkout("sync")
    for rate in (0.1, 0.1, 0.5):
        hook = own(registry=backend.registry)
        hook.rate = rate
        inject_hooks(story, [hook])
    perform(story, Notes())
    assert seen == [0.1, 0.5] * 3


def test_fm1_attributes_that_cannot_be_compared_are_other_attributes(backend: Backend) -> None:
    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ambiguous")

        def __hash__(self) -> int:
            raise ValueError("not to be hashed")

    own: Any = subclass(backend.new_hook())
    story = checkout("sync")
    for _ in range(2):
        hook = own(registry=backend.registry)
        hook.odd = Odd()
        inject_hooks(story, [hook])
    perform(story, Notes())
    assert sum(backend.stories().values()) == 2


# Its neighbours: what else start-up code that runs twice injects


@both_modes
def test_fm1_equal_tracing_hooks_make_one_span_for_each_run_and_step(mode: Mode) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="needs the SDK")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from dddkit.stories.opentelemetry import TracingHook

    exporters = [InMemorySpanExporter(), InMemorySpanExporter()]
    providers = [TracerProvider(), TracerProvider()]
    story = checkout(mode)
    for provider, exporter in zip(providers, exporters, strict=True):
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        inject_hooks(story, [TracingHook(provider)])
        inject_hooks(story, [TracingHook(provider)])
    perform(story, Notes())
    assert [len(exporter.get_finished_spans()) for exporter in exporters] == [4, 4]


def test_fm1_equal_logging_hooks_write_each_record_once(caplog: pytest.LogCaptureFixture) -> None:
    story = checkout("sync")
    for _ in range(2):
        inject_hooks(story, [LoggingHook()])
    inject_hooks(child := child_of(story), [LoggingHook()])
    with caplog.at_level(logging.DEBUG, "dddkit.stories.story"):
        perform(child, Notes())
    assert len(caplog.records) == 3 + 1
