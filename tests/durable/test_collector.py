"""RunMetrics: how many runs have not ended, as prometheus_client shows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from dddkit.stories.durable import RunStatus
from dddkit.stories.durable.backlog import Backlog
from dddkit.stories.durable.prometheus import RunMetrics
from tests.durable.processes import trip_workers, until


def runs(registry: CollectorRegistry, story: str) -> Mapping[str, float | None]:
    statuses = [status.value for status in RunStatus]
    return {
        status: value
        for status in statuses
        if (value := registry.get_sample_value("dddkit_durable_runs", {"story": story, "status": status})) is not None
    }


def test_every_status_has_a_series_from_the_first_look_on() -> None:
    registry = CollectorRegistry()
    RunMetrics(registry).set([Backlog("checkout", {RunStatus.RUNNING: 2}, 1.5), Backlog("refund", {}, 0.0)])
    zeros = {"pending": 0, "running": 0, "waiting": 0, "undoing": 0, "changed": 0, "undo_failed": 0}
    assert runs(registry, "checkout") == {**zeros, "running": 2}
    assert runs(registry, "refund") == zeros
    assert registry.get_sample_value("dddkit_durable_oldest_seconds", {"story": "checkout"}) == 1.5


def test_what_is_no_more_is_zero() -> None:
    registry = CollectorRegistry()
    metrics = RunMetrics(registry)
    metrics.set([Backlog("checkout", {RunStatus.CHANGED: 1}, 60.0)])
    metrics.set([Backlog("checkout", {}, 0.0)])
    assert set(runs(registry, "checkout").values()) == {0}
    assert registry.get_sample_value("dddkit_durable_oldest_seconds", {"story": "checkout"}) == 0


def test_a_clock_that_was_set_back_makes_no_age_below_zero() -> None:
    registry = CollectorRegistry()
    RunMetrics(registry).set([Backlog("checkout", {}, -3.0)])
    assert registry.get_sample_value("dddkit_durable_oldest_seconds", {"story": "checkout"}) == 0


def test_the_metrics_of_one_registry_are_the_same() -> None:
    registry = CollectorRegistry()
    RunMetrics(registry)
    RunMetrics(registry).set([Backlog("checkout", {RunStatus.WAITING: 3}, 0.0)])
    assert runs(registry, "checkout")["waiting"] == 3


def test_without_a_registry_it_is_that_of_the_process() -> None:
    RunMetrics().set([Backlog("of test_collector", {RunStatus.PENDING: 7}, 0.0)])
    assert runs(REGISTRY, "of test_collector")["pending"] == 7


def test_what_is_no_registry_is_rejected() -> None:
    registry: Any = "prometheus"
    with pytest.raises(TypeError, match="RunMetrics takes a registry of prometheus_client, and not a str"):
        RunMetrics(registry)


@pytest.mark.slow
def test_the_metrics_of_each_worker_show_the_runs_of_all(tmp_path: Path) -> None:
    with trip_workers(tmp_path, f"sqlite:///{tmp_path}/runs.sqlite") as workers:
        one, other = workers.launched({"pause": 0.1}, {"pause": 60.0})
        one.start("trip", "a", "b")
        one.start("confirmed", "c", "d", "e")
        one.start("broken", "f", "g")
        other.start("trip", "h")
        until(lambda: one.ask("metrics broken").get("undo_failed") == 2, "what could not be undone is shown")
        until(lambda: one.ask("metrics confirmed")["waiting"] == 3, "what waits is shown")
        until(lambda: one.ask("metrics trip")["dddkit_durable_oldest_seconds"] > 3, "one run hangs")
        until(lambda: one.ask("metrics trip")["running"] == 1, "the others have ended")
        assert one.ask("metrics confirmed")["dddkit_durable_oldest_seconds"] == 0
        assert one.ask("signal confirmed c") == ["True"]
        until(lambda: one.ask("metrics confirmed")["waiting"] == 2, "one waits no more")
        assert other.ask("metrics broken")["undo_failed"] == 2
