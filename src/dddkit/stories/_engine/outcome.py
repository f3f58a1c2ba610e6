"""How steps and runs end: which hooks still run, and which of several errors propagates.

The compiled source of a run (`codegen.py`) handles the usual end itself. It calls these functions when something has
failed, and when generators surround the story or a step. Sync and async differ in how a hook is called, and in nothing
else.
"""

# pyright: reportPrivateUsage=false
# The engine writes the facts of a run, which belong to `facts.py`.

from __future__ import annotations

from gc import get_referents
from sys import exc_info
from time import perf_counter
from types import TracebackType
from typing import Any, Final, NamedTuple

from dddkit._awaitables import is_awaitable
from dddkit._callables import display_name
from dddkit.stories._engine.facts import Failure, StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.generators import Generators, leave_generator, second_yield
from dddkit.stories._engine.hook_results import check_hook_result, run_without_waiting
from dddkit.stories._engine.registry import Callback, Hooks
from dddkit.stories._engine.status import StepStatus, status_of
from dddkit.stories._engine.tracebacks import is_of_a_run, remove_frames, set_cause, set_traceback, traceback_of
from dddkit.stories._engine.undoing import Handled, Undoing, is_done, log_not_undone, undo, undo_async

__all__ = [
    "StoppedRun",
    "abandon_run",
    "complete_step",
    "complete_step_async",
    "finish_run",
    "finish_stopped_run",
    "finish_stopped_run_async",
    "leave_stopped_step_async",
    "log_not_undone_of",
    "undo_stopped_run",
    "undo_stopped_run_async",
]

_FAILED: Final = StepStatus.FAILED


class StoppedRun(NamedTuple):
    """A run that an exception has stopped.

    Attributes:
        context: the run.
        hooks: its hooks.
        step: the step that was under way, or ended last; None after the last.
        step_started: when it started; 0.0 if it had not.
        after_index: which of the `after` hooks was called last.
        step_generators: the generators around the step.
        run_started: when the run started.
        story_generators: the generators around the story.
        error: what a step or a hook has raised.
    """

    context: StoryExecutionContext
    hooks: Hooks
    step: StepExecutionInfo | None
    step_started: float
    after_index: int
    step_generators: Generators | None
    run_started: float
    story_generators: Generators | None
    error: BaseException


def finish_stopped_run(run: StoppedRun) -> BaseException | None:
    """Finish a run that was stopped; return the exception to raise instead of the one that stopped it."""
    outcome, remaining = _outcome_of(run)
    _note_if_done(run)
    _call_remaining(outcome, remaining, run.step)
    return _finish(run, _leave_step(run, outcome))


async def finish_stopped_run_async(run: StoppedRun) -> BaseException | None:
    """Do what `finish_stopped_run` does, for an async story."""
    outcome, remaining = _outcome_of(run)
    _note_if_done(run)
    try:  # noqa: SIM105  # `contextlib` is not imported otherwise
        await _await_remaining(outcome, remaining, run.step)
    except GeneratorExit:
        pass  # recorded already: in a coroutine that is closed, every await on the way out raises it
    return _finish(run, _leave_step(run, outcome))


async def leave_stopped_step_async(run: StoppedRun) -> BaseException:
    """Record how the step ended that was stopped, and call what is left of its hooks; return what propagates."""
    outcome, remaining = _outcome_of(run)
    await _await_remaining(outcome, remaining, run.step)
    return _leave_step(run, outcome)


def undo_stopped_run(run: StoppedRun, handled: Handled) -> BaseException | None:
    """Do what `finish_stopped_run` does, and undo the steps that have completed before the story's own hooks go on."""
    outcome, remaining = _outcome_of(run)
    _call_remaining(outcome, remaining, run.step)
    propagating = _leave_step(run, outcome)
    try:
        replacement = undo(_undoing_of(run, propagating, handled))
        return _finish(run, propagating if replacement is None else replacement)
    finally:  # the error of a compensation leads to this frame
        run = outcome = propagating = replacement = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


async def undo_stopped_run_async(run: StoppedRun, handled: Handled) -> BaseException | None:
    """Do what `undo_stopped_run` does, for an async story."""
    outcome, remaining = _outcome_of(run)
    try:  # noqa: SIM105
        await _await_remaining(outcome, remaining, run.step)
    except GeneratorExit:
        pass
    propagating = _leave_step(run, outcome)
    try:
        replacement = await undo_async(_undoing_of(run, propagating, handled))
        return _finish(run, propagating if replacement is None else replacement)
    finally:
        run = outcome = propagating = replacement = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def log_not_undone_of(context: StoryExecutionContext, handled: Handled | None) -> None:
    """Log what an interrupt in the engine's own lines has kept from being undone."""
    log_not_undone(context.story, context.state, _completed(context), handled)


