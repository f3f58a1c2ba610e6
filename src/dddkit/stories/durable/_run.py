"""Running a durable story over its journal: what is recorded is not run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from dddkit.stories.durable._journal import Entry, Journal
from dddkit.stories.durable._steps import StoryPlan
from dddkit.stories.durable.retry import Retry

__all__ = ["first_entry_to_repeat", "kept_entries", "outcome_of", "run"]


async def run(
    plan: StoryPlan,
    codec: Any,  # StateCodec
    start_text: str,
    journal: Journal,
    *,
    retries: Mapping[str, Retry],
    in_threads: bool | None = None,
    executor: Executor | None = None,
    keys: str | None = None,
    kept: Mapping[str, str] | None = None,
) -> str:
    """Run a story from what is recorded of it to its end; return the outcome as JSON.

    Args:
        plan: `plan_of(story, name, state_class)`.
        codec: writes and reads the State.
        start_text: the JSON of `codec.dump(state)`.
        journal: the record of this run.
        retries: by the labels of steps and compensations, as `check_retries` accepts them.
        in_threads: whether steps and compensations are called in threads; None: those of a sync story are.
        executor: where these threads come from; None: the loop's own.
        keys: what the keys of the steps begin with; None: `key_prefix(plan.name, journal.run_id)`.
        kept: what `kept_entries` gave for a run that is repeated.

    Raises:
        StoryChangedError: what is recorded does not fit the story or its State now; nothing was recorded.
        BaseException: what the journal raises, and a step that is no Exception: nothing was recorded of that step,
            nothing is undone, and no hook has counted the run.
    """
    raise NotImplementedError


def outcome_of(text: str, plan: StoryPlan, codec: Any, run_id: str) -> Any:
    """Return the State at the end of a run that completed.

    Raises:
        Exception: what has stopped the run: the exception of the step, or StepFailedError.
        CompensationError: something could not be undone; its cause is what has stopped the run.
        RunCancelledError: somebody has cancelled the run.
    """
    raise NotImplementedError


def first_entry_to_repeat(entries: Sequence[Entry], plan: StoryPlan) -> int:
    """Return the index of the first entry to forget, so that a failed run is repeated from there.

    The entry of the step that has failed; where its undoing has failed, that of the first undoing that has.

    Raises:
        ValueError: nothing in it has failed.
    """
    raise NotImplementedError


def kept_entries(entries: Sequence[Entry], index: int) -> dict[str, str]:
    """Return what of the entries from `index` on was done and need not be repeated: pass it to `run` as `kept`."""
    raise NotImplementedError
