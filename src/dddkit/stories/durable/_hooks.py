"""The hooks and the facts of a durable run: they are called where a step really runs, and never for what is recorded.

A run has one `StoryRun` for its story, and one for each story that is a step. They are entered, the outer one first,
when a step inside them really runs.
"""

# pyright: reportPrivateUsage=false
# The engine's facts of a run, which it writes itself too.

from __future__ import annotations

from time import perf_counter, time
from typing import Any, Final, cast

from dddkit._awaitables import is_async, is_awaitable
from dddkit._callables import display_name
from dddkit.stories._engine.deferred import is_deferrable
from dddkit.stories._engine.facts import Failure, FailureMark, StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.generators import Generators, enter_generator, leave_generator
from dddkit.stories._engine.outcome import StoppedRun, complete_step_async, finish_run, leave_stopped_step_async
from dddkit.stories._engine.registry import Hooks, hooks_of
from dddkit.stories._engine.status import StepStatus, Suspended
from dddkit.stories._engine.tracebacks import remove_frames, set_traceback, traceback_of
from dddkit.stories.durable._log import COMPENSATIONS, LOGGER, log_error, log_stop
from dddkit.stories.durable._steps import PlannedStep, StoryPlan

__all__ = ["StoryRun", "StoryRuns", "has_async_hooks"]


class StoryRun:
    """The run of one story: the outer one of a durable run, or one that is a step.

    Attributes:
        context: its facts.
        hooks: the hooks of its class.
        has_other_hooks: whether any of those called after a step is not dddkit's own.
        step: the facts of the step under way; None between steps.
        is_entered: whether its `around_story` hooks wait at their yield.
    """

    __slots__ = (
        "_generators",
        "_nested_as",
        "_started",
        "_step_generators",
        "_step_started",
        "context",
        "has_other_hooks",
        "hooks",
        "is_entered",
        "step",
    )

    def __init__(self, story: object, state: object, outer: StoryRun | None, step: PlannedStep | None) -> None:
        self.context: Final = StoryExecutionContext(story, state)
        hooks = hooks_of(type(story)) or Hooks()
        self.hooks: Final = hooks
        called_after = (*hooks.after, *hooks.error, *hooks.around_step, *hooks.around_story)
        self.has_other_hooks: Final = not all(map(_is_ours, called_after))
        self.step: StepExecutionInfo | None = None
        self.is_entered = False
        self._started = 0.0
        self._generators: Final[Generators] = []
        self._step_generators: Generators = []
        self._step_started = 0.0
        self._nested_as: Any = None
        if outer is not None and step is not None:
            runs = outer.context._steps[step.index]._nested_runs()
            self._nested_as = runs, runs.start(self.context)
            self.context._outer = outer.context

    def show_recorded(self, index: int, seconds: float, error: BaseException | None) -> None:
        """Show a step as it is recorded; what only shows facts in the execution tree is called for it."""
        step = self.context._steps[index]
        step._progress = seconds if error is None else Failure(seconds, StepStatus.FAILED, error)
        for hook in self.hooks.after:
            if is_deferrable(hook):
                hook(self.context, step)

    def enter(self, seconds: float) -> None:
        """Enter the hooks around the story, which began so many seconds ago."""
        self.is_entered = True
        self.context.status = StepStatus.RUNNING
        self._started = perf_counter() - seconds
        for hook in self.hooks.around_story:
            enter_generator(self._generators, hook, hook(self.context))

    async def begin(self, index: int) -> None:
        """Call the hooks before a step; an exception of theirs keeps it from running."""
        self.step = step = self.context._steps[index]
        step._progress = StepStatus.RUNNING
        self._step_started, self._step_generators = 0.0, []
        for hook in self.hooks.around_step:
            enter_generator(self._step_generators, hook, hook(self.context, step))
        for hook in self.hooks.before:
            result = hook(self.context, step)
            if result is not None and is_awaitable(result):
                await result
        self._step_started = perf_counter()

    async def complete(self, seconds: float) -> BaseException | None:
        """Call the hooks after a step that has completed; return what they have raised."""
        step, self.step = self.step, None
        assert step is not None
        step._progress = seconds
        return await complete_step_async(self.context, self.hooks, step, self._step_generators)

    async def stop(self, error: BaseException, mark: FailureMark) -> BaseException:
        """Call the hooks of the step under way, which has failed; return what propagates."""
        step, self.step = self.step, None
        self.context._failure = mark
        around_step, self._step_generators = self._step_generators, []
        context, hooks, started, around_story = self.context, self.hooks, self._step_started, self._generators
        stopped = StoppedRun(context, hooks, step, started, 0, around_step, self._started, around_story, error)
        return await leave_stopped_step_async(stopped)

    def finish(self, error: BaseException | None) -> BaseException | None:
        """Leave the hooks around the story; return what is to be raised instead of the error."""
        replacement = finish_run(self.context, self._started, self._generators, error)
        try:
            self.end_nested()
            return replacement
        finally:
            replacement = None  # the traceback of what a hook has raised leads to this frame

    def suspend(self) -> None:
        """Leave all hooks: the run goes on later, perhaps elsewhere, so nothing has ended and nothing is counted."""
        _suspend(self._step_generators)
        _suspend(self._generators)
        self.end_nested()

    def end_nested(self) -> None:
        """Let go of the run around this one."""
        if self._nested_as is not None:
            runs, key = self._nested_as
            runs.end(key, self.context)
            self._nested_as = None
        self.context._outer = None

    # Undoing. What hooks around it raise is logged, and keeps no step from being undone.

    def enter_undoing(self, label: str, index: int) -> Generators:
        """Enter the hooks around a compensation."""
        generators: Generators = []
        for hook in self.hooks.around_compensation:
            try:
                enter_generator(generators, hook, hook(self.context, self.context._steps[index]))
            except Exception as own:
                self._log_hook(label, hook, own)
        return generators

    def leave_undoing(self, label: str, generators: Generators, error: BaseException | None) -> None:
        """Leave them again."""
        traceback = None if error is None else traceback_of(error)
        while generators:
            generator = generators.pop()
            try:
                leave_generator(generator, error)
            except Exception as own:
                if own is not error:
                    self._log_hook(label, generator, own)
            if error is not None:
                set_traceback(error, traceback)

    @staticmethod
    def suspend_undoing(generators: Generators) -> None:
        """Leave them, since the undoing goes on later."""
        _suspend(generators)

    def show_undoing(self, index: int, error: BaseException | None) -> None:
        """Show a step as undone."""
        self.context._steps[index]._record_undoing(error)

    def tell_undone(self, *, is_complete: bool) -> None:
        """Tell the hooks that log that the undoing is over."""
        for callback in self.hooks.error:
            hook: Any = getattr(callback, "__self__", None)
            if hasattr(type(cast("object", hook)), "__undone__"):
                try:
                    hook.__undone__(self.context, is_complete)
                except Exception as own:
                    self._log_hook("", hook, own)

    def _log_hook(self, label: str, hook: object, error: BaseException) -> None:
        remove_frames(error)
        of = f" of {label}" if label else ""
        story, name = self.context.story_name, display_name(hook)
        log_error(COMPENSATIONS, "%s: the hook %s failed around the undoing%s", story, name, of, error=error)


