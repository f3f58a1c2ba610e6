"""The slots of a queue that limits how many of its runs run at once: a run that waits for long leaves its slot free."""

from __future__ import annotations

import time
from typing import Final

from dbos import DBOS

from dddkit.stories.dbos._calls import in_empty_context
from dddkit.stories.dbos._executions import RunLeft

__all__ = ["Slots", "slots_of"]

_SHORT: Final = 5.0
"""Seconds for which leaving a slot is not worth it: both ways take until the queues look again."""


class Slots:
    """Where one execution runs: in a slot of its queue, or beside it.

    Going from one to the other ends the execution: DBOS begins another, in the other queue, from the record.
    """

    def __init__(self, queue: str, is_in_slot: bool) -> None:
        self._queue: Final = queue
        self._is_in_slot: Final = is_in_slot

    async def leave(self, run_id: str, until: float | None) -> None:
        """Go where waiting takes no slot, unless it is for a moment only."""
        if self._is_in_slot and (until is None or until - time.time() > _SHORT):
            await in_empty_context(lambda: DBOS.resume_workflow_async(run_id))
            raise RunLeft(run_id)

    async def take(self, run_id: str) -> None:
        """Go back into the queue before something runs."""
        if not self._is_in_slot:
            await in_empty_context(lambda: DBOS.resume_workflow_async(run_id, queue_name=self._queue))
            raise RunLeft(run_id)


async def slots_of(queue: str, current: str | None) -> Slots | None:
    """Return the slots of a run that is being executed from the `current` queue; None where its own sets no limit."""
    found = await DBOS.retrieve_queue_async(queue)
    if found is None:
        return None
    limits = (await found.get_worker_concurrency_async(), await found.get_global_concurrency_async())
    return None if limits == (None, None) else Slots(queue, current == queue)
