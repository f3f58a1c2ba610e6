"""The two metrics libraries behind one interface, so that every test runs with both."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dddkit.stories import I, Story, compensates
from dddkit.stories.metrics import MetricsHook
from tests.stories.shop import Mode, Notes, checkout, derived

STORY = "dddkit_stories_executions_latency_ms"
STEP = "dddkit_stories_step_executions_latency_ms"
COMPENSATION = "dddkit_stories_compensations_latency_ms"


class NewHook(Protocol):
    def __call__(
        self,
        app_name: str = ...,
        prefix: str = ...,
        labels: Mapping[str, str] | None = ...,
        buckets: Iterable[str | float] | None = ...,
        *,
        registry: Any = ...,
        expected: type[Exception] | Iterable[type[Exception]] = ...,
    ) -> MetricsHook: ...


class Sample(NamedTuple):
    name: str
    labels: frozenset[tuple[str, str]]


class Backend:
    """A metrics library with its own registry."""

    hook: NewHook
    registry: Any

    def render(self) -> str:
        """Return the text that a Prometheus server scrapes."""
        raise NotImplementedError

    def fail(self, patch: pytest.MonkeyPatch, error: BaseException) -> None:
        """Make every later observation fail."""
        raise NotImplementedError

    def occupy(self, name: str) -> None:
        """Register a metric that does not belong to the hook."""
        raise NotImplementedError

    def metric(self, name: str) -> Any:
        """Return the metric that the registry has under a name."""
        raise NotImplementedError

    def unregister(self, name: str) -> None:
        raise NotImplementedError

    def empty(self, metric: Any) -> None:
        """Remove all series of a metric, as its library does it."""
        raise NotImplementedError

    def remove(self, name: str, **labels: str) -> None:
        """Remove one series, as the library does it."""
        raise NotImplementedError

    def clear(self, name: str) -> None:
        self.empty(self.metric(name))

    def has(self, name: str, **labels: str) -> bool:
        return any(
            sample.name == f"{name}_count" and labels.items() <= dict(sample.labels).items()
            for sample in self.everything()
        )

    def new_hook(self, **options: Any) -> MetricsHook:
        return self.hook(registry=self.registry, **options)

    def samples(self) -> dict[Sample, float]:
        """Return the samples, without the series that are still at 0."""
        everything = self.everything()
        counted = {
            (sample.name.removesuffix("_count"), sample.labels)
            for sample, value in everything.items()
            if sample.name.endswith("_count") and value
        }
        return {
            sample: value
            for sample, value in everything.items()
            if (
                sample.name.rpartition("_")[0],
                frozenset(label for label in sample.labels if label[0] != "le"),
            )
            in counted
        }

    def everything(self) -> dict[Sample, float]:
        return {
            Sample(sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.render())
            for sample in family.samples
            if not sample.name.endswith("_created")  # the creation time, which only prometheus_client exports
        }

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of all samples with this name and these labels."""
        return sum(
            value
            for sample, value in self.samples().items()
            if sample.name == name and labels.items() <= dict(sample.labels).items()
        )

    def stories(self) -> Counter[tuple[str, str]]:
        """Count the runs by (story, status)."""
        return self._counts(f"{STORY}_count", "story_name", "status")

    def steps(self) -> Counter[tuple[str, str]]:
        """Count the steps by (step, status)."""
        return self._counts(f"{STEP}_count", "step_name", "status")

    def compensations(self) -> Counter[tuple[str, str]]:
        """Count the compensations by (step, status)."""
        return self._counts(f"{COMPENSATION}_count", "step_name", "status")

    def _counts(self, name: str, one: str, two: str) -> Counter[tuple[str, str]]:
        found = Counter[tuple[str, str]]()
        for sample, value in self.samples().items():
            if sample.name == name:
                labels = dict(sample.labels)
                found[labels[one], labels[two]] += int(value)
        return found


class PrometheusClient(Backend):
    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry

        from dddkit.stories.prometheus import PrometheusMetricsHook

        self.hook = PrometheusMetricsHook
        self.registry = CollectorRegistry()

    def render(self) -> str:
        from prometheus_client import generate_latest

        return generate_latest(self.registry).decode()

    def fail(self, patch: pytest.MonkeyPatch, error: BaseException) -> None:
        patch.setattr("prometheus_client.Histogram.observe", failing(error))

    def occupy(self, name: str) -> None:
        from prometheus_client import Histogram

        Histogram(name, "somebody else's", registry=self.registry)

    def metric(self, name: str) -> Any:
        return self.registry._names_to_collectors[name]

    def unregister(self, name: str) -> None:
        self.registry.unregister(self.metric(name))

    def empty(self, metric: Any) -> None:
        metric.clear()

    def remove(self, name: str, **labels: str) -> None:
        metric = self.metric(name)
        metric.remove(*[labels[label] for label in metric._labelnames])


class AioPrometheus(Backend):
    def __init__(self) -> None:
        from aioprometheus import Registry

        from dddkit.stories.aioprometheus import PrometheusMetricsHook

        self.hook = PrometheusMetricsHook
        self.registry = Registry()

    def render(self) -> str:
        from aioprometheus import render

        return render(self.registry, [])[0].decode()

    def fail(self, patch: pytest.MonkeyPatch, error: BaseException) -> None:
        patch.setattr("aioprometheus.histogram.Histogram.observe", failing(error))

    def occupy(self, name: str) -> None:
        from aioprometheus import Histogram

        Histogram(name, "somebody else's", registry=self.registry)

    def metric(self, name: str) -> Any:
        return self.registry.get(name)

    def unregister(self, name: str) -> None:
        self.registry.deregister(name)

    def empty(self, metric: Any) -> None:
        metric.values.clear()

    def remove(self, name: str, **labels: str) -> None:
        del self.metric(name).values[labels]


def undoable(mode: Mode) -> type[Story]:
    """Return the story of the tests, with compensations of its first two steps."""
    if mode == "sync":
        return derived(checkout(mode), release=compensates("reserve")(release), refund=compensates("charge")(refund))
    return derived(checkout(mode), release=compensates("reserve")(release), refund=compensates("charge")(refund_later))


def release(self: object, state: Notes) -> None:
    state.take("release")


def refund(self: object, state: Notes) -> None:
    state.take("refund")


async def refund_later(self: object, state: Notes) -> None:
    await asyncio.sleep(0)
    state.take("refund")


def pay(self: object, state: object) -> None: ...


def with_odd_step(mode: Mode) -> type[Story]:
    """Return a story with a step whose name no encoding has."""

    class Odd(checkout(mode)):  # type: ignore[misc]
        I.reserve
        getattr(I, "pay\ud800")
        locals()["pay\ud800"] = pay

    return Odd


def failing(error: BaseException) -> Any:
    def observe(*_: object) -> None:
        raise error

    return observe


@pytest.fixture(params=["prometheus_client", "aioprometheus"])
def backend(request: pytest.FixtureRequest) -> Backend:
    pytest.importorskip(request.param, reason="needs the library")
    return PrometheusClient() if request.param == "prometheus_client" else AioPrometheus()
