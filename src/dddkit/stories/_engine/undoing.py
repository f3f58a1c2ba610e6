"""Undoing a run that was stopped: the compensations of its completed steps, those of the last step first.

Sync and async differ in how a compensation is called, and in nothing else: `Undoing` knows what comes next and what
has happened, and `undo` and `undo_async` call it.
"""

# pyright: reportPrivateUsage=false
# The engine writes the facts of a run, which belong to `facts.py`.

from __future__ import annotations

import sys
from typing import Any, Final, cast

from dddkit._awaitables import is_awaitable
from dddkit._callables import display_name
from dddkit.exceptions import CompensationError
from dddkit.stories._engine.compensations import steps_of
from dddkit.stories._engine.facts import FailureMark, StoryExecutionContext
from dddkit.stories._engine.generators import Generators, enter_generator, leave_generator
from dddkit.stories._engine.registry import hooks_of
from dddkit.stories._engine.replacement import Halt
from dddkit.stories._engine.steps_to_undo import Step, completed_steps, interrupted_step
from dddkit.stories._engine.story_steps import story_of_step
from dddkit.stories._engine.tracebacks import remove_frames, set_cause, set_traceback, traceback_of
from dddkit.stories._engine.validation import check_step_result

__all__ = ["ALL_DONE", "Handled", "Undoing", "is_done", "log_not_undone", "undo", "undo_async"]

_LOGGER: Final = "dddkit.stories.compensation"


class Handled:
    """What the undoing of a run has come to. It stays in the frame of the run, where that of an outer run finds it.

    Attributes:
        labels: those of steps that are undone, or logged as not undone.
        is_over: whether nothing is left to do.
        undone: the labels of the steps that are undone, those inside nested stories included; known when it is over.
        is_done: whether all steps have completed, so that the run itself undoes nothing. A run around it may.
    """

    __slots__ = ("is_done", "is_over", "labels", "undone")

    def __init__(self, *, is_done: bool = False) -> None:
        self.labels: Final[list[str]] = []
        self.is_over = self.is_done = is_done
        self.undone: tuple[str, ...] = ()


ALL_DONE: Final = Handled(is_done=True)
"""What a run comes to whose hooks around the story fail after the last step has completed."""


def undo(undoing: Undoing) -> BaseException | None:
    """Undo what a stopped run has done; return the exception to raise instead of the one that stopped it."""
    try:
        while (step := undoing.start_next()) is not None:
            try:
                check_step_result(step.story, step.method, getattr(step.story, step.method)(undoing.state))
            except BaseException as own:
                undoing.end(own)
            else:
                undoing.end(None)
        return undoing.outcome()
    finally:
        undoing.drop()
        step = None  # the traceback of a compensation's error leads to this frame, and the facts refer to the error


async def undo_async(undoing: Undoing) -> BaseException | None:
    """Do what `undo` does, for an async story."""
    try:
        if undoing.is_closed:
            return undoing.outcome()
        with _shield():
            while (step := undoing.start_next()) is not None:
                try:
                    result = getattr(step.story, step.method)(undoing.state)
                    if result is not None and is_awaitable(result):
                        await result
                except BaseException as own:
                    undoing.end(own)
                else:
                    undoing.end(None)
        return undoing.outcome()
    finally:
        undoing.drop()
        step = result = None


def is_done(story: object, completed: int, error: BaseException) -> bool:
    """Return whether a stopped run has completed all its steps, with those of a story that is its last one.

    Args:
        story: the story; nothing in it undoes anything.
        completed: the number of steps that have completed.
        error: what has stopped the run.
    """
    names = steps_of(type(story))
    if completed < len(names) - 1:
        return False
    if completed == len(names):
        return True
    handled = None if story_of_step(story, names[completed]) is None else _handled_inside(error)
    return handled is not None and handled.is_done


def log_not_undone(story: object, state: Any, completed: int, handled: Handled | None) -> None:
    """Log what the undoing would have undone that an interrupt in the engine's own lines has stopped.

    Args:
        story: the story.
        state: its state.
        completed: the number of steps that have completed.
        handled: what the undoing has come to; None before it.
    """
    names = steps_of(type(story))
    handled = handled or Handled()
    if completed < len(names) and not handled.is_over:
        steps = (*interrupted_step(story, names[completed], completed, None),)
        steps += (*completed_steps(story, state, names[:completed], None, ""),)
        remaining = list(handled.labels)
        left: list[str] = []
        for step in steps:
            if step.label in remaining:
                remaining.remove(step.label)  # one at a time: a story may list a step twice
            else:
                left.append(step.label)
        if left:
            _log_left(type(story).__name__, left, "an interrupt stopped the undoing")