def complete_step(
    context: StoryExecutionContext, hooks: Hooks, step: StepExecutionInfo, generators: Generators
) -> BaseException | None:
    """Call the `after` hooks of a step that has completed, and leave the generators around it."""
    outcome = _Outcome(context, None)
    _call_remaining(outcome, hooks.after, step)
    outcome.leave(generators)
    return outcome.close()


async def complete_step_async(
    context: StoryExecutionContext, hooks: Hooks, step: StepExecutionInfo, generators: Generators
) -> BaseException | None:
    """Do what `complete_step` does, for an async story."""
    outcome = _Outcome(context, None)
    try:  # noqa: SIM105
        await _await_remaining(outcome, hooks.after, step)
    except GeneratorExit:
        pass
    outcome.leave(generators)
    return outcome.close()


def finish_run(
    context: StoryExecutionContext,
    run_started: float,
    generators: Generators | None,
    error: BaseException | None,
) -> BaseException | None:
    """Record how a run ended, and leave the generators around it; return the exception to raise instead of `error`."""
    context.status = status_of(error)
    context.duration = perf_counter() - run_started
    if not generators:
        return None
    outcome = _leave_all(context, generators) if error is None else _Outcome(context, error)
    if outcome is None:
        return None
    outcome.leave(generators)
    if outcome.replacement is not None:
        context.status = status_of(outcome.replacement)
    return outcome.close()


def abandon_run(context: StoryExecutionContext) -> None:
    """Record the end of a run where the code that finishes runs was itself stopped, by an interrupt or a full stack."""
    error = exc_info()[1]
    context.status = status = status_of(error)
    if error is not None:
        _release_frames(error, context)
    for step in context._steps:
        if step._progress is StepStatus.RUNNING:
            step._progress = Failure(0.0, status, error)


def _leave_all(context: StoryExecutionContext, generators: Generators) -> _Outcome | None:
    """Resume the generators, quickly, while none fails; return the outcome of the first that does."""
    while generators:
        generator = generators.pop()
        try:
            next(generator)
        except StopIteration:
            continue
        except BaseException as own:
            outcome = _Outcome(context, None)
            outcome.add(own, generator)
            return outcome
        outcome = _Outcome(context, None)
        outcome.add(second_yield(generator), generator)
        return outcome
    return None


def _outcome_of(run: StoppedRun) -> tuple[_Outcome, tuple[Callback, ...]]:
    """Record how the last step ended; return the hooks that have to be called still."""
    step, hooks, error = run.step, run.hooks, run.error
    if step is not None and step.status is StepStatus.RUNNING:
        status = status_of(error)
        seconds = perf_counter() - run.step_started if run.step_started else 0.0
        if not run.step_started or status is StepStatus.CANCELLED:  # a hook has failed, or an interrupt came
            _release_frames(error, run.context)
        step._progress = Failure(seconds, status, error)
        return _Outcome(run.context, error), hooks.error + hooks.after if status is _FAILED else hooks.after
    outcome = _Outcome(run.context, None)  # a hook has failed, after the step
    failed = hooks.after[run.after_index] if run.after_index < len(hooks.after) else None
    outcome.add(error, failed)
    return outcome, hooks.after[run.after_index + 1 :] if step is not None else ()


def _leave_step(run: StoppedRun, outcome: _Outcome) -> BaseException:
    """Leave the generators around the step; return the exception that propagates."""
    if run.step_generators:
        outcome.leave(run.step_generators)
    propagating = outcome.propagating
    outcome.close()
    try:
        if propagating is None:
            return run.error
        if propagating is not run.error:
            set_cause(propagating, run.error)
        return propagating
    finally:  # from Python 3.12 on, the frame of a generator that has failed leads to those that have resumed it
        propagating = None


def _undoing_of(run: StoppedRun, error: BaseException, handled: Handled) -> Undoing:
    context, completed = run.context, _completed(run.context)
    interrupted = run.step is not None and run.step_started > 0.0 and run.step.step_index == completed
    return Undoing(context.story, context.state, completed, interrupted, error, handled, context)


def _note_if_done(run: StoppedRun) -> None:
    """Let the run around this one know whether it has done all that it does."""
    mark = run.context._failure
    if mark is not None:
        mark.is_done = is_done(run.context.story, _completed(run.context), run.error)


def _completed(context: StoryExecutionContext) -> int:
    return sum(1 for step in context.steps if step.status is StepStatus.COMPLETED)


