"""The picture of stories and aggregates."""

from __future__ import annotations

from collections.abc import Sequence

from dddkit_mypy import _names as names
from dddkit_mypy.stories.declaration import is_story

from dddkit.cli._drawing.aggregate import aggregates_to_draw
from dddkit.cli._drawing.aggregate_chart import draw_aggregates
from dddkit.cli._drawing.analysis import Analysis
from dddkit.cli._drawing.mermaid import Flowchart
from dddkit.cli._drawing.story import Step, StoryToDraw, story_to_draw
from dddkit.cli._drawing.story_chart import draw_story


def picture_of(place: str, analysis: Analysis) -> str:
    """Return the Mermaid text of what `MODULE[:NAME]` stands for.

    Raises:
        CommandError: there is no such class, or nothing to draw.
    """
    drawn = analysis.drawn(place)
    stories = _outermost([story_to_draw(info, analysis) for info in drawn if is_story(info)])
    aggregates = aggregates_to_draw([info for info in drawn if info.has_base(names.RECORDING)], analysis)
    chart = Flowchart("TB" if stories else "LR")
    for story in stories:
        draw_story(chart, story)
    if stories and aggregates:
        chart.begin("aggregates", "Aggregates", "LR")
    draw_aggregates(chart, aggregates, place.partition(":")[0].rpartition(".")[0])
    if stories and aggregates:
        chart.end()
    return chart.text()


def _outermost(stories: Sequence[StoryToDraw]) -> list[StoryToDraw]:
    """Return the stories without those that are drawn as a step of another one."""
    inside = {inner for story in stories for inner in _stories_in(story.steps)}
    return [story for story in stories if story.full_name not in inside]


def _stories_in(steps: Sequence[Step]) -> set[str]:
    nested = [step.story for step in steps if step.story is not None]
    return {story.full_name for story in nested}.union(*(_stories_in(story.steps) for story in nested))
