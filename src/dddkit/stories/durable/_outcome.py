"""The outcome of a run, as its caller gets it."""

from __future__ import annotations

import json
from typing import Any

from dddkit._json import JsonMismatchError
from dddkit.exceptions import CompensationError, RunCancelledError, StoryChangedError
from dddkit.stories.durable._errors import from_json
from dddkit.stories.durable._state import StateCodec
from dddkit.stories.durable._steps import StoryPlan
from dddkit.stories.durable.status import RunStatus

__all__ = ["outcome_of"]


def outcome_of(text: str, plan: StoryPlan, codec: StateCodec, run_id: str) -> Any:
    """Return the State at the end of a run that completed.

    Raises:
        Exception: what has stopped the run: the exception of the step, or StepFailedError.
        CompensationError: something could not be undone; its cause is what has stopped the run.
        RunCancelledError: somebody has cancelled the run.
        StoryChangedError: the run has completed, and its state does not fit the State now.
    """
    outcome: dict[str, Any] = json.loads(text)
    if outcome["status"] == RunStatus.COMPLETED.value:
        try:
            return codec.load(outcome["state"])
        except JsonMismatchError as mismatch:
            problem = f"it has completed, and the State does not fit its result: {mismatch}"
            raise StoryChangedError(plan.name, run_id, problem) from mismatch
    error: Exception
    if outcome["error"] is None:
        error = RunCancelledError(plan.name, run_id, outcome["undone"])
    else:
        error = from_json(outcome["error"], plan.name, outcome["step"])
    try:
        if outcome["failures"]:
            failures = [(label, from_json(data, plan.name, label)) for label, data in outcome["failures"]]
            raise CompensationError(plan.name, failures, outcome["undone"], outcome["left"]) from error
        raise error
    finally:
        del error  # its traceback leads to this frame
