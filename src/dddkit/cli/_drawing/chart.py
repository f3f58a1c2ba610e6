"""The picture of stories and aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from dddkit.cli._drawing.aggregate import Surroundings, aggregate_to_draw
from dddkit.cli._drawing.aggregate_chart import draw_aggregates
from dddkit.cli._drawing.analysis import Analysis
from dddkit.cli._drawing.by_class import ByClass
from dddkit.cli._drawing.mermaid import Flowchart
from dddkit.cli._drawing.repositories import repositories_in
from dddkit.cli._drawing.story import Step, StoryToDraw, story_to_draw
from dddkit.cli._drawing.story_chart import draw_story
from dddkit.cli._drawing.subscriptions import subscriptions_in
from dddkit_mypy import _names as names
from dddkit_mypy.stories.declaration import is_story


class Pictures:
    """Draws what is in one analysis; what is around aggregates is looked for once."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis: Final = analysis

    def of(self, place: str) -> str:
        """Return the Mermaid text of what `MODULE[:NAME]` stands for.

        Raises:
            CommandError: there is no such class, or nothing to draw.
        """
        analysis = self._analysis
        drawn = analysis.drawn(place)
        stories = _outermost([story_to_draw(info, analysis) for info in drawn if is_story(info)])
        aggregates = [info for info in drawn if info.has_base(names.RECORDING)]
        chart = Flowchart("TB" if stories else "LR")
        for story in stories:
            draw_story(chart, story)
        if stories and aggregates:
            chart.begin("aggregates", "Aggregates", "LR")
        if aggregates:
            to_draw = [aggregate_to_draw(info, analysis, self._surroundings) for info in aggregates]
            draw_aggregates(chart, to_draw, _package(place.partition(":")[0], analysis))
        if stories and aggregates:
            chart.end()
        return chart.text()

    @cached_property
    def _surroundings(self) -> Surroundings:
        return Surroundings(
            ByClass(subscriptions_in(self._analysis), lambda one: one.event),
            ByClass(repositories_in(self._analysis), lambda one: one.aggregate),
        )


def _package(module: str, analysis: Analysis) -> str:
    """Return the package of a module; of a package, itself."""
    is_package = any(name.startswith(f"{module}.") for name in analysis.own)
    return module if is_package else module.rpartition(".")[0]


def _outermost(stories: Sequence[StoryToDraw]) -> list[StoryToDraw]:
    """Return the stories without those that are drawn as a step of another one; of stories in a cycle, the first."""
    inside = {story.full_name: _stories_in(story.steps) for story in stories}
    nested = set[str]().union(*inside.values())
    drawn = set[str]().union(*(names_inside for name, names_inside in inside.items() if name not in nested))
    outermost: list[StoryToDraw] = []
    for story in stories:
        if story.full_name not in drawn:
            outermost.append(story)
            drawn |= inside[story.full_name]
    return outermost


def _stories_in(steps: Sequence[Step]) -> set[str]:
    nested = [step.story for step in steps if step.story is not None]
    return {story.full_name for story in nested}.union(*(_stories_in(story.steps) for story in nested))
