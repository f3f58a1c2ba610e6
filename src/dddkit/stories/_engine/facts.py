"""The facts of one run: which story, which state, and how each step went."""

# pyright: reportPrivateUsage=false
# The two classes know each other, and the engine writes their private attributes; hooks see what has no underscore.

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from dddkit._callables import kind_of
from dddkit.stories._engine.nested import NestedRuns
from dddkit.stories._engine.rendering import DEFAULT_TEMPLATE, TreeLine
from dddkit.stories._engine.status import StepStatus, status_of

__all__ = [
    "Compensated",
    "Failure",
    "FailureMark",
    "Progress",
    "RunRecord",
    "StepExecutionInfo",
    "StepRecord",
    "StoryExecutionContext",
    "without_state",
]

_NESTED_INDENT: Final = "        "  # a story inside a step stands one level below it

_PENDING: Final = StepStatus.PENDING  # reading a member off an Enum is slow
_COMPLETED: Final = StepStatus.COMPLETED


class Failure(NamedTuple):
    """How a step ended that did not complete."""

    duration: float
    status: StepStatus
    error: BaseException | None


class Compensated(NamedTuple):
    """How a step ended, and how its undoing did."""

    progress: float | Failure
    error: BaseException | None
    """What the compensation has raised; None: the step is undone."""


# The one thing that the engine writes at every step: PENDING or RUNNING, then the seconds of a completed step, or a
# Failure. Everything else about the step is read off it on demand. Where a stopped run is undone, Compensated follows.
Progress: TypeAlias = "StepStatus | float | Failure | Compensated"


class StepExecutionInfo:
    """One step of one run. The engine records the facts, hooks read them.

    Make one yourself to test a hook without a story:

        hook.after(StoryExecutionContext(story), StepExecutionInfo("charge", status=StepStatus.COMPLETED, duration=0.2))

    Args:
        step_name: the name that the story lists.
        step_index: its position in the story, from 0.
        status: how it stands; None: what `error` says, and PENDING without one.
        duration: seconds, for a step that has ended.
        error: the exception that ended it.

    Attributes:
        step_name: the name that the story lists.
        step_index: its position in the story, from 0.

    Raises:
        ValueError: an error for a step that has not failed, or a duration for one that has not ended.
    """

    __slots__ = ("_line", "_progress", "step_index", "step_name")

    def __init__(
        self,
        step_name: str,
        step_index: int = 0,
        *,
        status: StepStatus | None = None,
        duration: float = 0.0,
        error: BaseException | None = None,
    ) -> None:
        self.step_name: Final = step_name
        self.step_index: Final = step_index
        self._progress: Progress = _progress(status, float(duration), error)
        self._line: TreeLine | None = None

    @property
    def status(self) -> StepStatus:
        """How it stands."""
        progress = self._ended
        if type(progress) is float:
            return _COMPLETED
        return progress.status if isinstance(progress, Failure) else cast("StepStatus", progress)

    @property
    def duration(self) -> float:
        """Seconds that the step itself took, without hooks; 0.0 until it has ended."""
        progress = self._ended
        if type(progress) is float:
            return progress
        return progress.duration if isinstance(progress, Failure) else 0.0

    @property
    def error(self) -> BaseException | None:
        """The exception that ended it, the very object; None while there is none."""
        progress = self._ended
        return progress.error if isinstance(progress, Failure) else None

    @property
    def compensated(self) -> bool:
        """Whether the run was stopped, and the step has been undone."""
        progress = self._progress
        return isinstance(progress, Compensated) and progress.error is None

    @property
    def compensation_error(self) -> BaseException | None:
        """What its compensation has raised, so that the step is not undone; None while there is nothing."""
        progress = self._progress
        return progress.error if isinstance(progress, Compensated) else None

    @property
    def _ended(self) -> StepStatus | float | Failure:
        """How the step itself ended."""
        progress = self._progress
        return progress.progress if isinstance(progress, Compensated) else progress

    @property
    def meta(self) -> dict[str, Any]:
        """A dictionary for hooks; it belongs to this step of this run."""
        return self._tree_line().shared().meta

    @property
    def template(self) -> str:
        """The format string for this step in the execution tree; it can name the attributes of this object."""
        return DEFAULT_TEMPLATE if self._line is None else self._line.template

    @template.setter
    def template(self, template: str) -> None:
        self._tree_line().shared().template = template

    @property
    def nested(self) -> list[StoryExecutionContext]:
        """The runs with hooks inside this step; of those that have ended the last 20, without their state.

        In the order in which they started, in a list of its own. The execution tree says how many others there were.
        """
        return [] if self._line is None or self._line.nested is None else self._line.nested.runs()

    def _record_undoing(self, error: BaseException | None) -> None:
        self._progress = Compensated(cast("float | Failure", self._ended), error)
        self._tree_line().show_undoing(error)

    def _nested_runs(self) -> NestedRuns:
        line = self._tree_line()
        if line.nested is None:
            made = NestedRuns()
            if line.nested is None:
                line.nested = made
        return line.nested

    def _tree_line(self) -> TreeLine:
        if self._line is None:
            made = TreeLine()
            if self._line is None:  # no other thread was faster
                self._line = made
        return self._line

    def __str__(self) -> str:
        return f"    I.{self.step_name}" if self._line is None else self._line.render(self, self._progress)

    def __repr__(self) -> str:
        return f"<step {self.step_name} {self.status.name.lower()}>"