class _NoShield:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info: object) -> None:
        pass


def _shield() -> Any:
    """Return what keeps a cancelled scope of anyio or trio from cancelling each await of the undoing too.

    Under asyncio a cancellation is raised once, so nothing need be shielded; one that comes while it undoes stops it.
    """
    trio: Any = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():  # in guest mode, tasks of another loop run beside trio's
        return trio.CancelScope(shield=True)
    anyio: Any = sys.modules.get("anyio")
    try:
        anyio.get_current_task()
    except Exception:  # not loaded, or another event loop than those it knows, or none
        return _NoShield()
    return anyio.CancelScope(shield=True)


class Undoing:
    """The undoing of one run: what comes next, and what has happened.

    Args:
        story: the story.
        state: its state, as the run has left it.
        completed: the number of steps that have completed.
        interrupted: whether the step after these was under way.
        error: what has stopped the run.
        handled: receives the steps that are undone or logged, for `log_not_undone` after an interrupt.
        run: its facts; None for a run without hooks.
    """

    def __init__(
        self,
        story: object,
        state: Any,
        completed: int,
        interrupted: bool,
        error: BaseException,
        handled: Handled,
        run: StoryExecutionContext | None = None,
    ) -> None:
        names = steps_of(type(story))
        self.state = state
        self._story_name: Final = type(story).__name__
        self._error: BaseException | None = error
        self._stopped_by: BaseException | None = None
        self._failures: list[tuple[str, BaseException]] = []
        self._undone: list[str] = []
        self._left: list[str] = []
        self._step: Step | None = None
        self._handled: Final = handled
        self._run = run
        self._has_begun = False
        self._generators: Generators = []
        self._has_ended = completed == len(names) or type(error) is Halt  # the first: then the operation is done
        if self._merge_nested(story, names, completed):
            completed, interrupted = completed + 1, False
            self._has_ended = completed == len(names)
        self._steps = completed_steps(story, state, names[:completed], run, "")
        self._handled.is_done = self._has_ended
        self._first: list[Step] = []
        if interrupted and not self._has_ended:
            self._first += interrupted_step(story, names[completed], completed, run)

    def _merge_nested(self, story: object, names: list[str], completed: int) -> bool:
        """Take over what the nested story has undone that was stopped in this run.

        Returns:
            Whether it has completed all its steps, and a hook has failed after them: it has undone nothing then.
        """
        if self._has_ended or story_of_step(story, names[completed]) is None:
            return False
        prefix, error = f"{names[completed]}.", self._error
        handled = _handled_inside(error)
        if handled is not None:
            self._undone += [prefix + step for step in handled.undone]
            if isinstance(error, CompensationError):
                failures: tuple[tuple[str, BaseException], ...] = error.failures
                self._failures += [(prefix + step, own) for step, own in failures]
                self._left += [prefix + step for step in error.left]
                self._error = error.__cause__
        return handled is not None and handled.is_done

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be awaited any more, as in a coroutine that is closed."""
        return type(self._error) is GeneratorExit

    def start_next(self) -> Step | None:
        """Return the next step to undo, inside its around hooks; None at the end."""
        if self._has_ended or self._stopped_by is not None:
            return None
        step = self._first.pop() if self._first else next(self._steps, None)
        self._step = step
        if step is None:
            self._has_ended = True
        else:
            self._has_begun = True
            if step.run is not None:
                self._enter(step, step.run)
        return step

    def end(self, error: BaseException | None) -> None:
        """Record how the compensation of the step ended that was returned last."""
        step = self._step
        assert step is not None
        if error is None:
            self._handled.labels.append(step.label)
            self._undone.append(step.label)
            self._step = None
        else:
            remove_frames(error)
            if step.is_completed:
                self._left.append(step.label)
            if issubclass(type(error), Exception):
                self._failures.append((step.label, error))
                self._log_failure(step, error)
                self._handled.labels.append(step.label)
                self._step = None
            else:
                self._stopped_by = error  # and the step may be half undone
        if step.run is not None:
            record = step.run.steps[step.position]
            record._record_undoing(error)
            self._leave(step, error)

    def outcome(self) -> BaseException | None:
        """Log the steps that were not undone; return the exception to raise instead of the one that stopped the run."""
        left = [] if self._step is None else [self._step.label]
        if not self._has_ended:
            left += [step.label for step in (*self._first, *self._steps)]
        if self._has_begun and self._run is not None:
            self._tell(self._run, is_complete=not left and not self._failures)
        if left:
            _log_left(self._story_name, left, self._reason())
        self._handled.undone = tuple(self._undone)
        self._handled.is_over = True
        if self._stopped_by is not None:
            return self._stopped_by
        error, made = self._error, None
        if self._failures and issubclass(type(error), Exception):
            made = CompensationError(self._story_name, self._failures, self._undone, self._left)
            set_cause(made, error)
        return made

    def drop(self) -> None:
        """Drop the errors, and what leads to the facts: frames in their tracebacks lead here."""
        self._error = self._stopped_by = self._run = self._step = self.state = None
        self._failures, self._first, self._steps = [], [], iter(())

    def _tell(self, run: StoryExecutionContext, *, is_complete: bool) -> None:
        """Tell the hooks that log that the undoing is over."""
        hooks = hooks_of(type(run.story))
        for callback in () if hooks is None else hooks.error:
            hook: Any = getattr(callback, "__self__", None)
            if hasattr(type(cast("object", hook)), "__undone__"):
                try:
                    hook.__undone__(run, is_complete)
                except Exception as own:
                    self._log_hook("", hook, own)

    def _reason(self) -> str:
        if self.is_closed:
            return "the coroutine of the run was closed"
        stopped_by = self._stopped_by
        return f"{'an interrupt' if stopped_by is None else type(stopped_by).__qualname__} stopped the undoing"

    def _log_failure(self, step: Step, error: BaseException) -> None:
        _log(
            "%s: %s is not undone: its compensation %s failed",
            self._story_name,
            step.label,
            step.method,
            exc_info=(type(error), error, traceback_of(error)),
        )

    # Around hooks: what they raise is logged, and neither keeps a step from being undone nor replaces an error

    def _enter(self, step: Step, run: StoryExecutionContext) -> None:
        hooks = hooks_of(type(step.story))
        for hook in () if hooks is None else hooks.around_compensation:
            try:
                enter_generator(self._generators, hook, hook(run, run.steps[step.position]))
            except Exception as own:
                self._log_hook(f" of {step.label}", hook, own)

    def _leave(self, step: Step, error: BaseException | None) -> None:
        traceback = None if error is None else traceback_of(error)
        while self._generators:
            generator = self._generators.pop()
            try:
                leave_generator(generator, error)
            except BaseException as own:
                if own is error:
                    pass  # the hook has only let it through
                elif issubclass(type(own), Exception):
                    self._log_hook(f" of {step.label}", generator, own)
                else:
                    self._stopped_by = self._stopped_by or own
            if error is not None:  # without the frames of the hook, which hold the facts, which refer to the error
                set_traceback(error, traceback)

    def _log_hook(self, of: str, hook: object, error: BaseException) -> None:
        remove_frames(error)
        _log(
            "%s: the hook %s failed around the undoing%s",
            self._story_name,
            display_name(hook),
            of,
            exc_info=(type(error), error, traceback_of(error)),
        )


def _handled_inside(error: BaseException | None) -> Handled | None:
    """Return what the undoing of the nested run has come to that an error has passed before it stopped a run.

    Of a run that undoes nothing only that it has completed all its steps is told. Its frame tells, the next one in the
    traceback that has generated source. The error may be an old one, raised again, so nothing that is kept elsewhere
    would belong to this run for sure.
    """
    traceback = None if error is None else traceback_of(error)
    traceback = traceback and traceback.tb_next  # the first frame is that of the run itself
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_globals.get("log_not_undone") is log_not_undone:
            found: object = frame.f_locals.get("handled")
            if isinstance(found, Handled):
                return found
            mark: object = frame.f_locals.get("failure")
            return ALL_DONE if isinstance(mark, FailureMark) and mark.is_done else None
        traceback = traceback.tb_next
    return None


def _log_left(story: str, left: list[str], reason: str) -> None:
    _log(f"%s: not undone: %s, since {reason}", story, ", ".join(left))


def _log(message: str, *arguments: object, exc_info: Any = None) -> None:
    import logging  # not at the top, as it takes long to import

    try:  # noqa: SIM105  # `contextlib` is not imported otherwise
        logging.getLogger(_LOGGER).error(message, *arguments, exc_info=exc_info)
    except Exception:
        pass  # a log handler that fails must not stop the undoing
