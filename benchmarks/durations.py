"""How many recorded durations are wrong when a thousand runs are active at once."""

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
    """The state of a run; it measures how long each step really takes."""

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
    """Store the execution tree of the finished run in its state; runs after the default hooks."""

    def __init__(self, state_of: Callable[[Any], _State]) -> None:
        self.state_of = state_of

    def after(self, context: Any, step: Any) -> None:
        if step.step_name == "step_2":
            self.state_of(context).tree = str(context)


def share_of_wrong_durations(runs: int = 1000) -> float:
    """Return the percentage of steps whose duration in the execution tree is wrong by more than 10 %.

    The tree is read because dddkit and its predecessor both render it. Each step also measures its own duration.
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
    """Return the default hooks for the predecessor, which replaces them at a second injection; else none."""
    return [stories.StatusTracker(), stories.ExecutionTimeTracker()] if not hasattr(stories, "StoryHook") else []
