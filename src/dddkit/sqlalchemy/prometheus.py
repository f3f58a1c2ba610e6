"""The backlog of an outbox as metrics of prometheus_client."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from dddkit._callables import kind_of
from dddkit._locks import new_lock
from dddkit.exceptions import MissingDependencyError

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Gauge
except ModuleNotFoundError as error:
    if error.name != "prometheus_client":  # it is there, but cannot be imported
        raise
    raise MissingDependencyError("prometheus_client", "prometheus-client", "prometheus") from error

if TYPE_CHECKING:
    from dddkit.sqlalchemy._relay.dead import Backlog

__all__ = ["OutboxMetrics"]


class OutboxMetrics:
    """Shows how much waits in an outbox, while a relay runs: `Relay(..., metrics=OutboxMetrics(registry))`.

    `dddkit_outbox_waiting` and `dddkit_outbox_dead` count messages, `dddkit_outbox_oldest_seconds` is how long the
    oldest waiting one waits, 0 where none does. Alert on the last: it grows when nothing gets through, as
    long as the relay can read the outbox. Each relay that runs sets them, also one that does not work at the moment.

    Args:
        registry: where the metrics are registered; None: prometheus_client's own. Those of one registry are the same.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = REGISTRY if registry is None else registry
        if not isinstance(registry, CollectorRegistry):  # pyright: ignore[reportUnnecessaryIsInstance]  # not everybody uses a checker
            raise TypeError(f"OutboxMetrics takes a registry of prometheus_client, and not {kind_of(registry)}")
        with _guard:
            if (made := _gauges.get(registry)) is None:
                made = _gauges[registry] = _new_gauges(registry)
        self._waiting, self._dead, self._oldest = made

    def set(self, backlog: Backlog, /) -> None:
        """Show this backlog."""
        self._waiting.set(backlog.waiting)
        self._dead.set(backlog.dead)
        age = 0.0 if backlog.oldest is None else (datetime.now(timezone.utc) - backlog.oldest).total_seconds()
        self._oldest.set(max(0.0, age))


_guard: Final = new_lock()
_gauges: Final[WeakKeyDictionary[CollectorRegistry, tuple[Gauge, Gauge, Gauge]]] = WeakKeyDictionary()


def _new_gauges(registry: CollectorRegistry) -> tuple[Gauge, Gauge, Gauge]:
    return (
        Gauge("dddkit_outbox_waiting", "Messages that wait to be published", registry=registry),
        Gauge("dddkit_outbox_dead", "Messages that are not tried any more", registry=registry),
        Gauge("dddkit_outbox_oldest_seconds", "How long the oldest waiting message waits", registry=registry),
    )
