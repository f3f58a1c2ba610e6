"""The metrics of stories as histograms of aioprometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import RLock
from typing import Any, Final

from dddkit._locks import new_lock
from dddkit.exceptions import MissingDependencyError
from dddkit.stories import metrics

try:
    from aioprometheus import REGISTRY, Histogram, Registry
    from aioprometheus.histogram import Histogram as Buckets
    from aioprometheus.metricdict import MetricDict
except ModuleNotFoundError as error:
    if error.name != "aioprometheus":  # it is there, but cannot be imported
        raise
    raise MissingDependencyError("aioprometheus", "aioprometheus", "aioprometheus") from error

__all__ = ["PrometheusMetricsHook"]


class PrometheusMetricsHook(metrics.MetricsHook):
    """Counts runs, steps and compensations in histograms of aioprometheus, by story, step and status.

    The metrics, the options and what is refused are those of `dddkit.stories.prometheus`; only the library that
    counts, and with it the registry, is another. It may be used from several threads, which aioprometheus alone may
    not.

    Args:
        app_name: the value of the label `service`.
        prefix: how the names of the metrics begin.
        labels: further labels, the same for every run.
        buckets: upper bounds in milliseconds, growing; None: 10, 25, 50, 100, 300, 500, 1000, 2000, 5000 and 10000.
        registry: where the metrics are registered; None: aioprometheus' own.
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
        registry: Registry | None = None,
        expected: type[Exception] | Iterable[type[Exception]] = (),
    ) -> None:
        settings = metrics.Settings(app_name, prefix, labels, buckets, expected)
        registry = REGISTRY if registry is None else registry
        metrics.check_registry(registry, Registry)
        super().__init__(settings, *_HISTOGRAMS.get(registry, settings))


class _SafeHistogram(Histogram):
    """A histogram that threads may share, whose children are looked up once."""

    def __init__(self, registry: Registry, wanted: metrics.Histogram) -> None:
        self.wanted: Final = wanted
        self.removals: Final = metrics.Removals()
        self.expected: Final = dict[tuple[str, ...], tuple[type[Exception], ...]]()
        self._lock: Final = new_lock()
        super().__init__(wanted.name, wanted.help, registry=registry, buckets=wanted.buckets)
        self.values = _Series(self._lock, self.removals)

    def child(self, values: tuple[str, ...]) -> metrics.Observe:
        # aioprometheus writes the values as they are, so they are escaped for the exposition format here.
        labels = dict(zip(self.wanted.labels, map(_escaped, values), strict=True))
        with self._lock:
            try:
                buckets = self.get_value(labels)
            except KeyError:
                buckets = Buckets(*self.upper_bounds)
                self.set_value(labels, buckets)
        return _counting(buckets, self._lock)

    def get_all(self) -> list[tuple[dict[str, str], dict[float | str, float]]]:
        with self._lock:
            return super().get_all()


class _Series(MetricDict):
    """The series of a histogram, by their labels; it notifies the hooks when one is removed or replaced."""

    def __init__(self, lock: RLock, removals: metrics.Removals) -> None:
        self._lock: Final = lock
        self._removals: Final = removals
        super().__init__()

    def __setitem__(self, labels: Any, buckets: Buckets) -> None:
        with self._lock:
            is_new = labels not in self
            super().__setitem__(labels, buckets)
        if not is_new:
            self._removals.notify()

    def __delitem__(self, labels: Any) -> None:
        with self._lock:
            super().__delitem__(labels)
        self._removals.notify()

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self.store))  # a finalizer may add a series while the others are read


def _counting(buckets: Buckets, lock: RLock) -> Callable[[float], None]:
    def observe(milliseconds: float) -> None:
        with lock:
            buckets.observe(milliseconds)

    return observe


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _find(registry: Registry, name: str) -> _SafeHistogram | None:
    found = registry.collectors.get(name)
    return found if isinstance(found, _SafeHistogram) else None


def _discard(registry: Registry, histogram: _SafeHistogram) -> None:
    registry.deregister(histogram.name)


_HISTOGRAMS: Final = metrics.Histograms(_SafeHistogram, _find, _discard)
