"""The dashboards as the tests need them: panels, their queries, and the variables used in the queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["DASHBOARDS", "DURABLE", "FOLDER", "Dashboard", "Panel", "Target", "Variable", "fill", "interval"]

FOLDER: Final = Path(__file__).parents[2] / ".grafana"


@dataclass(frozen=True)
class Target:
    """One query of a panel, for one moment or for a range of time."""

    ref: str
    query: str
    legend: str
    instant: bool
    json: Mapping[str, Any]


@dataclass(frozen=True)
class Panel:
    """One panel with its queries."""

    id: int
    title: str
    kind: str
    targets: Sequence[Target]
    json: Mapping[str, Any]


@dataclass(frozen=True)
class Variable:
    """A template variable; one of kind `query` gets its values from Prometheus."""

    name: str
    kind: str
    query: str
    regex: str
    everything: str | None
    json: Mapping[str, Any]


@dataclass(frozen=True)
class Dashboard:
    """The dashboard in one file."""

    uid: str
    title: str
    panels: Sequence[Panel]
    variables: Sequence[Variable]
    json: Mapping[str, Any]

    def queries(self) -> Iterator[tuple[Panel, Target]]:
        for panel in self.panels:
            for target in panel.targets:
                yield panel, target


def _target(json: Mapping[str, Any]) -> Target:
    return Target(json["refId"], json["expr"], json["legendFormat"], json["instant"], json)


def _panel(json: Mapping[str, Any]) -> Panel:
    return Panel(json["id"], json["title"], json["type"], [_target(target) for target in json["targets"]], json)


def _variable(json: Mapping[str, Any]) -> Variable:
    query: str = json["query"]["query"] if json["type"] == "query" else json.get("query", "")
    return Variable(json["name"], json["type"], query, json.get("regex", ""), json.get("allValue"), json)


def _dashboard(path: Path) -> Dashboard:
    json_: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Dashboard(
        json_["uid"],
        json_["title"],
        [_panel(panel) for panel in json_["panels"]],
        [_variable(variable) for variable in json_["templating"]["list"]],
        json_,
    )


_ALL: Final = tuple(_dashboard(path) for path in sorted(FOLDER.glob("*.json")))

DURABLE: Final = next(dashboard for dashboard in _ALL if dashboard.uid == "dddkit-durable-stories")
"""What RunMetrics feeds; the others are fed by the hooks that count runs and steps."""

DASHBOARDS: Final = tuple(dashboard for dashboard in _ALL if dashboard is not DURABLE)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace `$name` and `${name}` by their values, as Grafana does before it sends a query."""

    def value(match: re.Match[str]) -> str:
        return values[match[1] or match[2]]

    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, text)


def interval(seconds: float) -> str:
    """Return a duration in the syntax of Prometheus."""
    return f"{round(seconds * 1000)}ms"
