"""The facts of one run: which story, which state, and how each step went."""

# pyright: reportPrivateUsage=false
# The two classes of facts, and the engine that notes them, know each other; hooks see what has no underscore.

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from dddkit.stories._engine.registry import Callback, Hooks
from dddkit.stories._engine.rendering import TEMPLATE, Notes
from dddkit.stories._engine.status import StepStatus

__all__ = [
    "Failure",
    "PutOff",
    "StepExecutionInfo",
    "StoryExecutionContext",
    "passed",
    "running_step",
    "show_duration",
    "show_status",
]

_NESTED: Final = "        "  # a story inside a step stands one level below it

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
            self._notes: Notes | None = None

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
        return (self._notes or self._make_notes()).hand_out().meta

    @property
    def template(self) -> str:
        """How the step is drawn in the execution tree: a format string over the names of these attributes."""
        return TEMPLATE if self._notes is None else self._notes.template

    @template.setter
    def template(self, template: str) -> None:
        (self._notes or self._make_notes()).hand_out().template = template

    @property
    def nested(self) -> list[StoryExecutionContext]:
        """The runs with hooks that took place inside this step, in order."""
        return (self._notes or self._make_notes()).nested

    def _make_notes(self) -> Notes:
        self._notes = made = Notes()
        return made

    def __str__(self) -> str:
        return f"    I.{self.step_name}" if self._notes is None else self._notes.draw(self, self._fact)

    def __repr__(self) -> str:
        return f"<step {self.step_name} {self.status.name.lower()}>"


# What the default hooks note goes this way, and hands out nothing.


def show_status(step: StepExecutionInfo) -> None:
    """Let the step be drawn with how it stands now."""
    (step._notes or step._make_notes()).show_status(step.status)


def show_duration(step: StepExecutionInfo) -> None:
    """Let the step, when it has completed, be drawn with the seconds it took."""
    fact = step._fact
    if type(fact) is float:
        (step._notes or step._make_notes()).show_duration(fact)


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
            lines.append(notes.line or notes.draw(step, step._fact))
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
