"""Which rules may have something to say about a story: none about most, and this shows it at once.

A rule that is not asked would report nothing (a test compares): each condition here may be stricter than the rule, and
none laxer. A new rule about stories goes into one of them.
"""

from __future__ import annotations

from mypy.nodes import TypeInfo

from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext
from dddkit_mypy.stories.reading import StoryReading
from dddkit_mypy.stories.state import variables_of
from dddkit_mypy.stories.steps import steps_that_may_not_fit


def rules_to_ask(ctx: ClassContext, story: StoryReading) -> list[str] | None:
    """Return the names of the rules to ask about a story that this run has analysed; None for all of them.

    Without those that are off by default.
    """
    info, own = ctx.info, mypy_api.metadata_of(ctx.info)
    if story.undoing:
        return None
    asked: list[str] = []
    if story.steps is None:
        asked.append("empty_story")
    if own["misused"] or "I" in info.names:
        asked.append("unknown_step")
    if own["unset"]:
        asked.append("undecorated_class")
    if own["attributes"] or story.bases.attributes:
        asked.append("story_attribute")
    symbol = info.get("State")
    state = None if symbol is None else symbol.node
    if not isinstance(state, TypeInfo) or state.has_base(names.SIMPLE_NAMESPACE):
        asked.append("mutable_default")
    if (own["flows"] or story.bases.flows) and (story.state is None or variables_of(story.state)):
        asked.append("state_order")
    if story.steps is not None and steps_that_may_not_fit(ctx, story.steps):
        asked += ["step_signature", "step_state", "step_return"]
    return asked