def _finish(run: StoppedRun, propagating: BaseException) -> BaseException | None:
    error, replacement = run.error, None
    try:
        replacement = finish_run(run.context, run.run_started, run.story_generators, propagating)
        if replacement is not None:
            set_cause(replacement, propagating)
            return replacement
        return None if propagating is error else propagating
    finally:
        # Their tracebacks may lead to this frame.
        error = propagating = replacement = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def _call_remaining(outcome: _Outcome, hooks: tuple[Callback, ...], step: Any) -> None:
    for hook in hooks:
        try:
            check_hook_result(hook, hook(outcome.context, step))
        except BaseException as own:
            outcome.add(own, hook)
            outcome.restore_traceback()


async def _await_remaining(outcome: _Outcome, hooks: tuple[Callback, ...], step: Any) -> None:
    for hook in hooks:
        try:
            result = hook(outcome.context, step)
            if result is not None and is_awaitable(result):
                if outcome.is_closed:
                    run_without_waiting(hook, result)
                else:
                    await result
        except BaseException as own:
            outcome.add(own, hook)
            outcome.restore_traceback()


class _Outcome:
    """The exceptions of a step or a run: its own, and those that hooks have raised in addition.

    Its own error propagates, else the first error of a hook. An exception that is no `Exception` (Ctrl-C, a cancelled
    task) comes before one that is. What does not propagate is logged, so that nothing is lost.
    """

    __slots__ = ("_hook", "_replacement_traceback", "_traceback", "context", "error", "is_closed", "replacement")

    def __init__(self, context: StoryExecutionContext, error: BaseException | None) -> None:
        self.context: Final = context
        self._hook: object = None
        self._traceback = None if error is None else traceback_of(error)
        self._replacement_traceback: TracebackType | None = None
        self.error = error
        self.replacement: BaseException | None = None  # the exception to raise instead of `error`
        self.is_closed = type(error) is GeneratorExit  # then nothing can be awaited any more

    @property
    def propagating(self) -> BaseException | None:
        return self.error if self.replacement is None else self.replacement

    def close(self) -> BaseException | None:
        """Return the exception to raise instead of the step's own, and drop both.

        A frame of a hook, in the traceback of its error, leads to the frames that have called it, and these lead here.
        """
        replacement = self.replacement
        self.error = self.replacement = self._traceback = self._replacement_traceback = None
        return replacement

    def add(self, own: BaseException, hook: object) -> None:
        """Decide whether the exception of a hook propagates; log the one that does not."""
        self.is_closed = self.is_closed or type(own) is GeneratorExit
        propagating = self.propagating
        if own is self.error or own is self.replacement:
            return  # the hook has only let it through
        remove_frames(own)
        if propagating is None or (status_of(propagating) is _FAILED and status_of(own) is not _FAILED):
            if self.replacement is not None:
                self._log(self.replacement, self._hook)
            self.replacement, self._hook, self._replacement_traceback = own, hook, traceback_of(own)
        else:
            self._log(own, hook)

    def leave(self, generators: Generators) -> None:
        """Resume the generators with the exception that propagates, the innermost first."""
        while generators:
            generator = generators.pop()
            try:
                leave_generator(generator, self.propagating)
            except BaseException as own:
                self.add(own, generator)
            self.restore_traceback()

    def restore_traceback(self) -> None:
        """Remove the frames of hooks, through which the error may have passed, from its traceback."""
        if self.error is not None:
            set_traceback(self.error, self._traceback)
        if self.replacement is not None:
            set_traceback(self.replacement, self._replacement_traceback)

    def _log(self, error: BaseException, hook: object) -> None:
        if issubclass(type(error), RecursionError) and issubclass(type(self.error), RecursionError):
            return  # the same full stack, on which the log would not fit either
        import logging  # not at the top, as it takes long to import

        try:  # noqa: SIM105
            logging.getLogger("dddkit.stories.hooks").error(
                "%s: the hook %s failed while another error was on its way",
                self.context.story_name,
                display_name(hook),
                exc_info=(type(error), error, traceback_of(error)),  # the error alone would be asked for its truth
            )
        except Exception:
            pass  # a log handler that fails must not replace the error either


def _release_frames(error: BaseException, context: StoryExecutionContext) -> None:
    """Clear the variables in a traceback that lead to the facts, which are about to refer to the error.

    They are those of hooks, and those of the engine where an interrupt has stopped it.
    """
    facts = {id(context), *map(id, context._steps)}
    traceback = traceback_of(error)
    traceback = traceback and traceback.tb_next  # the first frame is that of the run, and clears itself
    while traceback is not None:
        frame = traceback.tb_frame
        # `f_locals` would make a dictionary, which some Pythons keep in the frame.
        if is_of_a_run(frame) or not facts.isdisjoint(map(id, get_referents(frame))):
            try:  # noqa: SIM105
                frame.clear()
            except RuntimeError:
                pass  # the hook has raised an old error, which comes from a function that is running still
        traceback = traceback.tb_next
