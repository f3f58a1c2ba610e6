"""The facts of one run: which story, which state, and how each step went."""

# pyright: reportPrivateUsage=false
# The two classes of facts, and the engine that notes them, know each other; hooks see what has no underscore.

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from time import perf_counter
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from dddkit.stories.registry import Callback, Hooks

__all__ = [
    "Failure",
    "PutOff",
    "StepExecutionInfo",
    "StepStatus",
    "StoryExecutionContext",
    "passed",
    "running_step",
    "show_duration",
    "show_status",
]

_TEMPLATE: Final = "    I.{step_name}"
_WITH_STATUS: Final = "    {meta[status]}I.{step_name}"
_DURATION: Final = " [{meta[duration]:.3f}s]"
_WITH_DURATION: Final = {template: template + _DURATION for template in (_TEMPLATE, _WITH_STATUS)}
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
_RUNNING: Final = StepStatus.RUNNING
_COMPLETED: Final = StepStatus.COMPLETED


class Failure(NamedTuple):
    """How a step has ended that did not complete."""

    duration: float
    status: StepStatus
    error: BaseException


# What the engine notes of a step: that it is pending or running, then its seconds or a Failure. All else is read off
# that when somebody asks.
Fact: TypeAlias = "StepStatus | float | Failure"


class StepExecutionInfo:
    """One step of one run; the engine notes the facts, hooks read them.

    Attributes:
        step_name: the name the story lists.
        step_index: its place in the story, from 0.
    """

    __slots__ = ("_fact", "_notes", "step_index", "step_name")

    # Set by whoever makes one (`_sheet`, the text of a run): calling an `__init__` would take longer than all the rest.
    if TYPE_CHECKING:

        def __init__(self) -> None:
            self.step_name: Final[str] = ""
            self.step_index: Final[int] = 0
            self._fact: Fact = _PENDING
            self._notes: _Notes | None = None

    @property
    def status(self) -> StepStatus:
        """How it stands."""
        fact = self._fact
        if type(fact) is float:
            return _COMPLETED
        return fact.status if isinstance(fact, Failure) else cast("StepStatus", fact)

    @property
    def duration(self) -> float:
        """Seconds that the step itself took, without hooks; 0.0 until it has ended."""
        fact = self._fact
        if type(fact) is float:
            return fact
        return fact.duration if isinstance(fact, Failure) else 0.0

    @property
    def error(self) -> BaseException | None:
        """The exception that ended it, the very object; None while there is none."""
        fact = self._fact
        return fact.error if isinstance(fact, Failure) else None

    @property
    def meta(self) -> dict[str, Any]:
        """For hooks, to note what they like; it belongs to this step of this run."""
        notes = self._notes or self._make_notes()
        notes.is_ours, notes.line = False, ""  # who holds it may change it at any time
        return notes.meta

    @property
    def template(self) -> str:
        """How the step is drawn in the execution tree: a format string over the names of these attributes."""
        return _TEMPLATE if self._notes is None else self._notes.template

    @template.setter
    def template(self, template: str) -> None:
        notes = self._notes or self._make_notes()
        notes.is_ours, notes.line = False, ""
        notes.template = template

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
        if notes.is_ours:
            notes.line = line = _line(self.step_name, notes.meta)
            return line
        # A log at DEBUG draws every step again and again, and most have not changed since.
        fact = self._fact
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
    """What others have added to a step.

    Attributes:
        is_ours: whether none but `show_status` and `show_duration` has had a hand in `meta` and `template`.
        line: how it is drawn, while that is so and nothing has changed; empty otherwise.
    """

    __slots__ = ("drawn", "drawn_from", "is_ours", "line", "meta", "nested", "template")

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.nested: list[StoryExecutionContext] = []
        self.template = _TEMPLATE
        self.is_ours = True
        self.line = ""
        self.drawn = ""
        self.drawn_from: tuple[object, str, dict[str, Any]] | None = None


# What the default hooks write goes this way, which marks the line as changed. So a log at DEBUG, which draws n lines
# before each of n steps, need not compare all the `meta` to see that most lines are what they were: 0.3 µs for each.


def show_status(step: StepExecutionInfo) -> None:
    """Let the step be drawn with how it stands now: `meta["status"]`."""
    notes = step._notes or step._make_notes()
    if "status" not in notes.meta:
        template = notes.template
        plain = template is _TEMPLATE
        notes.template = _WITH_STATUS if plain else template.replace("I.{step_name}", "{meta[status]}I.{step_name}", 1)
    notes.meta["status"] = step.status
    notes.line = ""