def _progress(status: StepStatus | None, duration: float, error: BaseException | None) -> Progress:
    if status is None:
        status = _PENDING if error is None else status_of(error)
    if status in (StepStatus.FAILED, StepStatus.CANCELLED):
        return Failure(duration, status, error)
    if error is not None:
        raise ValueError(f"a step that ended with {kind_of(error)} is failed or cancelled, not {status.name.lower()}")
    if status is _COMPLETED:
        return duration
    if duration:
        raise ValueError(f"a step that is {status.name.lower()} has no duration yet, not {duration} seconds")
    return status


class FailureMark:
    """Stays in the frame of a failed run, and so in the traceback of the error, where it tells of the run.

    The frames of earlier runs are in the traceback too, where somebody raises the same object again.

    Attributes:
        run_started: when it began.
        was_logged: whether its failure is in the log.
        is_done: whether all steps of a run that undoes nothing have completed, and a hook has failed after them.
    """

    __slots__ = ("is_done", "run_started", "was_logged")

    def __init__(self, run_started: float) -> None:
        self.run_started: Final = run_started
        self.was_logged = False
        self.is_done = False


class StoryExecutionContext:
    """One run of one story; `str()` of it is the execution tree.

    Make one yourself to test a hook without running a story.

    Args:
        story: the story object that runs.
        state: what it is called with.
        steps: its steps; None: one pending step for each that the story lists.
        status: how the run as a whole stands.
        duration: seconds.

    Attributes:
        story: the story object that runs.
        state: what it was called with.
        status: how the run as a whole stands.
        duration: seconds from start to end, hooks included; 0.0 until it has ended.
    """

    __slots__ = (
        "_catch_up",
        "_durable_run",
        "_failure",
        "_outer",
        "_steps",
        "_timestamps",
        "duration",
        "state",
        "status",
        "story",
    )

    def __init__(
        self,
        story: object,
        state: Any = None,
        steps: Iterable[StepExecutionInfo] | None = None,
        *,
        status: StepStatus = _PENDING,
        duration: float = 0.0,
    ) -> None:
        if steps is None:
            listed: Any = getattr(type(story), "I", None)
            names: list[str] = getattr(listed, "__steps__", [])
            steps = [StepExecutionInfo(name, index) for index, name in enumerate(names)]
        self.story: Final = story
        self.state: Final = state
        self.status = status
        self.duration = duration
        self._steps: Final[list[StepExecutionInfo]] = list(steps)
        # While all hooks are deferred there are no steps yet, and only time is recorded: when the first step started,
        # and when each ended; None for what is to come. `_catch_up` makes the steps and calls the hooks that have
        # waited; it is called at each reading, and is None once the run has ended.
        self._catch_up: Callable[[StoryExecutionContext], None] | None = None
        self._timestamps: Final[list[float | None]] = []
        # The run around this one, while this one is under way: afterwards it would keep that run's state. A run of the
        # engine that is not nested leaves it unset, which costs nothing.
        self._outer: StoryExecutionContext | None = None
        self._failure: FailureMark | None = None
        # What the log calls the durable run that this is, or is a story of; unset as well.
        self._durable_run: str | None = None

    @property
    def steps(self) -> tuple[StepExecutionInfo, ...]:
        """The listed steps, in order."""
        catch_up = self._catch_up  # once: another thread may end the run meanwhile
        if catch_up is not None:
            catch_up(self)
        return tuple(self._steps)

    @property
    def outer(self) -> StoryExecutionContext | None:
        """The run that this one is part of, while a step of it is this story, or calls it; None for an outermost run.

        Of the runs around this one it is the nearest that has hooks, whatever hooks these are. A run that goes on in a
        task when the run around it has ended is an outermost run from then on.
        """
        nearest = next(self._around(), None)
        return nearest if nearest is not None and nearest.status is StepStatus.RUNNING else None

    @property
    def story_name(self) -> str:
        """The name of the story's class."""
        return type(self.story).__name__

    def __str__(self) -> str:
        lines, is_flat = self._lines()
        durable_run: str | None = getattr(self, "_durable_run", None)
        if durable_run is not None:  # several runs may fail at once, and none has a caller
            lines[0] = f"{self.story_name} ({durable_run}):"
        return "\n".join(cast("list[str]", lines) if is_flat else _flattened(lines))

    def _around(self) -> Iterator[StoryExecutionContext]:
        """Yield the runs around this one while it is under way, the nearest first."""
        outer: StoryExecutionContext | None = getattr(self, "_outer", None)
        while outer is not None:
            yield outer
            outer = getattr(outer, "_outer", None)

    def _lines(self) -> tuple[list[str | StoryExecutionContext], bool]:
        """Return the lines of the tree, with a run where its own lines belong; and whether there is no such run."""
        lines: list[str | StoryExecutionContext] = [f"{type(self.story).__name__}:"]
        is_flat = True
        for step in self._steps if self._catch_up is None else self.steps:
            line = step._line
            if line is None:
                lines.append(f"    I.{step.step_name}")
                continue
            lines.append(line.rendered or line.render(step, step._progress))
            if line.nested is not None:
                is_flat = False
                if line.nested.others:
                    lines.append(f"{_NESTED_INDENT}… {line.nested.others:,} more")
                lines += line.nested.runs()
        return lines, is_flat

    def __repr__(self) -> str:
        return f"<run of {self.story_name} {self.status.name.lower()}>"


