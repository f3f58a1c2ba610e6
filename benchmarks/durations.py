"""How many of the durations that hooks see are wrong, when a thousand runs are under way at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from importlib import import_module
from random import Random
from time import perf_counter
from types import SimpleNamespace
from typing import Any, Final

__all__ = ["share_of_wrong_durations"]

_SHOWN: Final = re.compile(r"I\.(?P<name>step_\d) \[(?P<seconds>[0-9.]+)s\]")

_STORY: Final = """
class Waiting(Story):
    I.step_0
    I.step_1
    I.step_2

    async def step_0(self, state): await state.wait("step_0")
    async def step_1(self, state): await state.wait("step_1")
    async def step_2(self, state): await state.wait("step_2")
"""


class _State(SimpleNamespace):
    """A run's own stop-watch: what each step has really taken."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random
        self.taken: dict[str, float] = {}
        self.tree = ""

    async def wait(self, step: str) -> None:
        begun = perf_counter()
        await asyncio.sleep(self.random.uniform(0.05, 0.5))
        self.taken[step] = perf_counter() - begun


class _Last:
    """A hook after the default ones: keeps what the execution tree shows at the end, the state being asked for it."""

    def __init__(self, state_of: Callable[[Any], _State]) -> None:
        self.state_of = state_of

    def after(self, context: Any, step: Any) -> None:
        if step.step_name == "step_2":
            self.state_of(context).tree = str(context)


def share_of_wrong_durations(runs: int = 1000) -> float:
    """The share of steps, in percent, whose duration in the execution tree is off by more than a tenth.

    The tree is what the predecessor and we both show; each step has its own stop-watch beside it.
    """
    stories: Any = import_module("dddkit.stories")
    namespace: dict[str, Any] = {"I": stories.I, "Story": stories.Story, "__name__": "shop"}
    exec(_STORY, namespace)
    story_class = namespace["Waiting"]
    states = [_State(Random(number)) for number in range(runs)]
    by_task: dict[Any, _State] = {}
    last = _Last(lambda context: by_task[asyncio.current_task()])
    stories.inject_hooks(story_class)
    stories.inject_hooks(story_class, [*_default_hooks(stories), last])

    async def one(state: _State) -> None:
        by_task[asyncio.current_task()] = state
        await story_class()(state)

    async def every() -> None:
        await asyncio.gather(*[one(state) for state in states])

    asyncio.run(every())
    wrong = total = 0
    for state in states:
        shown = {found["name"]: float(found["seconds"]) for found in _SHOWN.finditer(state.tree)}
        for step, taken in state.taken.items():
            total += 1
            wrong += step not in shown or abs(shown[step] - taken) > taken / 10
    return 100 * wrong / total


def _default_hooks(stories: Any) -> list[Any]:
    """The predecessor has one dictionary of hooks, which a second injection may replace: then they are given again."""
    return [stories.StatusTracker(), stories.ExecutionTimeTracker()] if not hasattr(stories, "StoryHook") else []