def show_duration(step: StepExecutionInfo) -> None:
    """Let the step, when it has completed, be drawn with the seconds it took: `meta["duration"]`."""
    fact = step._fact
    if type(fact) is float:
        notes = step._notes or step._make_notes()
        if "duration" not in notes.meta:
            notes.meta["duration"] = fact
            notes.template = _WITH_DURATION.get(notes.template) or notes.template + _DURATION
            notes.line = ""


def _line(name: str, meta: dict[str, Any]) -> str:
    """What `_drawn` makes of the templates of the default hooks."""
    text = f"    {meta['status']._value_}I.{name}" if "status" in meta else f"    I.{name}"
    return f"{text} [{meta['duration']:.3f}s]" if "duration" in meta else text


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

    __slots__ = ("_made", "_marks", "_put_off", "duration", "state", "status", "story")

    # Set by the text of a run (`written.py`): calling an `__init__` takes longer than all it would do.
    if TYPE_CHECKING:

        def __init__(self) -> None:
            self.story: Final[object] = None
            self.state: Final[Any] = None
            self.status: StepStatus = _PENDING
            self.duration: float = 0.0
            self._made: Final[list[StepExecutionInfo]] = []
            # Where all hooks can wait until somebody looks at the steps: who waits; when the first step began and
            # each has ended, None for what is to come. Nobody waits any more once `_made` has the steps.
            self._put_off: PutOff | None = None
            self._marks: Final[list[float | None]] = []

    @property
    def steps(self) -> tuple[StepExecutionInfo, ...]:
        """A fact sheet per listed step, in order."""
        if self._put_off is not None:
            self._catch_up(self._put_off)
        return tuple(self._made)

    def _catch_up(self, put_off: PutOff) -> None:
        """Make the fact sheets, and call the hooks that were put off as if somebody had looked from the beginning."""
        made = [_sheet(index, name) for index, name in enumerate(put_off.names)]
        number = self._number_of_marks()
        for index in range(number - 1):
            made[index]._fact = self._between(index)
        if self.status is _RUNNING and 0 < number <= len(made):
            made[number - 1]._fact = _RUNNING
        self._made[:] = made
        self._put_off = None
        for step in made[:number]:
            _call(put_off.hooks.before, self, step)
            if step._fact is not _RUNNING:
                _call(put_off.hooks.after, self, step)
        self._end_steps(put_off.hooks)  # the run may have gone on meanwhile, in another thread

    def _number_of_marks(self) -> int:
        marks = self._marks
        return marks.index(None) if marks[-1] is None else len(marks)

    def _between(self, index: int) -> float:
        return cast("float", self._marks[index + 1]) - cast("float", self._marks[index])

    def _end_steps(self, hooks: Hooks) -> int:
        """Note the steps that have ended since; say how many have ended at all."""
        made = self._made
        first = ended = self._number_of_marks() - 1
        while first > 0 and type(made[first - 1]._fact) is not float:
            first -= 1
        for index in range(first, ended):
            made[index]._fact = self._between(index)
            _call(hooks.after, self, made[index])
        return ended

    @property
    def story_name(self) -> str:
        """The name of the story's class."""
        return type(self.story).__name__

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> list[str]:
        lines = [f"{type(self.story).__name__}:"]
        for step in self._made if self._put_off is None else self.steps:
            notes = step._notes
            if notes is None:
                lines.append(f"    I.{step.step_name}")
                continue
            lines.append(notes.line or step.__str__())
            if notes.nested:
                lines += [_NESTED + line for run in notes.nested for line in run._lines()]
        return lines

    def __repr__(self) -> str:
        return f"<run of {self.story_name} {self.status.name.lower()}>"


class PutOff(NamedTuple):
    """What a run needs to make up for hooks that were not called: the names of its steps, and the hooks."""

    names: tuple[str, ...]
    hooks: Hooks


def _sheet(index: int, name: str) -> StepExecutionInfo:
    made: Any = StepExecutionInfo()
    made.step_name = name
    made.step_index = index
    made._fact = _PENDING
    made._notes = None
    step: StepExecutionInfo = made
    return step


def _call(hooks: tuple[Callback, ...], context: StoryExecutionContext, step: StepExecutionInfo) -> None:
    for hook in hooks:
        hook(context, step)


def running_step(context: StoryExecutionContext) -> tuple[StepExecutionInfo | None, float]:
    """The step that runs in a run whose hooks wait, None after the last; and when it has started."""
    steps, ended = context.steps, context._number_of_marks() - 1
    return steps[ended] if ended < len(steps) else None, cast("float", context._marks[ended])


def passed(context: StoryExecutionContext, hooks: Hooks) -> None:
    """Go from one step to the next in a run whose hooks waited until somebody has looked at the steps."""
    ended, steps = context._end_steps(hooks), context._made
    if ended < len(steps):
        step = steps[ended]
        step._fact = _RUNNING
        _call(hooks.before, context, step)
        context._marks[ended] = perf_counter()


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
