"""How steps and runs end: which hooks still run, and which of several errors propagates.

The compiled source of a run (`codegen.py`) handles the usual end itself. It calls these functions when something has
failed, and when generators surround the story or a step. Sync and async differ in how a hook is called, and in nothing
else.
"""

# pyright: reportPrivateUsage=false
# The engine writes the facts of a run, which belong to `facts.py`.

from __future__ import annotations

from collections.abc import Awaitable, Generator
from gc import get_referents
from sys import exc_info
from time import perf_counter
from types import GeneratorType, TracebackType
from typing import Any, Final, NamedTuple, TypeAlias

from dddkit._awaitables import FINISHED, dispose, is_awaitable
from dddkit._callables import display_name
from dddkit.stories._engine.facts import Failure, StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.registry import Callback, Hooks
from dddkit.stories._engine.status import StepStatus, status_of

__all__ = [
    "StoppedRun",
    "abandon_run",
    "check_hook_result",
    "complete_step",
    "complete_step_async",
    "enter_generator",
    "finish_run",
    "finish_stopped_run",
    "finish_stopped_run_async",
]

_FAILED: Final = StepStatus.FAILED

_Generators: TypeAlias = "list[Generator[Any, Any, Any]]"  # around hooks that wait at their yield, the outermost first


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
    step_generators: _Generators | None
    run_started: float
    story_generators: _Generators | None
    error: BaseException


def finish_stopped_run(run: StoppedRun) -> BaseException | None:
    """Finish a run that was stopped; return the exception to raise instead of the one that stopped it."""
    outcome, remaining = _outcome_of(run)
    _call_remaining(outcome, remaining, run.step)
    return _finish(run, outcome)


async def finish_stopped_run_async(run: StoppedRun) -> BaseException | None:
    """Do what `finish_stopped_run` does, for an async story."""
    outcome, remaining = _outcome_of(run)
    try:  # noqa: SIM105  # `contextlib` is not imported otherwise
        await _await_remaining(outcome, remaining, run.step)
    except GeneratorExit:
        pass  # recorded already: in a coroutine that is closed, every await on the way out raises it
    return _finish(run, outcome)


def complete_step(
    context: StoryExecutionContext, hooks: Hooks, step: StepExecutionInfo, generators: _Generators
) -> BaseException | None:
    """Call the `after` hooks of a step that has completed, and leave the generators around it."""
    outcome = _Outcome(context, None)
    _call_remaining(outcome, hooks.after, step)
    outcome.leave(generators)
    return outcome.close()


async def complete_step_async(
    context: StoryExecutionContext, hooks: Hooks, step: StepExecutionInfo, generators: _Generators
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
    generators: _Generators | None,
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


def _leave_all(context: StoryExecutionContext, generators: _Generators) -> _Outcome | None:
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
        outcome.add(_second_yield(generator), generator)
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


def _finish(run: StoppedRun, outcome: _Outcome) -> BaseException | None:
    if run.step_generators:
        outcome.leave(run.step_generators)
    error = run.error
    propagating, replacement = outcome.propagating, None
    outcome.close()
    try:
        if propagating is None:
            propagating = error
        if propagating is not error:
            _set_cause(propagating, error)
        replacement = finish_run(run.context, run.run_started, run.story_generators, propagating)
        if replacement is not None:
            _set_cause(replacement, propagating)
            return replacement
        return None if propagating is error else propagating
    finally:
        propagating = replacement = None  # their tracebacks may lead to this frame


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
                    _run_without_waiting(hook, result)
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
        _remove_own_frames(own)
        if propagating is None or (status_of(propagating) is _FAILED and status_of(own) is not _FAILED):
            if self.replacement is not None:
                self._log(self.replacement, self._hook)
            self.replacement, self._hook, self._replacement_traceback = own, hook, traceback_of(own)
        else:
            self._log(own, hook)

    def leave(self, generators: _Generators) -> None:
        """Resume the generators with the exception that propagates, the innermost first."""
        while generators:
            generator = generators.pop()
            try:
                _leave_generator(generator, self.propagating)
            except BaseException as own:
                self.add(own, generator)
            self.restore_traceback()

    def restore_traceback(self) -> None:
        """Remove the frames of hooks, through which the error may have passed, from its traceback."""
        if self.error is not None:
            _set_traceback(self.error, self._traceback)
        if self.replacement is not None:
            _set_traceback(self.replacement, self._replacement_traceback)

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


# Errors as they are, whatever their classes define: a frozen dataclass can be an exception too

traceback_of: Final = BaseException.__dict__["__traceback__"].__get__
_set_traceback: Final = BaseException.__dict__["__traceback__"].__set__
_set_cause: Final = BaseException.__dict__["__cause__"].__set__


def _remove_own_frames(error: BaseException) -> None:
    """Remove the frames of this module from the outer end of a traceback: they lead to the facts, and to the error."""
    traceback = traceback_of(error)
    while traceback is not None and traceback.tb_frame.f_globals is globals():
        traceback = traceback.tb_next
    _set_traceback(error, traceback)


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
        if frame.f_globals.get("__package__") == __package__ or not facts.isdisjoint(map(id, get_referents(frame))):
            try:  # noqa: SIM105
                frame.clear()
            except RuntimeError:
                pass  # the hook has raised an old error, which comes from a function that is running still
        traceback = traceback.tb_next


# Hooks that return an awaitable


def check_hook_result(hook: Callback, result: object) -> None:
    """Reject an awaitable from a hook of a sync story; FINISHED counts as None."""
    if result is not None and result is not FINISHED and is_awaitable(result):
        dispose(result)
        raise TypeError(
            f"the hook {display_name(hook)} returned an awaitable, but the story is sync; make it a plain function "
            f"that returns no awaitable"
        )


def _run_without_waiting(hook: Callback, awaitable: Awaitable[object]) -> None:
    """Run an async hook of a closed coroutine up to its first wait, where it fails."""

    async def run() -> None:
        await awaitable

    running = run()
    try:
        running.send(None)
    except StopIteration:
        return
    running.close()
    raise RuntimeError(f"the hook {display_name(hook)} could not wait: the coroutine of the run was closed")


# Generators around a story or a step


def enter_generator(generators: _Generators, hook: Callback, made: object) -> None:
    """Run what an around hook has returned up to its yield, and append it to the generators to leave later."""
    generator: Any = made
    if type(made) is not GeneratorType:
        dispose(made)
        raise RuntimeError(
            f"the around hook {display_name(hook)} has to yield exactly once, but is no generator function; "
            f"write one yield in it, and no @contextmanager above it"
        )
    try:
        next(generator)
    except StopIteration:
        raise RuntimeError(f"the around hook {display_name(hook)} has to yield exactly once, but never did") from None
    generators.append(generator)


def _leave_generator(generator: Generator[Any, Any, Any], error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except RuntimeError as own:
        # PEP 479: a StopIteration that leaves a generator is wrapped
        if error is not None and issubclass(type(error), StopIteration) and own.__cause__ is error:
            return
        raise
    finally:
        error = None  # the traceback of what the hook raises leads to this frame
    raise _second_yield(generator)


def _second_yield(generator: Generator[Any, Any, Any]) -> RuntimeError:
    generator.close()
    return RuntimeError(f"the around hook {display_name(generator)} has to yield exactly once, but yielded again")
