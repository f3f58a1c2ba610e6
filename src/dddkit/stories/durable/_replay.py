"""Reading what is recorded of a run: how far it has come, and whether the story still fits it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from dddkit.exceptions import StoryChangedError
from dddkit.stories.durable._journal import UNDO, WAIT, Entry
from dddkit.stories.durable._steps import StoryPlan
from dddkit.stories.durable._undoing import Undo, steps_to_undo

__all__ = ["CANCELLED", "FAILED", "LOST", "STOPPED", "Progress", "Recorded", "first_entry_to_repeat", "kept_entries"]

Recorded = dict[str, Any]
"""What the text of an entry says."""

FAILED: Final = "failed"
"""What the entry of a step holds, or of an undoing, that has raised: the exception."""
STOPPED: Final = "stopped"
"""What the entry of a step holds that has completed, and after which a hook has stopped the run."""
LOST: Final = "lost"
"""What the entry of a step holds that has completed, and has set what does not read back."""

CANCELLED: Final = "cancelled"
"""What the entry of a failed step holds that another attempt might have cured, if nobody had cancelled the run."""

_ENDS: Final = (FAILED, STOPPED, LOST)


class Progress:
    """How far a run has come.

    Attributes:
        steps: what is recorded of the steps that have begun, in order.
        waits: what is recorded of waiting, by the label of the step.
        undone: what is recorded of the undoing, in order.
        is_cancelled: whether the run was stopped since somebody has cancelled it.
        may_have_begun: whether an execution that was cut off may have begun the next step of a run that is cancelled.
    """

    __slots__ = ("_plan", "is_cancelled", "may_have_begun", "steps", "undone", "waits")

    def __init__(self, plan: StoryPlan) -> None:
        self._plan: Final = plan
        self.steps: Final[list[Recorded]] = []
        self.waits: Final[dict[str, Recorded]] = {}
        self.undone: Final[list[Recorded]] = []
        self.is_cancelled = False
        self.may_have_begun = False

    @classmethod
    def read(cls, plan: StoryPlan, entries: Sequence[Entry], run_id: str) -> Progress:
        """Read the record of a run.

        Raises:
            StoryChangedError: it does not fit the story.
        """
        made = cls(plan)
        done: list[str] = []
        undone: list[str] = []
        for name, text in entries:
            if name.startswith(UNDO):
                undone.append(name[len(UNDO) :])
                made.undone.append(json.loads(text))
            elif name.startswith(WAIT):
                made.waits[name[len(WAIT) :]] = json.loads(text)
            else:
                done.append(name)
                made.steps.append(json.loads(text))
        _check(plan, run_id, "done", done, [step.label for step in plan.steps])
        made.is_cancelled = bool(made.steps) and CANCELLED in made.steps[-1]
        if undone:
            made.is_cancelled = made.is_cancelled or made.end is None
            made.may_have_begun = made.undone[0].get("may_have_begun", False)
            _check(plan, run_id, "undone", undone, [undo.step.label for undo in made.to_undo()])
        return made

    @property
    def completed(self) -> int:
        """How many recorded steps have completed."""
        return len(self.steps) - (bool(self.steps) and FAILED in self.steps[-1])

    @property
    def end(self) -> dict[str, Any] | None:
        """The exception that has stopped the run, as JSON."""
        last = self.steps[-1] if self.steps else {}
        return next((last[kind] for kind in _ENDS if kind in last), None)

    @property
    def is_stopped(self) -> bool:
        """Whether no further step is to run."""
        return self.is_cancelled or self.end is not None

    def to_undo(self) -> list[Undo]:
        """Return what a stopped run has to undo."""
        last = self.steps[-1] if self.steps else {}
        if self.completed == len(self._plan.steps) and LOST not in last:
            return []  # the operation is done, whatever a hook says of it afterwards
        is_interrupted = FAILED in last or self.may_have_begun
        return steps_to_undo(self._plan, self.completed, interrupted=is_interrupted, guarded=last.get("guarded"))


def _check(plan: StoryPlan, run_id: str, what: str, recorded: Sequence[str], expected: Sequence[str]) -> None:
    """Raise where what is recorded is not what comes first."""
    for place, label in enumerate(recorded):
        has = repr(expected[place]) if place < len(expected) else "nothing more"
        if has != repr(label):
            shown = ", ".join(recorded[: place + _SHOWN])
            raise StoryChangedError(
                plan.name,
                run_id,
                f"{label!r} is recorded as {what}, at place {place + 1}, and the story has {has} there; run it where "
                f"the first {'steps' if what == 'done' else 'steps to undo'} are {shown}",
                label,
            )


_SHOWN: Final = 10
"""The number of steps that a message shows, beginning with the one that does not fit."""


def first_entry_to_repeat(entries: Sequence[Entry], plan: StoryPlan) -> int:
    """Return the index of the first entry to forget, so that a failed run is repeated from there.

    The entry of the step that has failed, or after which a hook has stopped the run; where an undoing has failed, the
    first undoing that has.

    Raises:
        ValueError: nothing in it has failed.
    """
    ends = [index for index, (_, text) in enumerate(entries) if any(kind in json.loads(text) for kind in _ENDS)]
    undone = [index for index in ends if entries[index].name.startswith(UNDO)]
    if not ends:
        raise ValueError(f"{plan.name}: no step of this run has failed, and no undoing, so there is nothing to repeat")
    first = undone[0] if undone else ends[0]
    waited = first > 0 and entries[first - 1].name == WAIT + entries[first].name
    return first - 1 if waited else first  # to wait anew


def kept_entries(entries: Sequence[Entry], index: int) -> dict[str, str]:
    """Return what is done of the entries from `index` on, by name: pass it to `run` as `kept`."""
    kept: dict[str, str] = {}
    for name, text in entries[index:]:
        recorded: Recorded = json.loads(text)
        recorded.pop(STOPPED, None)  # what the hook has stopped goes on after the step
        if FAILED not in recorded and LOST not in recorded and not name.startswith(WAIT):
            kept[name] = json.dumps(recorded)
    return kept
