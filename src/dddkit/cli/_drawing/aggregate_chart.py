"""The picture of aggregates: from left to right what holds them, they, their events, and who handles these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mypy.nodes import TypeInfo

from dddkit.cli._drawing.aggregate import AggregateToDraw, Event
from dddkit.cli._drawing.mermaid import CYLINDER, DOUBLE, ROUNDED, Flowchart
from dddkit.cli._drawing.repositories import Repository
from dddkit.cli._drawing.subscriptions import Handler


def draw_aggregates(chart: Flowchart, aggregates: Sequence[AggregateToDraw], package: str) -> None:
    """Draw aggregates, with what is around them.

    Args:
        chart: where to draw them.
        aggregates: which.
        package: the one that the names of modules leave out.
    """
    ways: dict[Handler, dict[str, None]] = {}
    for event in (event for aggregate in aggregates for event in aggregate.events):
        for one in event.subscriptions:
            ways.setdefault(one.handler, {})[one.how] = None
    drawing = _Drawing(chart, f"{package}." if package else "", ways)
    for aggregate in aggregates:
        drawing.add(aggregate)


class _Drawing:
    def __init__(self, chart: Flowchart, package: str, ways: Mapping[Handler, Iterable[str]]) -> None:
        self._chart = chart
        self._package = package
        self._ways = ways
        """How each handler comes to be called."""
        self._nodes: dict[TypeInfo | Handler | Repository, str] = {}
        """Of what may belong to several events or aggregates."""

    def add(self, aggregate: AggregateToDraw) -> None:
        """Draw one aggregate."""
        lines = [aggregate.name, f"identity: {aggregate.identity}"] if aggregate.identity else [aggregate.name]
        node = self._chart.node(f"aggregate_{aggregate.name}", lines, DOUBLE)
        for repository in aggregate.repositories:
            if repository not in self._nodes:
                shown = filter(None, [repository.name, repository.kind, self._module(repository.module)])
                self._nodes[repository] = self._chart.node(f"holds_{repository.name}", [*shown], CYLINDER)
            self._chart.arrow(self._nodes[repository], node, "holds")
        for event in aggregate.events:
            is_new = event.info not in self._nodes
            if is_new:
                self._nodes[event.info] = self._chart.node(
                    f"event_{aggregate.name}_{event.name}", [event.name], ROUNDED
                )
            self._chart.arrow(node, self._nodes[event.info], ", ".join(event.recorded_by))
            if is_new:
                self._add_handlers(event)

    def _add_handlers(self, event: Event) -> None:
        for handler in dict.fromkeys(one.handler for one in event.subscriptions):
            if handler not in self._nodes:
                lines = [handler.name, *self._ways[handler], self._module(handler.module)]
                self._nodes[handler] = self._chart.node(f"handler_{handler.name}", lines)
            self._chart.arrow(self._nodes[event.info], self._nodes[handler])

    def _module(self, name: str) -> str:
        return name.removeprefix(self._package)
