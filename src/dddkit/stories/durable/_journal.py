"""The seam to an engine: what a run needs of whatever records it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from dddkit.stories.durable.status import RunStatus

__all__ = ["UNDO", "WAIT", "Entry", "Journal"]

WAIT = "wait:"
"""What the name of an entry begins with that says how long a step waits; the entry of the step itself follows."""
UNDO = "undo:"
"""What the name of an entry begins with that says how the undoing of a step has ended."""


class Entry(NamedTuple):
    """What is recorded of one step, one wait or one undoing."""

    name: str
    text: str
    """JSON."""


class Journal(Protocol):
    """The record of one run, which is only ever appended to.

    Whatever its methods raise ends the execution as it is: no step has failed then, nothing is undone, and the run
    goes on from its record later.

    Attributes:
        run_id: the id that the caller has given to the run.
    """

    @property
    def run_id(self) -> str: ...

    def entries(self) -> Sequence[Entry]:
        """Return what was recorded before this execution began, in order."""
        ...

    def resumed(self) -> bool:
        """Return whether another execution of the run may have begun before this one, recorded anything or not."""
        ...

    async def record(self, name: str, body: Callable[[], Awaitable[str]], *, blocks: bool = False) -> str:
        """Return the text of the next entry: the recorded one if there is one, else what `body` returns.

        A body that raises records nothing.

        Args:
            name: that of the entry.
            body: what makes the text.
            blocks: whether it awaits nothing, and may block, as a step of a sync story does: a journal that has
                threads goes into one before it, and the run stays there until something waits.
        """
        ...

    async def wait(self, signal: str | None, until: float | None) -> str | None:
        """Wait outside of the record, without a thread.

        Args:
            signal: the name of the signal to wait for; None: for time alone.
            until: epoch seconds; None: for ever.

        Returns:
            The JSON of the signal's value; None when the time is over, or the run is to be cancelled.
        """
        ...

    async def pause(self, until: float) -> None:
        """Wait inside a step, for its next attempt, until that time in epoch seconds; less where the run is cancelled.

        Where the process ends it raises, so that the step is not recorded, and runs again later.
        """
        ...

    def cancelled(self) -> bool:
        """Return whether somebody wants the run to be stopped and undone; it is asked between steps."""
        ...

    async def tell(self, status: RunStatus, step: str | None) -> None:
        """Say how the run stands, to whoever asks; best effort, and not recorded.

        Args:
            status: WAITING, RUNNING again, UNDOING or CHANGED.
            step: the label of the step concerned.
        """
        ...
