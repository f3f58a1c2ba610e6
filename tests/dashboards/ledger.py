"""An independent record of what happened in a shop.

The figures of the dashboards are compared with it, so it takes only the names from the engine. It finds out the status
of a run, a step or a compensation at its own `yield`, and it measures durations with its own clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from dddkit.exceptions import CompensationError
from dddkit.stories import StepExecutionInfo, StoryExecutionContext

__all__ = ["Entry", "Kind", "Ledger"]

Kind: TypeAlias = Literal["run", "step", "undoing"]


class Entry(NamedTuple):
    """One run, one step of a run, or the undoing of one, that has ended."""

    story: str
    step: str
    """Empty for a run."""
    status: str
    milliseconds: float
    ended: float
    """Seconds since the epoch."""
    kind: Kind


class Ledger:
    """A hook that records every run, every step and every compensation.

    Args:
        refusals: the exceptions that are no faults.
    """

    def __init__(self, refusals: tuple[type[Exception], ...]) -> None:
        self.entries: Final = list[Entry]()
        self._refusals: Final = refusals

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        return self._record(context.story_name, "", "run")

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        return self._record(context.story_name, step.step_name, "step")

    def around_compensation(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        return self._record(context.story_name, step.step_name, "undoing")

    def _record(self, story: str, step: str, kind: Kind) -> Iterator[None]:
        status = "completed"
        started = time.perf_counter()
        try:
            yield
        except CompensationError:
            status = "failed"
            raise
        except Exception as error:
            status = "refused" if kind != "undoing" and isinstance(error, self._refusals) else "failed"
            raise
        except BaseException:
            status = "failed" if kind == "undoing" else "cancelled"
            raise
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            self.entries.append(Entry(story, step, status, milliseconds, time.time(), kind))
