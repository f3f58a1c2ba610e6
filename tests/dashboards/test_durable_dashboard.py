"""The dashboard of durable stories asks for what RunMetrics shows, and shows what is true, as a Prometheus answers."""

from __future__ import annotations

import re
import shutil
import time
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from dddkit.stories.durable import RunStatus
from dddkit.stories.durable.backlog import Backlog
from dddkit.stories.durable.prometheus import RunMetrics
from tests.dashboards.dashboards import DURABLE, Panel
from tests.dashboards.durable_check import expected, shown
from tests.dashboards.server import prometheus, wait_until

BACKLOGS = [
    Backlog(
        "checkout", {RunStatus.PENDING: 3, RunStatus.RUNNING: 5, RunStatus.WAITING: 40, RunStatus.UNDOING: 2}, 12.5
    ),
    Backlog("refund", {RunStatus.RUNNING: 1, RunStatus.CHANGED: 4, RunStatus.UNDO_FAILED: 1}, 700.0),
]

SHOWN = {
    "Pending": {"": 3},
    "Running": {"": 8},  # what is undone is executed too
    "Waiting": {"": 40},
    "Stuck": {"": 5},
    "Oldest": {"": 700.0},
    "Runs that have not ended": {
        "pending": 3,
        "running": 6,
        "waiting": 40,
        "undoing": 2,
        "changed": 4,
        "undo_failed": 1,
    },
    "Oldest by story": {"checkout": 12.5, "refund": 700.0},
    "Stuck by story": {"checkout": 0, "refund": 5},
}
"""What each panel shows of these, by what its legend names."""

every_panel = pytest.mark.parametrize("panel", DURABLE.panels, ids=lambda panel: panel.title)


def emitted() -> dict[str, set[str]]:
    """Return the metrics with their labels."""
    registry = CollectorRegistry()
    RunMetrics(registry).set(BACKLOGS)
    return {sample.name: set(sample.labels) for metric in registry.collect() for sample in metric.samples}


@every_panel
def test_queries_ask_only_for_metrics_and_labels_that_there_are(panel: Panel) -> None:
    labels_of, added = emitted(), {"job"}  # by Prometheus
    for target in panel.targets:
        for name, inside in re.findall(r"(\w+)\{([^}]*)\}", target.query):
            assert {label for label, _ in re.findall(r"(\w+)(=~|=)", inside)} <= labels_of[name] | added
            assert 'job=~"$job", story=~"$story"' in inside
            if chosen := re.findall(r'status=~"([^"]+)"', inside):
                assert set(chosen[0].split("|")) <= {status.value for status in RunStatus}
        for group in re.findall(r"by \(([^)]*)\)", target.query):
            assert {*group.split(", ")} <= {"story", "status"} | added


@every_panel
def test_every_panel_says_what_it_shows_of_the_chosen_data_source(panel: Panel) -> None:
    assert panel.json["description"].endswith(".")
    assert {target.json["datasource"]["uid"] for target in panel.targets} == {"${datasource}"}


def test_overrides_speak_of_statuses_that_are_shown() -> None:
    registry = CollectorRegistry()
    RunMetrics(registry).set(BACKLOGS)
    shown = {
        sample.labels["status"]
        for metric in registry.collect()
        for sample in metric.samples
        if "status" in sample.labels
    }
    named = {
        override["matcher"]["options"]
        for panel in DURABLE.panels
        for override in panel.json["fieldConfig"]["overrides"]
    }
    assert named == shown


def test_the_check_against_running_workers_knows_what_every_panel_has_to_show() -> None:
    assert expected(BACKLOGS) == SHOWN
    assert {panel.title for panel in DURABLE.panels} == SHOWN.keys()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="there is no program prometheus on PATH")
def test_every_panel_shows_what_is_true_however_many_workers_say_it() -> None:
    with ExitStack() as ends:
        ports = list[int]()
        for _ in range(3):
            registry = CollectorRegistry()
            RunMetrics(registry).set(BACKLOGS)
            server, thread = start_http_server(0, "127.0.0.1", registry)
            ends.callback(thread.join)
            ends.callback(server.server_close)
            ends.callback(server.shutdown)
            ports.append(server.server_port)
        asked = ends.enter_context(prometheus(ports, 0.5))
        wait_until("all workers have been scraped", lambda: asked.scrapes() == ["up"] * 3)
        time.sleep(1)
        assert {panel.title: shown(asked, panel) for panel in DURABLE.panels} == SHOWN