if TYPE_CHECKING:
    StepRecord = StepExecutionInfo
    RunRecord = StoryExecutionContext
else:
    # What a run makes, and fills itself. With the `__init__` above a step would take 130 ns to make instead of 75.

    class StepRecord(StepExecutionInfo):
        __slots__ = ()
        __init__ = object.__init__

    class RunRecord(StoryExecutionContext):
        __slots__ = ()
        __init__ = object.__init__


def _flattened(lines: Iterable[str | StoryExecutionContext]) -> list[str]:
    """Replace runs by their lines; without recursion, since an endless one has to be logged too."""
    flat: list[str] = []
    levels = [iter(lines)]
    while levels:
        indent = _NESTED_INDENT * (len(levels) - 1)
        for line in levels[-1]:
            if isinstance(line, str):
                flat.append(indent + line)
            else:
                levels.append(iter(line._lines()[0]))
                break
        else:
            levels.pop()
    return flat


def without_state(run: StoryExecutionContext) -> StoryExecutionContext:
    """Return the facts of a run that has ended, without its state."""
    facts: Any = RunRecord.__new__(RunRecord)
    facts.story, facts.state, facts.status, facts.duration = run.story, None, run.status, run.duration
    if run._catch_up is not None and not run._steps:  # nobody has read the steps: both runs make their own
        facts._catch_up, facts._steps, facts._timestamps = run._catch_up, [], run._timestamps
    else:
        facts._catch_up, facts._steps = None, list(run.steps)
    return cast("StoryExecutionContext", facts)
