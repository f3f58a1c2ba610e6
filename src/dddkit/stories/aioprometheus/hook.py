"""The metrics of stories as histograms of aioprometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Final

from dddkit.exceptions import MissingDependencyError
from dddkit.stories import metrics

try:
    from aioprometheus import REGISTRY, Histogram, Registry
    from aioprometheus.histogram import Histogram as Buckets
except ModuleNotFoundError as error:
    if error.name != "aioprometheus":  # it is there, but cannot be imported
        raise
    raise MissingDependencyError("aioprometheus", "aioprometheus", "aioprometheus") from error

__all__ = ["PrometheusMetricsHook"]


class PrometheusMetricsHook(metrics.MetricsHook):
    """Counts runs and steps in two histograms of aioprometheus, by story, step and status.

    The metrics, the options and what is refused are those of `dddkit.stories.prometheus`; only the library that
    counts, and with it the registry, is another. It may be used from several threads, which aioprometheus alone may
    not.

    Args:
        app_name: the value of the label `service`.
        prefix: how the names of both metrics begin.
        labels: further labels, the same for every run.
        buckets: upper bounds in milliseconds, growing; None: 10, 25, 50, 100, 300, 500, 1000, 2000, 5000 and 10000.
        registry: where the metrics are registered; None: aioprometheus' own.

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
        registry: Registry | None = None,
    ) -> None:
        settings = metrics.Settings(app_name, prefix, labels, buckets)
        story, step = _HISTOGRAMS.get(REGISTRY if registry is None else registry, settings.story, settings.step)
        super().__init__(settings, story.child, step.child)


class _SafeHistogram(Histogram):
    """A histogram that threads may share, whose children are looked up once."""

    def __init__(self, registry: Registry, wanted: metrics.Histogram) -> None:
        self._names: Final = wanted.labels
        self._lock: Final = Lock()
        super().__init__(wanted.name, wanted.help, registry=registry, buckets=wanted.buckets)

    def child(self, values: tuple[str, ...]) -> metrics.Observe:
        # aioprometheus writes the values as they are, so they are escaped for the exposition format here.
        labels = dict(zip(self._names, map(_escaped, values), strict=True))
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


def _counting(buckets: Buckets, lock: Lock) -> Callable[[float], None]:
    def observe(milliseconds: float) -> None:
        with lock:
            buckets.observe(milliseconds)

    return observe


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _discard(registry: Registry, histogram: _SafeHistogram) -> None:
    registry.deregister(histogram.name)


_HISTOGRAMS: Final = metrics.Histograms(_SafeHistogram, _discard)
