"""The record of a run, kept by DBOS: each entry is a step of a workflow."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from dbos import DBOS, StepInfo, StepOptions

from dddkit.stories.dbos._calls import in_empty_context
from dddkit.stories.dbos._executions import Execution, RunLeft
from dddkit.stories.dbos._mailboxes import TOO_LATE, contents, first_in, signal_box
from dddkit.stories.dbos._moving import into_thread, onto_loop, without_waiting
from dddkit.stories.dbos._slots import Slots
from dddkit.stories.dbos._told import saying
from dddkit.stories.durable._calling import is_on_loop
from dddkit.stories.durable._journal import WAIT, Entry
from dddkit.stories.durable.status import RunStatus

__all__ = ["DBOSJournal", "entries_in", "entries_of"]

_log: Final = logging.getLogger("dddkit.stories.durable")


class _Through(BaseException):
    """Carries an Exception through DBOS, which would otherwise record it as the step's."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error: Final = error


class DBOSJournal:
    """The journal of one execution.

    Args:
        execution: what others reach the run by while it runs here.
        entries: what was recorded before; None for a run that was recorded a moment ago.
        told: how others think that the run stands.
        slots: what a run leaves free while it waits; None where it takes none.
    """

    def __init__(
        self,
        execution: Execution,
        entries: Sequence[Entry] | None,
        told: RunStatus | None = None,
        slots: Slots | None = None,
    ) -> None:
        self.run_id: Final = execution.run_id
        self._execution: Final = execution
        self._is_new: Final = entries is None
        self._entries: Final = entries or ()
        self._position = 0
        self._has_waited = False
        """Whether the next entry is that of the step that has waited, which does nothing else."""
        self._told = told
        self._slots: Final = slots

    def entries(self) -> Sequence[Entry]:
        return self._entries

    def resumed(self) -> bool:
        return not self._is_new

    async def record(self, name: str, body: Callable[[], Awaitable[str]], *, blocks: bool = False) -> str:
        if self._position < len(self._entries):
            return self._repeated(name)
        if self._execution.is_stopped:
            raise RunLeft(self.run_id)
        if not blocks:
            await onto_loop()
        if self._slots is not None and not name.startswith(WAIT) and not self._has_waited:
            await onto_loop()
            await self._slots.take(self.run_id)
        self._has_waited = False
        options: StepOptions = {"name": name}

        async def recorded() -> str:
            try:
                text = await body()
            except asyncio.CancelledError as error:
                if not isinstance(error, RunLeft) and not _is_cancelled():
                    _log.warning(
                        "the run %s: %s raised CancelledError, and nobody has cancelled it, so it has not failed; the "
                        "run stays pending, and the step is tried again",
                        *(self.run_id, name),
                    )
                raise RunLeft(self.run_id) from None  # of which DBOS warns nobody
            except Exception as error:
                raise _Through(error) from None
            if self._execution.has_ended:
                raise RunLeft(self.run_id)  # it was interrupted while it was in a thread: perhaps another has it
            return text

        try:
            if blocks:
                await into_thread()  # record and all: DBOS by itself would change threads for each look at the database
                return DBOS.run_step(options, lambda: without_waiting(recorded()))
            return await DBOS.run_step_async(options, recorded)
        except _Through as through:
            raise through.error from None

    def _repeated(self, name: str) -> str:
        entry = self._entries[self._position]
        if entry.name != name:
            raise RuntimeError(f"{self.run_id}: the record has {entry.name} where the run wants {name}")
        self._position += 1
        DBOS.reserve_step()  # as if it had run, without asking the database again
        return entry.text

    async def wait(self, signal: str | None, until: float | None) -> str | None:
        await onto_loop()
        execution, self._has_waited = self._execution, True
        if signal is None:
            await self._pause(until)
            return None
        box = execution.awaits = signal_box(self.run_id, signal)
        try:
            while not execution.cancel_requested:
                sent = await in_empty_context(lambda: contents([box]))
                if box in sent:
                    return None if sent[box] == TOO_LATE else sent[box]
                if until is not None and until <= time.time():
                    return await in_empty_context(lambda: self._closed(box))
                await self._leave_slot(until)
                await execution.sleep(until)
            return None
        finally:
            execution.awaits = None

    async def pause(self, until: float) -> None:
        while not self._execution.cancel_requested and until > time.time():
            await self._execution.sleep(until)

    async def _pause(self, until: float | None) -> None:
        while not self._execution.cancel_requested and (until is None or until > time.time()):
            await self._leave_slot(until)
            await self._execution.sleep(until)

    async def _leave_slot(self, until: float | None) -> None:
        if self._slots is not None:
            await self._slots.leave(self.run_id, until)

    async def _closed(self, box: str) -> str | None:
        """Close the box of a signal whose time is over; return what has come in the last moment, if something has."""
        sent = await first_in(box, TOO_LATE)
        return sent or None

    def cancelled(self) -> bool:
        return self._execution.cancel_requested

    async def tell(self, status: RunStatus, step: str | None) -> None:
        if status is RunStatus.RUNNING and self._told in (None, status):
            return  # as everybody thinks
        await onto_loop()
        self._told = status
        said = saying(status, step)
        try:
            await in_empty_context(lambda: DBOS.update_workflow_attributes_async(self.run_id, said, merge=True))
        except Exception:
            _log.warning("the run %s is %s, which could not be written down", self.run_id, status, exc_info=True)


def _is_cancelled() -> bool:
    """Whether somebody cancels what runs here; before Python 3.11 nobody can tell."""
    if not is_on_loop():
        return False
    cancelling: Callable[[], int] | None = getattr(asyncio.current_task(), "cancelling", None)
    return cancelling is None or cancelling() > 0


async def entries_of(run_id: str) -> list[Entry]:
    """Return what is recorded of a run."""
    return entries_in(await in_empty_context(lambda: DBOS.list_workflow_steps_async(run_id)))


def entries_in(found: Iterable[StepInfo]) -> list[Entry]:
    return [Entry(step["function_name"], str(step["output"])) for step in found]
