"""The state of a run: one object, which is what its record reads back as whenever a step begins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dddkit._json import JsonMismatchError
from dddkit.exceptions import StoryChangedError, StoryNotRecordableError
from dddkit.stories._engine.tracebacks import remove_frames
from dddkit.stories.durable._journal import Entry
from dddkit.stories.durable._replay import Progress, Recorded
from dddkit.stories.durable._state import Known, StateCodec, changes
from dddkit.stories.durable._steps import StoryPlan
from dddkit.stories.state import fields_set

__all__ = ["RecordedState", "read_record"]


class RecordedState:
    """The state of a run, and the JSON that is recorded of it.

    Args:
        codec: writes and reads the State.
        start_text: the JSON that the run was started with.
        recorded: the entries that have changed it since, in order.

    Attributes:
        fields: the JSON of the fields as they are recorded.
        state: the object that steps are called with.

    Raises:
        JsonMismatchError: the JSON does not fit the State.
    """

    __slots__ = ("_codec", "_known", "_written", "fields", "state")

    def __init__(self, codec: StateCodec, start_text: str, recorded: Iterable[Recorded]) -> None:
        self._codec: Final = codec
        self._known: Final[Known] = {}
        self._written: tuple[str, Recorded] | None = None
        self.fields: dict[str, Any] = json.loads(start_text)
        for entry in recorded:
            self._note(entry)
        self.state: Final = codec.load(self.fields)

    def _note(self, entry: Recorded) -> None:
        self.fields.update(entry["set"])
        for name in entry["unset"]:
            self.fields.pop(name, None)

    def take_over(self, entry: Recorded) -> None:
        """Change the state as a recorded entry says."""
        self._note(entry)
        self._codec.set(self.state, entry["set"], entry["unset"])

    def put(self, field: str, text: str) -> None:
        """Give a field the value that this JSON stands for.

        Raises:
            JsonMismatchError: it does not fit the field.
        """
        self._codec.set(self.state, {field: json.loads(text)})

    def reset(self) -> None:
        """Make the state what it was before the step, for another attempt."""
        new = [name for name in fields_set(self.state) if name not in self.fields]
        self._codec.set(self.state, self.fields, new)

    def settle(self, label: str) -> tuple[dict[str, Any], StoryNotRecordableError | None]:
        """Make the state what its record reads back as; return that record, and why some of it does not read back.

        In the second case the state stays as the step has left it, and the record has the other fields.
        """
        try:
            return self._codec.settle(self.state, label, self._known), None
        except StoryNotRecordableError as error:
            remove_frames(error)  # all of them, which lead to whoever keeps the error
            problem = error
        fields: dict[str, Any] = {}
        for name, value in fields_set(self.state).items():
            try:
                fields[name] = self._codec.dump_field(name, value)
            except StoryNotRecordableError:
                if name in self.fields:
                    fields[name] = self.fields[name]
        return fields, problem

    def text(self, started: float, seconds: float, fields: dict[str, Any], more: Mapping[str, Any]) -> str:
        """Return the text of an entry: when it began, how long it took, what it has changed, and more."""
        changed = changes(self.fields, fields)
        self.fields = fields
        entry: Recorded = {"at": started, "took": seconds, "set": changed.set, "unset": changed.unset, **more}
        text = json.dumps(entry)
        self._written = None if more else (text, entry)  # what more there is may read back as something else
        return text

    def entry(self, text: str) -> Recorded:
        """Return what the text of an entry says; the one that was written last is not read again."""
        if self._written is not None and text is self._written[0]:
            return self._written[1]
        recorded: Recorded = json.loads(text)
        return recorded


def read_record(
    plan: StoryPlan, codec: StateCodec, start_text: str, entries: Sequence[Entry], run_id: str
) -> tuple[Progress, RecordedState]:
    """Read the record of a run: how far it has come, and its state.

    Raises:
        StoryChangedError: it does not fit the story, or its State.
    """
    progress = Progress.read(plan, entries, run_id)
    try:
        return progress, RecordedState(codec, start_text, (*progress.steps, *progress.undone))
    except JsonMismatchError as error:
        raise StoryChangedError(plan.name, run_id, f"its State does not fit: {error}") from error
