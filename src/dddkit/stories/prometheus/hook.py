"""The metrics of stories as histograms of prometheus_client."""

# pyright: reportPrivateUsage=false
# Which collector a registry has under a name, and whether the processes share their numbers, is asked of its privates.

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, cast

from dddkit._locks import new_lock
from dddkit.exceptions import MissingDependencyError
from dddkit.stories import metrics
from dddkit.stories._engine.exclusion import call_exclusively, is_inside, postpone

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Histogram, Metric
    from prometheus_client import values as library
except ModuleNotFoundError as error:
    if error.name != "prometheus_client":  # it is there, but cannot be imported
        raise
    raise MissingDependencyError("prometheus_client", "prometheus-client", "prometheus") from error

__all__ = ["PrometheusMetricsHook"]


class PrometheusMetricsHook(metrics.MetricsHook):
    """Counts runs, steps and compensations in histograms of prometheus_client, by story, step and status.

    `<prefix>_executions_latency_ms` has one observation per run, `<prefix>_step_executions_latency_ms` one per started
    step, `<prefix>_compensations_latency_ms` one for each compensation that has run; in milliseconds, also where they
    failed or were cancelled. It needs no other hook. Where several hooks accompany a story, inject this one first:
    then it sees also what the others stop.

    Hooks with the same prefix share their metrics; of hooks with equal settings, a run calls only the first. A series
    that you remove is made anew by the next run. prometheus_client's multi-process mode works.

    Args:
        app_name: the value of the label `service`.
        prefix: how the names of the metrics begin.
        labels: further labels, the same for every run.
        buckets: upper bounds in milliseconds, growing; None: 10, 25, 50, 100, 300, 500, 1000, 2000, 5000 and 10000.
        registry: where the metrics are registered; None: prometheus_client's own.
        expected: exception classes of the domain, one or several, that refuse and are no faults: what they stop counts
            as `refused`, and not as `failed`. A CompensationError is never one.

    Raises:
        ValueError: a prefix, label name, text or buckets that Prometheus cannot use; or other label names or buckets
            than those of a hook that has the same prefix already; or, in the same series, another `expected`.
        TypeError: what has to be text is none; labels that are no mapping, buckets that are no list; a registry of
            another library; an expected class that is no subclass of Exception.
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
        expected: type[Exception] | Iterable[type[Exception]] = (),
    ) -> None:
        settings = metrics.Settings(app_name, prefix, labels, buckets, expected)
        registry = REGISTRY if registry is None else registry
        metrics.check_registry(registry, CollectorRegistry)
        super().__init__(settings, *_HISTOGRAMS.get(registry, settings))


class _Histogram(Histogram):
    """A histogram that notifies its hooks when series are removed from it."""

    wanted: metrics.Histogram
    removals: metrics.Removals
    expected: dict[tuple[str, ...], tuple[type[Exception], ...]]
    # No `__init__`: a series is an object of the same class, which the library makes in its own way.

    def child(self, values: tuple[str, ...]) -> metrics.Observe:
        observe = self.labels(*values).observe
        # In multi-process mode, one lock is held while a file is written.
        return (
            partial(_observe_exclusively, observe) if getattr(library.ValueClass, "_multiprocess", False) else observe
        )

    def collect(self) -> Iterable[Metric]:
        return super().collect() if is_inside() else list(call_exclusively(super().collect))

    def clear(self) -> None:
        super().clear()
        self.removals.notify()

    def remove(self, *labelvalues: Any) -> None:
        super().remove(*labelvalues)
        self.removals.notify()

    def remove_by_labels(self, labels: dict[str, str]) -> None:
        super().remove_by_labels(labels)
        self.removals.notify()


def _observe_exclusively(observe: metrics.Observe, milliseconds: float) -> None:
    if is_inside():
        postpone(partial(_observe_exclusively, observe, milliseconds))
    else:
        call_exclusively(partial(observe, milliseconds))


def _make(registry: CollectorRegistry, wanted: metrics.Histogram) -> _Histogram:
    made = _Histogram(wanted.name, wanted.help, wanted.labels, registry=None, buckets=wanted.buckets)
    made.wanted, made.removals, made.expected = wanted, metrics.Removals(), {}
    cast("Any", made)._lock = new_lock()  # held while a series is made, when a finalizer may remove or read others
    registry.register(made)
    return made


def _find(registry: CollectorRegistry, name: str) -> _Histogram | None:
    found = registry._names_to_collectors.get(name)
    return found if isinstance(found, _Histogram) else None


_HISTOGRAMS: Final = metrics.Histograms(_make, _find, CollectorRegistry.unregister)
