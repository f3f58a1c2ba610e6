"""The picture of a story: its steps from top to bottom, and beside each what undoes it."""

from __future__ import annotations

from collections.abc import Sequence

from dddkit.cli._drawing.mermaid import HEXAGON, RECTANGLE, ROUNDED, UNDOING, Flowchart
from dddkit.cli._drawing.story import Kind, Step, StoryToDraw

_SHAPES = {Kind.STEP: RECTANGLE, Kind.WAITING: HEXAGON, Kind.UNDOING: RECTANGLE}


def draw_story(chart: Flowchart, story: StoryToDraw) -> None:
    """Draw a story."""
    chart.begin(f"story_{story.name}", _titled(story.name, story.is_async))
    before = ""
    if story.begins_with:
        before = chart.node(f"{story.name}_begins", [f"begins with {', '.join(story.begins_with)}"], ROUNDED)
    _draw_steps(chart, story, story.name, before)
    chart.end()


def _draw_steps(chart: Flowchart, story: StoryToDraw, path: str, before: str) -> str:
    """Draw the steps of a story; return the last node.

    Args:
        chart: where to draw them.
        story: whose steps.
        path: what the names of the nodes begin with.
        before: the node before the first step; empty where there is none.
    """
    for step in story.steps:
        name = f"{path}_{step.name}"
        if step.story is None:
            drawn = last = chart.node(name, _lines(step), _SHAPES[step.kind])
            if before:
                chart.arrow(before, drawn)
        else:
            title = f"{step.name}: {_titled(step.story.name, step.story.is_async)}"
            drawn = chart.begin(name, title)
            last = _draw_steps(chart, step.story, name, before)
            chart.end()
        if step.undone_by is not None:
            undoing = chart.node(f"{name}_undo", _lines(step.undone_by), RECTANGLE, UNDOING)
            chart.arrow(
                drawn, undoing, "undone by, even if failed" if step.is_undone_if_failed else "undone by", "-.->"
            )
        before = last
    if story.may_list_more:
        more = chart.node(f"{path}_more", ["perhaps more steps, listed by code"])
        if before:
            chart.arrow(before, more)
        before = more
    return before


def _titled(name: str, is_async: bool | None) -> str:
    return name if is_async is None else f"{name}, {'async' if is_async else 'sync'}"


def _lines(step: Step) -> Sequence[str]:
    lines = [_titled(step.name, step.is_async), *step.remarks]
    usage = step.usage
    if usage is not None:
        for verb, words in (
            ("reads", usage.reads),
            ("sets", usage.sets),
            ("calls", usage.calls),
            ("passes the State on to", usage.passed_on),
        ):
            if words:
                lines.append(f"{verb} {', '.join(words)}")
    return lines
