"""The dashboards query only what the hooks emit, and Grafana can read them; tested without a server."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import combinations, zip_longest
from typing import Any, cast

import pytest

from dddkit.exceptions import CompensationError
from dddkit.stories import I, Story, compensates, inject_hooks
from tests.dashboards.check import COMPARISONS
from tests.dashboards.dashboards import DASHBOARDS, DURABLE, FOLDER, Dashboard, Panel, Target, Variable, fill
from tests.observing.backends import Backend, backend

__all__ = ["backend"]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
BUILT_IN = {"__range": "1h", "__rate_interval": "1m"}
FILES = {
    "dddkit-stories": "stories-execution-dashboard.json",
    "dddkit-story-steps": "stories-steps-execution-dashboard.json",
    "dddkit-durable-stories": "durable-stories-dashboard.json",
}
WORDS = {"sum", "rate", "increase", "histogram_quantile", "topk", "or"}

every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
with_the_durable = pytest.mark.parametrize("dashboard", [*DASHBOARDS, DURABLE], ids=lambda dashboard: dashboard.uid)
every_panel = pytest.mark.parametrize(
    ("dashboard", "panel"),
    [
        pytest.param(dashboard, panel, id=f"{dashboard.uid}:{panel.title}")
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
    ],
)
every_query = pytest.mark.parametrize(
    "query",
    [
        pytest.param(target.query, id=f"{dashboard.uid}:{panel.title}:{target.ref}")
        for dashboard in DASHBOARDS
        for panel, target in dashboard.queries()
    ]
    + [
        pytest.param(variable.query, id=f"{dashboard.uid}:${variable.name}")
        for dashboard in DASHBOARDS
        for variable in dashboard.variables
        if variable.kind == "query"
    ],
)


def named(dashboard: Dashboard) -> dict[str, str]:
    return {variable.name: ".*" for variable in dashboard.variables} | {"prefix": "dddkit_stories"} | BUILT_IN


VALUES = {name: value for dashboard in DASHBOARDS for name, value in named(dashboard).items()}


class Trip(Story):
    I.pack
    I.go

    def pack(self, state: dict[str, BaseException]) -> None:
        if "error" in state:
            raise state["error"]

    @compensates(pack)
    def unpack(self, state: dict[str, BaseException]) -> None:
        if "lost" in state:
            raise state["lost"]

    async def go(self, state: dict[str, BaseException]) -> None:
        if "late" in state:
            raise state["late"]


@pytest.fixture
def emitted(backend: Backend) -> dict[str, dict[str, set[str]]]:
    """Return what the hook emits for runs that end in every way, undone or not: name, label, values."""
    with inject_hooks(Trip, [backend.new_hook(expected=KeyError)]):
        asyncio.run(Trip()({}))
        for error in (ValueError(), KeyError(), asyncio.CancelledError()):
            with pytest.raises(type(error)):
                asyncio.run(Trip()({"error": error}))
        with pytest.raises(ValueError, match="late"):
            asyncio.run(Trip()({"late": ValueError("late")}))
        with pytest.raises(CompensationError):
            asyncio.run(Trip()({"late": ValueError(), "lost": ValueError()}))
    found = dict[str, dict[str, set[str]]]()
    for sample in backend.samples():
        labels = found.setdefault(sample.name, {})
        for label, value in sample.labels:
            labels.setdefault(label, set()).add(value)
    return found


def selectors(query: str) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Return the metrics in a query, each with its matchers."""
    if listed := re.fullmatch(r"label_values\((.+), \w+\)", query):
        query = listed[1] if "{" in listed[1] else f"{listed[1]}{{}}"
    outside = re.sub(r"by \([^)]*\)|\w*\{[^}]*\}|\[[^]]*\]", "", query)
    assert set(re.findall(r"[a-z_]\w*", outside)) <= WORDS, "a metric is asked for without matchers"
    for name, inside in re.findall(r"(\w*)\{([^}]*)\}", query):
        yield name, re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', inside)


