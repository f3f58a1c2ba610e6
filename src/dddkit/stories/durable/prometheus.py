"""The runs of durable stories as metrics of prometheus_client."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from dddkit._callables import kind_of
from dddkit._locks import new_lock
from dddkit.exceptions import MissingDependencyError
from dddkit.stories.durable.status import RunStatus

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Gauge
except ModuleNotFoundError as error:
    if error.name != "prometheus_client":  # it is there, but cannot be imported
        raise
    raise MissingDependencyError("prometheus_client", "prometheus-client", "prometheus") from error

if TYPE_CHECKING:
    from dddkit.stories.durable.backlog import Backlog

__all__ = ["RunMetrics"]

_SHOWN: Final = (
    RunStatus.PENDING,
    RunStatus.RUNNING,
    RunStatus.WAITING,
    RunStatus.UNDOING,
    RunStatus.CHANGED,
    RunStatus.UNDO_FAILED,
)


class RunMetrics:
    """Shows how many runs of each durable story have not ended: `watch(RunMetrics(registry))`, by the engine's `watch`.

    `dddkit_durable_runs`, by `story` and `status`, counts those that are `pending`, `running`, `waiting` (for a signal
    or a delay), `undoing`, and those that a person has to look at: `changed` (no worker that runs has the steps of its
    record) and `undo_failed`. `dddkit_durable_oldest_seconds`, by `story`, is for how long one of them stands as it
    does, where it does not wait, 0 without any. Alert on the last: it grows when nothing gets through.

    Each process that watches shows the runs of all processes: take `max` of them, not `sum`.

    Args:
        registry: where the metrics are registered; None: prometheus_client's own. Those of one registry are the same.

    Raises:
        TypeError: `registry` is none of prometheus_client.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = REGISTRY if registry is None else registry
        if not isinstance(registry, CollectorRegistry):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"RunMetrics takes a registry of prometheus_client, and not {kind_of(registry)}")
        with _guard:
            if (made := _gauges.get(registry)) is None:
                made = _gauges[registry] = _new_gauges(registry)
        self._runs, self._oldest = made

    def set(self, backlogs: Iterable[Backlog], /) -> None:
        """Show these."""
        for backlog in backlogs:
            for status in _SHOWN:
                self._runs.labels(backlog.story, status.value).set(backlog.runs.get(status, 0))
            self._oldest.labels(backlog.story).set(max(0.0, backlog.oldest))


_guard: Final = new_lock()
_gauges: Final[WeakKeyDictionary[CollectorRegistry, tuple[Gauge, Gauge]]] = WeakKeyDictionary()


def _new_gauges(registry: CollectorRegistry) -> tuple[Gauge, Gauge]:
    return (
        Gauge(
            "dddkit_durable_runs", "Runs of durable stories that have not ended", ["story", "status"], registry=registry
        ),
        Gauge(
            "dddkit_durable_oldest_seconds",
            "How long a run stands as it does that has not ended and does not wait",
            ["story"],
            registry=registry,
        ),
    )
