"""The facts of one run: which story, which state, and how each step went."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

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


class StepExecutionInfo:
    """One step of one run; the engine writes the facts, hooks read them.

    Attributes:
        step_name: the name the story lists.
        step_index: its place in the story, from 0.
        status: how it stands.
        duration: seconds that the step itself took, without hooks; 0.0 until it has ended.
        error: the exception that ended it, the very object; None while there is none.
        meta: for hooks, to note what they like; it belongs to this step of this run.
        template: how the step is drawn in the execution tree, a format string over these names.
        nested: the runs with hooks that took place inside this step, in order.
    """

    __slots__ = ("duration", "error", "meta", "nested", "status", "step_index", "step_name", "template")

    def __init__(self, step_name: str, step_index: int) -> None:
        self.step_name: Final = step_name
        self.step_index: Final = step_index
        self.status = StepStatus.PENDING
        self.duration = 0.0
        self.error: BaseException | None = None
        self.meta: dict[str, Any] = {}
        self.template = _TEMPLATE
        self.nested: list[StoryExecutionContext] = []

    def __str__(self) -> str:
        return self.template.format_map(_Facts(self))

    def __repr__(self) -> str:
        return f"<step {self.step_name} {self.status.name.lower()}>"


class StoryExecutionContext:
    """One run of one story; `str()` of it is the execution tree.

    Attributes:
        story: the story object that runs.
        state: what it was called with.
        steps: a fact sheet per listed step, in order.
        status: how the run as a whole stands.
        duration: seconds from start to end, hooks included; 0.0 until it has ended.
    """

    __slots__ = ("duration", "state", "status", "steps", "story")

    def __init__(self, story: object, state: Any, step_names: tuple[str, ...]) -> None:
        self.story: Final = story
        self.state: Final = state
        self.steps: Final = tuple([StepExecutionInfo(name, index) for index, name in enumerate(step_names)])
        self.status = StepStatus.PENDING
        self.duration = 0.0

    @property
    def story_name(self) -> str:
        """The name of the story's class."""
        return type(self.story).__name__

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.story_name}:"
        for step in self.steps:
            yield str(step)
            for run in step.nested:
                for line in run._lines():
                    yield _NESTED + line

    def __repr__(self) -> str:
        return f"<run of {self.story_name} {self.status.name.lower()}>"


class _Facts:
    """What a template may name; an unknown name is empty, so a half-filled `meta` still draws."""

    __slots__ = ("_step",)

    def __init__(self, step: StepExecutionInfo) -> None:
        self._step = step

    def __getitem__(self, name: str) -> Any:
        return _Notes(self._step.meta) if name == "meta" else getattr(self._step, name, _EMPTY)


class _Notes(dict[str, Any]):
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