@every_query
def test_queries_ask_only_for_metrics_and_labels_that_the_hooks_emit(
    query: str, emitted: Mapping[str, Mapping[str, set[str]]]
) -> None:
    text = fill(query, VALUES)
    asked = list(selectors(text))
    for name, matchers in asked:
        if name:
            assert name in emitted, text
            labels = emitted[name]
        else:  # {__name__=~"..."}
            ((label, _, pattern),) = matchers
            assert label == "__name__"
            assert any(re.fullmatch(pattern, known) for known in emitted)
            continue
        for label, operator, value in matchers:
            assert label in labels, text
            if operator == "=":
                assert value in labels[label], text
    for group in re.findall(r"(?:by \(|^label_values\(.+, )([^)]*)\)", text):
        for label in group.split(", "):
            assert all(label in emitted[name] for name, _ in asked if name), text


@every_panel
def test_panels_leave_the_choice_of_service_story_and_step_to_the_variables(dashboard: Dashboard, panel: Panel) -> None:
    has_steps = any(variable.name == "step" for variable in dashboard.variables)
    for target in panel.targets:
        for _, matchers in selectors(target.query.replace("${prefix}", "our")):
            asked = {label: value for label, _, value in matchers}
            assert asked["service"] == "$service"
            assert asked["story_name"] == "$story"
            assert asked.get("step_name") == ("$step" if has_steps else None)


@every_panel
def test_every_panel_asks_the_chosen_data_source(dashboard: Dashboard, panel: Panel) -> None:
    assert panel.json["datasource"] == SOURCE
    assert panel.targets
    assert all(target.json["datasource"] == SOURCE for target in panel.targets)
    assert len({target.ref for target in panel.targets}) == len(panel.targets)


@every_panel
def test_every_panel_says_what_it_shows(dashboard: Dashboard, panel: Panel) -> None:
    assert panel.title
    assert panel.json["description"].endswith(".")
    if panel.kind != "heatmap":
        assert panel.json["fieldConfig"]["defaults"]["unit"]


def kept(target: Target) -> set[str]:
    """Return the labels that the answer to a query has."""
    groups = [set(group.split(", ")) for group in re.findall(r"by \(([^)]*)\)", target.query)]
    left = set[str]().union(*groups)
    return left - {"le"} if "histogram_quantile" in target.query else left


@every_panel
def test_legends_name_labels_that_the_answer_has(dashboard: Dashboard, panel: Panel) -> None:
    for target in panel.targets:
        named_ = set(re.findall(r"\{\{(\w+)\}\}", target.legend))
        if panel.kind == "table":
            columns = panel.json["transformations"][1]["options"]["renameByName"]
            assert {*kept(target), f"Value #{target.ref}"} <= columns.keys()
        else:
            assert named_ == kept(target)
            assert target.legend, "a series without a name"


@every_panel
def test_overrides_speak_of_series_that_there_are(
    dashboard: Dashboard, panel: Panel, emitted: Mapping[str, Mapping[str, set[str]]]
) -> None:
    series = {target.legend for target in panel.targets}
    if "{{status}}" in series:
        series |= emitted["dddkit_stories_executions_latency_ms_count"]["status"]
    for transformation in panel.json.get("transformations", []):
        series |= set(transformation["options"].get("renameByName", {}).values())
    for override in panel.json["fieldConfig"]["overrides"]:
        assert override["matcher"]["id"] == "byName"
        assert override["matcher"]["options"] in series


@every_panel
def test_the_check_against_a_server_knows_what_every_panel_has_to_show(dashboard: Dashboard, panel: Panel) -> None:
    assert panel.title in COMPARISONS[dashboard.uid]
    assert len(COMPARISONS[dashboard.uid]) == len(dashboard.panels)


@with_the_durable
def test_ids_and_titles_are_unique(dashboard: Dashboard) -> None:
    assert len({panel.id for panel in dashboard.panels}) == len(dashboard.panels)
    assert len({panel.title for panel in dashboard.panels}) == len(dashboard.panels)
    assert len({variable.name for variable in dashboard.variables}) == len(dashboard.variables)


@with_the_durable
def test_no_panel_covers_another_or_leaves_the_grid(dashboard: Dashboard) -> None:
    positions = [(panel.title, panel.json["gridPos"]) for panel in dashboard.panels]
    for title, position in positions:
        assert position["x"] >= 0 < position["w"] <= 24 - position["x"], title
    for (one, a), (two, b) in combinations(positions, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one} covers {two}"


def variables_in(text: str) -> set[str]:
    return {one or two for one, two in re.findall(r"\$(?:\{(\w+)(?:[:.][^}]*)?\}|(\w+))", text)}


