# Why this is here: the package says that it is typed, but its __init__.py imports names without exporting them, so
# strict checkers refuse `from aioprometheus import Registry`, and what get_value gives is a union with an untyped
# class of `quantile`. These are the names that dddkit, its tests and its documentation use, and no others.

from collections.abc import Sequence
from typing import Final

from aioprometheus.histogram import Histogram as _Buckets
from aioprometheus.metricdict import MetricDict as _MetricDict

class _Collector:
    name: str
    doc: str
    const_labels: dict[str, str]
    values: _MetricDict
    def set_value(self, labels: dict[str, str], value: _Buckets) -> None: ...
    def get_value(self, labels: dict[str, str]) -> _Buckets: ...
    def get_all(self) -> list[tuple[dict[str, str], dict[float | str, float]]]: ...

class Histogram(_Collector):
    DEFAULT_BUCKETS: Final[tuple[float, ...]]
    upper_bounds: Sequence[float]
    def __init__(
        self,
        name: str,
        doc: str,
        const_labels: dict[str, str] | None = None,
        registry: Registry | None = None,
        buckets: Sequence[float] = ...,
    ) -> None: ...
    def observe(self, labels: dict[str, str], value: float) -> None: ...
    def get(self, labels: dict[str, str]) -> dict[float | str, float]: ...

class Registry:
    collectors: dict[str, _Collector]
    def register(self, collector: _Collector) -> None: ...
    def deregister(self, name: str) -> None: ...
    def get(self, name: str) -> _Collector: ...
    def clear(self) -> None: ...

REGISTRY: Registry

def render(registry: Registry, accepts_headers: Sequence[str]) -> tuple[bytes, dict[str, str]]: ...