def has_async_hooks(plan: StoryPlan) -> bool:
    """Return whether a hook before or after a step of the story, or of those that are its steps, is awaited."""
    for cls in {type(step.story) for step in plan.all_steps()}:
        hooks = hooks_of(cls)
        if hooks is not None and any(map(is_async, (*hooks.before, *hooks.after, *hooks.error))):
            return True
    return False


class StoryRuns:
    """The runs of a story and of those that are its steps, and which of them are under way.

    Attributes:
        guarded: the label of the step that a hook has kept from running, the last one or one around it.
        has_other_hooks: whether a hook called after a step is not dddkit's own, so that it may change the state.
    """

    def __init__(self, plan: StoryPlan, state: object, name: str) -> None:
        """Begin with the story itself.

        Args:
            plan: the story.
            state: the state of the run.
            name: what the log calls the run.
        """
        self._plan: Final = plan
        self._name: Final = name
        self._state: Final = state
        self._runs: Final[dict[PlannedStep | None, StoryRun]] = {}
        self._recorded: Final[list[tuple[float, float]]] = []  # of the steps that have completed: when, how long
        self._opened: Final[list[StoryRun]] = []  # the outer one first
        self.guarded: str | None = None
        self.has_other_hooks = False
        self.run_of(None)

    @property
    def outer(self) -> StoryRun:
        """The run of the story itself."""
        return self._runs[None]

    def run_of(self, step: PlannedStep | None) -> StoryRun:
        """Return the run of the story that is this step; of the outer one for None."""
        run = self._runs.get(step)
        if run is None:
            if step is None:
                run = StoryRun(self._plan.story, self._state, None, None)
            else:
                story = step.parts[0].story
                run = StoryRun(story, self._state, self.run_of(step.around), step)
            run.context._durable_run = self._name
            self._runs[step] = run
            self.has_other_hooks = self.has_other_hooks or run.has_other_hooks
        return run

    def show_recorded(self, step: PlannedStep, started: float, seconds: float, error: BaseException | None) -> None:
        """Take over a step from the record."""
        self.run_of(step.around).show_recorded(step.index, seconds, error)
        if error is None:
            self._note(step, started, seconds)
        while (around := step.around) is not None and (error is not None or self._is_last(step)):
            self.run_of(around.around).show_recorded(around.index, self._seconds(around), error)
            step = around

    def _note(self, step: PlannedStep, started: float, seconds: float) -> None:
        self._recorded.append((started, seconds))

    @staticmethod
    def _is_last(step: PlannedStep) -> bool:
        return step.around is not None and step is step.around.parts[-1]

    def _seconds(self, step: PlannedStep) -> float:
        """Return how long the recorded steps of a story took that is a step itself."""
        return sum(seconds for _, seconds in self._recorded[step.position :])

    async def open(self, step: PlannedStep) -> None:
        """Enter the stories around a step as far as they are not entered yet, and begin the step.

        An exception of a hook is raised. `guarded` says then what it has kept from running.
        """
        chain = step.chain
        for depth, one in enumerate(chain):
            self.guarded = one.label
            run = self.run_of(one.around)
            if depth == len(self._opened):
                self._opened.append(run)
                run.enter(self._seconds_since(0 if one.around is None else one.around.position))
            if run.step is None:
                await run.begin(one.index)
        self.guarded = None

    def _seconds_since(self, position: int) -> float:
        if position >= len(self._recorded):
            return 0.0
        started, _ = self._recorded[position]
        return max(0.0, time() - started)

    @property
    def is_open(self) -> bool:
        """Whether a story is entered."""
        return bool(self._opened)

    async def complete(self, step: PlannedStep, started: float, seconds: float) -> BaseException | None:
        """Call the hooks after a step, and leave the stories of which it is the last; return what hooks have raised."""
        self._note(step, started, seconds)
        while True:
            run = self._opened[-1]
            error = await run.complete(seconds)
            around = step.around
            if error is None and around is not None and self._is_last(step):
                error = self._opened.pop().finish(None)
                if error is None:
                    step, seconds = around, self._seconds(around)
                    continue
            try:
                return None if error is None else await self.stop(error)
            finally:
                error = None  # the traceback of what a hook has raised leads to this frame

    async def stop(self, error: BaseException) -> BaseException:
        """Leave all that is under way but the outer story; return what propagates."""
        mark, run, replacement = FailureMark(self._opened[-1]._started), None, None
        try:
            while True:
                run = self._opened[-1]
                if run.step is not None:
                    error = await run.stop(error, mark)
                if len(self._opened) == 1:
                    return error
                replacement = self._opened.pop().finish(error)
                error = error if replacement is None else replacement
        finally:  # as above; and the facts of the run refer to the error
            error = run = replacement = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def finish(self, error: BaseException | None) -> BaseException | None:
        """Leave the outer story, and enter it before if no step has really run; return what is to be raised instead."""
        self._opened.clear()
        if not self.outer.is_entered:
            try:
                self.outer.enter(self._seconds_since(0))
            except BaseException as own:
                replacement = self.outer.finish(own)
                try:
                    return own if replacement is None else replacement
                finally:
                    replacement = None
        return self.outer.finish(error)

    def log_stop(self, step: PlannedStep, error: BaseException) -> None:
        """Log that an error stops the run at this step, unless one of the hooks has."""
        found = [run for one in step.chain if (run := self._runs.get(one.around)) is not None]
        log_stop(self._name, step.label, error, [run.context for run in found])

    def drop(self) -> None:
        """Leave all hooks of a run that has not ended, since it goes on later, and let go of the facts."""
        try:
            while self._opened:
                self._opened.pop().suspend()
        finally:  # a hook may raise an interrupt as it is left
            self._opened.clear()
            for run in self._runs.values():
                run.end_nested()
            self._runs.clear()


def _suspend(generators: Generators) -> None:
    while generators:
        generator = generators.pop()
        try:
            leave_generator(generator, Suspended())
        except Suspended:
            continue
        except Exception as own:
            log_error(LOGGER, "the hook %s failed while its run was handed back", display_name(generator), error=own)


def _is_ours(hook: object) -> bool:
    return str(getattr(hook, "__module__", "")).startswith("dddkit.")