@with_the_durable
def test_variables_are_used_and_what_is_used_is_a_variable(dashboard: Dashboard) -> None:
    known = {variable.name for variable in dashboard.variables}
    used = set[str]().union(*(variables_in(target.query) for _, target in dashboard.queries())) - BUILT_IN.keys()
    assert used | {"datasource", "labels"} == known  # Grafana itself adds the labels to each query
    for number, variable in enumerate(dashboard.variables):
        before = {earlier.name for earlier in dashboard.variables[:number]}
        assert variables_in(variable.query) <= before


@every_dashboard
def test_data_source_prefix_service_and_story_can_be_chosen(dashboard: Dashboard) -> None:
    variables = {variable.name: variable for variable in dashboard.variables}
    assert {"datasource", "prefix", "service", "story"} <= variables.keys()
    assert variables["datasource"].query == "prometheus"
    for name in variables.keys() & {"service", "story", "step"}:
        assert variables[name].json["includeAll"]
        assert variables[name].everything == ".*"


@every_panel
def test_fm4_all_matches_the_empty_service_story_and_step(dashboard: Dashboard, panel: Panel) -> None:
    everything = {variable.name: variable.everything for variable in dashboard.variables}
    for target in panel.targets:
        for name, matchers in selectors(
            fill(target.query, {**VALUES, **{key: value for key, value in everything.items() if value}})
        ):
            assert name, "a query with no name and no label would match everything"
            for label, operator, value in matchers:
                if label in ("service", "story_name", "step_name"):
                    assert operator == "=~"
                    assert re.fullmatch(value, "")
                    assert re.fullmatch(value, "anything")


@pytest.mark.parametrize("prefix", ["dddkit_stories", "my_service", "step"])
def test_the_prefixes_are_read_from_the_names_of_the_metrics(prefix: str) -> None:
    for dashboard in DASHBOARDS:
        variable: Variable = next(variable for variable in dashboard.variables if variable.name == "prefix")
        (pattern,) = re.findall(r'__name__=~"([^"]+)"', variable.query)
        for name in (f"{prefix}_step_executions_latency_ms_count", f"{prefix}_executions_latency_ms_count"):
            found = re.fullmatch(pattern, name) and re.search(variable.regex.strip("/"), name)
            assert bool(found) == ("_step_" in name.removeprefix(prefix))
            if found:
                assert found[1] == prefix


@with_the_durable
def test_each_dashboard_leads_to_the_others(dashboard: Dashboard) -> None:
    linked = set(re.findall(r"/d/([\w-]+)", json.dumps(dashboard.json)))
    assert linked == set(FILES) - {dashboard.uid}


def test_the_files_have_the_names_that_people_were_told() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(FILES.values())
    for uid, name in FILES.items():
        assert json.loads((FOLDER / name).read_text(encoding="utf-8"))["uid"] == uid


@pytest.mark.filterwarnings("ignore:Prefer using dashboardv2:DeprecationWarning")  # Grafana reads both versions
@with_the_durable
def test_every_key_belongs_to_the_schema_of_grafana(dashboard: Dashboard) -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="Grafana's foundation SDK, which needs Python 3.11")
    encoder: Any = import_module("grafana_foundation_sdk.cog.encoder")
    plugins: Any = import_module("grafana_foundation_sdk.cog.plugins")
    schema: Any = import_module("grafana_foundation_sdk.models.dashboard")
    plugins.register_default_plugins()
    read = schema.Dashboard.from_json(dict(dashboard.json))
    restored: Any = json.loads(json.dumps(read, cls=encoder.JSONEncoder))
    # `null` lets Grafana choose the id; the SDK omits it instead.
    assert list(lost(dashboard.json, restored)) == [("/id", None)]


def lost(there: Any, back: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that the schema lost or changed, with its path."""
    if isinstance(there, dict) and isinstance(back, dict):
        found = cast("dict[str, Any]", back)
        for key, value in cast("dict[str, Any]", there).items():
            yield from lost(value, found[key], f"{path}/{key}") if key in found else [(f"{path}/{key}", value)]
    elif isinstance(there, list) and isinstance(back, list):
        theirs = cast("list[object]", back)
        for number, (one, two) in enumerate(zip_longest(cast("list[object]", there), theirs)):
            yield from lost(one, two, f"{path}/{number}")
    elif there != back:
        yield path, there
