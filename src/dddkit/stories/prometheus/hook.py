"""The metrics of stories as histograms of prometheus_client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dddkit.exceptions import MissingDependencyError
from dddkit.stories import metrics

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Histogram
except ModuleNotFoundError as error:
    if error.name != "prometheus_client":  # it is there, but cannot be imported
        raise
    raise MissingDependencyError("prometheus_client", "prometheus-client", "prometheus") from error

__all__ = ["PrometheusMetricsHook"]


class PrometheusMetricsHook(metrics.MetricsHook):
    """Counts runs and steps in two histograms of prometheus_client, by story, step and status.

    `<prefix>_executions_latency_ms` has one observation per run, `<prefix>_step_executions_latency_ms` one per started
    step; in milliseconds, also where they failed or were cancelled. It needs no other hook. Where several hooks
    accompany a story, inject this one first: then it sees also what the others stop.

    Hooks with the same prefix share their metrics. prometheus_client's multi-process mode works.

    Args:
        app_name: the value of the label `service`.
        prefix: how the names of both metrics begin.
        labels: further labels, the same for every run.
        buckets: upper bounds in milliseconds, growing; None: 10, 25, 50, 100, 300, 500, 1000, 2000, 5000 and 10000.
        registry: where the metrics are registered; None: prometheus_client's own.

    Raises:
        ValueError: a prefix, label name or buckets that Prometheus cannot use; or other label names or buckets than
            those of a hook that has the same prefix already.
        TypeError: what has to be text is none.
    """

    __slots__ = ()

    def __init__(
        self,
        app_name: str = metrics.DEFAULT_NAME,
        prefix: str = metrics.DEFAULT_NAME,
        labels: Mapping[str, str] | None = None,
        buckets: Iterable[str | float] | None = None,
        *,
        registry: CollectorRegistry | None = None,
    ) -> None:
        settings = metrics.Settings(app_name, prefix, labels, buckets)
        story, step = _HISTOGRAMS.get(REGISTRY if registry is None else registry, settings.story, settings.step)
        super().__init__(
            settings,
            lambda values: story.labels(*values).observe,
            lambda values: step.labels(*values).observe,
        )


def _make(registry: CollectorRegistry, wanted: metrics.Histogram) -> Histogram:
    return Histogram(wanted.name, wanted.help, wanted.labels, registry=registry, buckets=wanted.buckets)


_HISTOGRAMS: Final = metrics.Histograms(_make, CollectorRegistry.unregister)
