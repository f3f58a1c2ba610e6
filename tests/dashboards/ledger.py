"""An independent record of what happened in a shop.

The figures of the dashboards are compared with it, so it takes only the names from the engine. It finds out the status
of a run or step at its own `yield`, and it measures durations with its own clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from dddkit.stories import StepExecutionInfo, StoryExecutionContext

__all__ = ["Entry", "Ledger"]


class Entry(NamedTuple):
    """One run, or one step of a run, that has ended."""

    story: str
    step: str
    """Empty for a run."""
    status: str
    milliseconds: float
    ended: float
    """Seconds since the epoch."""


class Ledger:
    """A hook that records every run and every step."""

    def __init__(self) -> None:
        self.entries: Final = list[Entry]()

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        return self._record(context.story_name, "")

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        return self._record(context.story_name, step.step_name)

    def _record(self, story: str, step: str) -> Iterator[None]:
        status = "completed"
        started = time.perf_counter()
        try:
            yield
        except Exception:
            status = "failed"
            raise
        except BaseException:
            status = "cancelled"
            raise
        finally:
            self.entries.append(Entry(story, step, status, (time.perf_counter() - started) * 1000, time.time()))
