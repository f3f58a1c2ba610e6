"""The facts of one run: which story, which state, and how each step went."""

# pyright: reportPrivateUsage=false
# The two classes of facts, and the engine that notes them, know each other; hooks see what has no underscore.

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from dddkit.stories.registry import Hooks, is_put_off

__all__ = ["StepExecutionInfo", "StepStatus", "StoryExecutionContext"]

_TEMPLATE: Final = "    I.{step_name}"
_NESTED: Final = "        "  # a story inside a step stands one level below it


class StepStatus(Enum):
    """How a step, or a whole run, stands.

    `.value` and `str()` are the glyph of the execution tree; `.name.lower()` is the word for metrics.
    """

    PENDING = ""
    RUNNING = "⟳"
    COMPLETED = "✓"
    FAILED = "✗"
    CANCELLED = "⊘"
    """It ended by an exception that is no `Exception`: a cancelled task, a closed coroutine, Ctrl-C."""

    def __str__(self) -> str:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self._value_, spec)


_NAME: Final = None
_META: Final = re.compile(r"meta\[([A-Za-z_]\w*)\]").fullmatch
_PLAIN: Final = {str, int, float, bool, NoneType, StepStatus}  # cannot change without being another object
_PENDING: Final = StepStatus.PENDING  # reading a member off an Enum is slow
_COMPLETED: Final = StepStatus.COMPLETED


class Failure(NamedTuple):
    """How a step has ended that did not complete."""

    duration: float
    status: StepStatus
    error: BaseException


# What the engine notes of the steps, in order: nothing of a pending one, None of a running one, then its seconds or a
# Failure. All else is read off that when somebody asks, so that a run which nobody looks at costs next to nothing.
Facts: TypeAlias = "list[float | Failure | None]"


class StepExecutionInfo:
    """One step of one run; the engine notes the facts, hooks read them.

    Attributes:
        step_name: the name the story lists.
        step_index: its place in the story, from 0.
    """

    __slots__ = ("_facts", "_notes", "step_index", "step_name")

    # Set by whoever makes one (`fact_sheets`, the engine): calling an `__init__` would take longer than all the rest.
    if TYPE_CHECKING:

        def __init__(self) -> None:
            self.step_name: Final[str] = ""
            self.step_index: Final[int] = 0
            self._facts: Final[Facts] = []
            self._notes: _Notes | None = None

    @property
    def status(self) -> StepStatus:
        """How it stands."""
        if self.step_index >= len(self._facts):
            return _PENDING
        fact = self._facts[self.step_index]
        if type(fact) is float:
            return _COMPLETED
        return fact.status if isinstance(fact, Failure) else StepStatus.RUNNING

    @property
    def duration(self) -> float:
        """Seconds that the step itself took, without hooks; 0.0 until it has ended."""
        fact = self._facts[self.step_index] if self.step_index < len(self._facts) else None
        if type(fact) is float:
            return fact
        return fact.duration if isinstance(fact, Failure) else 0.0

    @property
    def error(self) -> BaseException | None:
        """The exception that ended it, the very object; None while there is none."""
        fact = self._facts[self.step_index] if self.step_index < len(self._facts) else None
        return fact.error if isinstance(fact, Failure) else None

    @property
    def meta(self) -> dict[str, Any]:
        """For hooks, to note what they like; it belongs to this step of this run."""
        return (self._notes or self._make_notes()).meta

    @property
    def template(self) -> str:
        """How the step is drawn in the execution tree: a format string over the names of these attributes."""
        return _TEMPLATE if self._notes is None else self._notes.template

    @template.setter
    def template(self, template: str) -> None:
        (self._notes or self._make_notes()).template = template

    @property
    def nested(self) -> list[StoryExecutionContext]:
        """The runs with hooks that took place inside this step, in order."""
        return (self._notes or self._make_notes()).nested

    def _make_notes(self) -> _Notes:
        self._notes = made = _Notes()
        return made

    def __str__(self) -> str:
        notes = self._notes
        if notes is None:
            return f"    I.{self.step_name}"
        # A log at DEBUG draws every step again and again, and most have not changed since.
        fact = self._facts[self.step_index] if self.step_index < len(self._facts) else _PENDING
        drawn_from = notes.drawn_from
        if (
            drawn_from is None
            or drawn_from[0] is not fact
            or drawn_from[1] is not notes.template
            or drawn_from[2] != notes.meta
        ):
            notes.drawn = _drawn(self, notes)
            is_plain = _PLAIN.issuperset(map(type, notes.meta.values()))
            notes.drawn_from = (fact, notes.template, notes.meta.copy()) if is_plain else None
        return notes.drawn

    def __repr__(self) -> str:
        return f"<step {self.step_name} {self.status.name.lower()}>"


class _Notes:
    """What others have added to a step."""

    __slots__ = ("drawn", "drawn_from", "meta", "nested", "template")

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.nested: list[StoryExecutionContext] = []
        self.template = _TEMPLATE
        self.drawn = ""
        self.drawn_from: tuple[object, str, dict[str, Any]] | None = None


def _drawn(step: StepExecutionInfo, notes: _Notes) -> str:
    parts = _parts(notes.template)
    if parts is None:
        return notes.template.format_map(_Shown(step))
    text = ""
    for literal, key, spec in parts:
        text += literal
        if key is _NAME:
            text += step.step_name
        elif key in notes.meta:
            value = notes.meta[key]
            text += value._value_ if type(value) is StepStatus and not spec else format(value, spec)
    return text


@lru_cache
def _parts(template: str) -> list[tuple[str, str | None, str]] | None:
    """The template as literals, each with the key of the `meta` that follows; None where it names other facts."""
    from string import Formatter  # not every run is looked at

    parts: list[tuple[str, str | None, str]] = []
    for literal, field, spec, conversion in Formatter().parse(template):
        if field is None:
            parts.append((literal, "", ""))
        elif conversion or "{" in (spec or ""):
            return None
        elif field == "step_name" and not spec:
            parts.append((literal, _NAME, ""))
        elif (key := _META(field)) is not None:
            parts.append((literal, key[1], spec or ""))
        else:
            return None
    return parts


class StoryExecutionContext:
    """One run of one story; `str()` of it is the execution tree.

    Attributes:
        story: the story object that runs.
        state: what it was called with.
        status: how the run as a whole stands.
        duration: seconds from start to end, hooks included; 0.0 until it has ended.
    """

    __slots__ = ("_facts", "_made", "_marks", "_names", "_put_off", "duration", "state", "status", "story")

    # Set by `fact_sheet`: calling an `__init__` takes longer than all it would do.
    if TYPE_CHECKING:

        def __init__(self) -> None:
            self.story: Final[object] = None
            self.state: Final[Any] = None
            self.status: StepStatus = _PENDING
            self.duration: float = 0.0
            self._names: Final[tuple[str, ...]] = ()
            self._facts: Final[Facts] = []
            self._made: Final[list[StepExecutionInfo]] = []  # as far as somebody needed them
            # Where all hooks can wait until somebody looks at the steps: when the first began, when each has ended.
            self._marks: Final[list[float]] = []
            self._put_off: Hooks | None = None

    @property
    def steps(self) -> tuple[StepExecutionInfo, ...]:
        """A fact sheet per listed step, in order."""
        if self._put_off is not None:
            self._catch_up(self._put_off)
        self._make(len(self._names))
        return tuple(self._made)

    def _make(self, number: int) -> None:
        """Make so many of the fact sheets, unless they are there."""
        made, facts, names = self._made, self._facts, self._names
        for index in range(len(made), number):
            step: Any = StepExecutionInfo()
            step.step_name = names[index]
            step.step_index = index
            step._facts = facts
            step._notes = None
            made.append(step)

    def _catch_up(self, hooks: Hooks) -> None:
        """Call the hooks that were put off, as if somebody had looked from the beginning."""
        self._put_off = None
        facts, marks = self._facts, tuple(self._marks)
        facts += [ended - begun for begun, ended in pairwise(marks)]
        if self.status is StepStatus.RUNNING and len(facts) < len(self._names):
            facts.append(None)
        self._make(len(facts))
        for step, fact in zip(self._made, tuple(facts), strict=False):
            for hook in hooks.before if fact is None else hooks.before + hooks.after:
                if is_put_off(hook):
                    hook(self, step)

    def _ended_since(self) -> list[tuple[StepExecutionInfo, float]]:
        """The steps that have ended since somebody looked, and how long they took."""
        marks, facts = self._marks, self._facts
        return [
            (self.steps[index], marks[index + 1] - marks[index])
            for index in range(len(marks) - 1)
            if index >= len(facts) or facts[index] is None
        ]

    @property
    def story_name(self) -> str:
        """The name of the story's class."""
        return type(self.story).__name__

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = [f"{self.story_name}:"]
        for step in self.steps:
            lines.append(step.__str__())
            if step._notes is not None and step._notes.nested:
                lines += [_NESTED + line for run in step._notes.nested for line in run._lines()]
        return lines

    def __repr__(self) -> str:
        return f"<run of {self.story_name} {self.status.name.lower()}>"


def fact_sheet(story: object, state: Any, step_names: tuple[str, ...]) -> StoryExecutionContext:
    """Begin the books of a run."""
    made: Any = StoryExecutionContext()
    made.story = story
    made.state = state
    made.status = _PENDING
    made.duration = 0.0
    made._names = step_names
    made._facts = []
    made._made = []
    made._marks = []
    made._put_off = None
    context: StoryExecutionContext = made
    return context


class _Shown:
    """What a template may name; an unknown name is empty, so a half-filled `meta` still draws."""

    __slots__ = ("_step",)

    def __init__(self, step: StepExecutionInfo) -> None:
        self._step = step

    def __getitem__(self, name: str) -> Any:
        return _Filled(self._step.meta) if name == "meta" else getattr(self._step, name, _EMPTY)


class _Filled(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return _EMPTY


class _Empty:
    """Formats to nothing under any format specification, and so does whatever is asked of it."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return ""

    def __repr__(self) -> str:
        return ""

    def __getitem__(self, name: object) -> _Empty:
        return self

    def __getattr__(self, name: str) -> _Empty:
        return self


_EMPTY: Final = _Empty()
