"""How a step and a run end: which hooks are still called, and which of several errors passes.

What is usual stands in the text of a run (`written.py`); this is called where something has failed, and where
generators stand around the story or a step. Sync and async differ in how a hook is called, and in nothing else.
"""

# pyright: reportPrivateUsage=false
# The engine writes the facts of a run, which belong to `context.py`.

from __future__ import annotations

from collections.abc import Awaitable, Generator
from time import perf_counter
from types import GeneratorType
from typing import Any, Final, NamedTuple, TypeAlias

from dddkit._awaitables import FINISHED, dispose, is_awaitable
from dddkit._callables import display_name
from dddkit.stories._engine.current_run import Left, leave
from dddkit.stories._engine.facts import Failure, StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.registry import Callback, Hooks
from dddkit.stories._engine.status import StepStatus

__all__ = [
    "Stopped",
    "end",
    "end_step",
    "end_step_async",
    "fail",
    "fail_async",
    "go_in",
    "refuse_async_hook",
]

_Entered: TypeAlias = "list[Generator[Any, Any, Any]]"  # around hooks that stand at their yield, the outermost first


class Stopped(NamedTuple):
    """A run that an error has stopped.

    Attributes:
        context: the run.
        hooks: those that accompany it.
        step: the one that is under way, or has ended last; None after the last.
        started: when it did; 0.0 before.
        turn: which of the `after` hooks has been called last.
        entered: the generators around the step.
        begun: when the run did.
        token: gives the place of the run back.
        around: the generators around the story.
        error: what has been raised, by the step or by a hook.
    """

    context: StoryExecutionContext
    hooks: Hooks
    step: StepExecutionInfo | None
    started: float
    turn: int
    entered: _Entered | None
    begun: float
    token: Left
    around: _Entered | None
    error: BaseException


def fail(stopped: Stopped) -> BaseException | None:
    """Close the books of a run; what comes back is to be raised instead of the error that has stopped it."""
    ending, rest = _ending_of(stopped)
    _call_rest(ending, rest, stopped.step)
    return _close(stopped, ending)


async def fail_async(stopped: Stopped) -> BaseException | None:
    """`fail`, of an async story."""
    ending, rest = _ending_of(stopped)
    try:  # noqa: SIM105  # `contextlib` is not imported otherwise
        await _await_rest(ending, rest, stopped.step)
    except GeneratorExit:
        pass  # noted already: in a coroutine that is closed, every await on the way out raises it
    return _close(stopped, ending)


def end_step(
    context: StoryExecutionContext, hooks: Hooks, step: StepExecutionInfo, entered: _Entered
) -> BaseException | None:
    """Call the `after` hooks of a step that has completed, and leave the generators around it."""
    ending = _Ending(context, None)
    _call_rest(ending, hooks.after, step)
    ending.leave(entered)
    return ending.trouble


async def end_step_async(
    context: StoryExecutionContext, hooks: Hooks, step: StepExecutionInfo, entered: _Entered
) -> BaseException | None:
    """`end_step`, of an async story."""
    ending = _Ending(context, None)
    try:  # noqa: SIM105
        await _await_rest(ending, hooks.after, step)
    except GeneratorExit:
        pass
    ending.leave(entered)
    return ending.trouble


def end(
    context: StoryExecutionContext,
    begun: float,
    token: Left,
    around: _Entered | None,
    error: BaseException | None,
) -> BaseException | None:
    """Close the books of a run, and leave the generators around it."""
    context.status = _outcome(error)
    context.duration = perf_counter() - begun
    trouble = _leave_well(context, around or []) if error is None else None
    if around:
        ending = _Ending(context, error)
        ending.leave(around)
        trouble = ending.trouble
    if trouble is not None:
        context.status = _outcome(trouble)
    leave(token)
    return trouble


def _leave_well(context: StoryExecutionContext, entered: _Entered) -> BaseException | None:
    """What `_Ending.leave` does where nothing has failed yet, which is the usual case and has to cost little."""
    while entered:
        generator = entered.pop()
        try:
            next(generator)
        except StopIteration:
            continue
        except BaseException as own:
            error = own
        else:
            error = _yielded_again(generator)
        ending = _Ending(context, None)
        ending.note(error, generator)
        ending.leave(entered)
        return ending.trouble
    return None


def _ending_of(stopped: Stopped) -> tuple[_Ending, tuple[Callback, ...]]:
    """How the last step ends, and the hooks that have not seen it."""
    step, hooks, error = stopped.step, stopped.hooks, stopped.error
    if step is not None and step.status is StepStatus.RUNNING:
        taken = perf_counter() - stopped.started if stopped.started else 0.0
        step._fact = Failure(taken, _outcome(error), error)
        rest = hooks.error + hooks.after if isinstance(error, Exception) else hooks.after
        return _Ending(stopped.context, error), rest
    ending = _Ending(stopped.context, None)  # what has failed is a hook, after the step
    failed = hooks.after[stopped.turn] if stopped.turn < len(hooks.after) else None
    ending.note(error, failed)
    return ending, hooks.after[stopped.turn + 1 :] if step is not None else ()


def _close(stopped: Stopped, ending: _Ending) -> BaseException | None:
    if stopped.entered:
        ending.leave(stopped.entered)
    error = stopped.error
    passing = ending.passing or error
    if passing is not error:
        passing.__cause__ = error
    trouble = end(stopped.context, stopped.begun, stopped.token, stopped.around, passing)
    if trouble is not None:
        trouble.__cause__ = passing
        return trouble
    return None if passing is error else passing


def _call_rest(ending: _Ending, hooks: tuple[Callback, ...], step: Any) -> None:
    for hook in hooks:
        try:
            refuse_async_hook(hook, hook(ending.context, step))
        except BaseException as own:
            ending.note(own, hook)
            ending.restore()


async def _await_rest(ending: _Ending, hooks: tuple[Callback, ...], step: Any) -> None:
    for hook in hooks:
        try:
            result = hook(ending.context, step)
            if result is not None and is_awaitable(result):
                if ending.closed:
                    _finish_without_waiting(hook, result)
                else:
                    await result
        except BaseException as own:
            ending.note(own, hook)
            ending.restore()


class _Ending:
    """How a step or a run ends: with its own error, and with what hooks have raised on top of it.

    Its own error stands, then the first hook's. Only what is no `Exception` (Ctrl-C, a cancelled task) comes before
    one that is. What cannot be raised is logged, so nothing is lost.
    """

    __slots__ = ("_hook", "_traceback", "closed", "context", "error", "trouble")

    def __init__(self, context: StoryExecutionContext, error: BaseException | None) -> None:
        self.context: Final = context
        self._hook: object = None
        self._traceback = error.__traceback__ if error is not None else None
        self.error: Final = error
        self.trouble: BaseException | None = None  # what is to be raised instead of `error`
        self.closed = isinstance(error, GeneratorExit)  # then nothing can be awaited any more

    @property
    def passing(self) -> BaseException | None:
        return self.trouble or self.error

    def note(self, own: BaseException, hook: object) -> None:
        """Judge what a hook has raised."""
        self.closed = self.closed or isinstance(own, GeneratorExit)
        standing = self.passing
        if own is self.error or own is self.trouble:
            return  # it has merely let it pass
        if standing is None or (isinstance(standing, Exception) and not isinstance(own, Exception)):
            if self.trouble is not None:
                self._log(self.trouble, self._hook)
            self.trouble, self._hook = own, hook
        else:
            self._log(own, hook)

    def leave(self, entered: _Entered) -> None:
        """Let the generators see how it went, the innermost first."""
        while entered:
            generator = entered.pop()
            try:
                _leave(generator, self.passing)
            except BaseException as own:
                self.note(own, generator)
            self.restore()

    def restore(self) -> None:
        """Take the lines of hooks, which the error may have passed, out of its traceback."""
        if self.error is not None:
            self.error.__traceback__ = self._traceback

    def _log(self, error: BaseException, hook: object) -> None:
        import logging  # not at the top, as it takes long to import

        logging.getLogger("dddkit.stories.hooks").error(
            "%s: the hook %s failed while another error was on its way",
            self.context.story_name,
            display_name(hook),
            exc_info=error,
        )


def _outcome(error: BaseException | None) -> StepStatus:
    if error is None:
        return StepStatus.COMPLETED
    return StepStatus.FAILED if isinstance(error, Exception) else StepStatus.CANCELLED


# Hooks that return something to wait for


def refuse_async_hook(hook: Callback, result: object) -> None:
    """What a hook of a sync story may not return; None, FINISHED and all that cannot be awaited count as nothing."""
    if result is not None and result is not FINISHED and is_awaitable(result):
        dispose(result)
        raise TypeError(
            f"the hook {display_name(hook)} returned an awaitable, but the story is sync; make it a plain function"
        )


def _finish_without_waiting(hook: Callback, awaitable: Awaitable[object]) -> None:
    """Run an async hook of a closed coroutine, which may not wait for anything any more, as far as it gets."""

    async def finish() -> None:
        await awaitable

    finishing = finish()
    try:
        finishing.send(None)
    except StopIteration:
        return
    finishing.close()
    raise RuntimeError(f"the hook {display_name(hook)} could not wait: the coroutine of the run was closed")


# Generators around a story or a step


def go_in(entered: _Entered, hook: Callback, made: object) -> None:
    """Let what the hook has made run as far as its yield, and add it to those that have."""
    generator: Any = made
    if type(made) is not GeneratorType:
        dispose(made)
        raise RuntimeError(
            f"the around hook {display_name(hook)} has to yield exactly once, but is no generator function"
        )
    try:
        next(generator)
    except StopIteration:
        raise RuntimeError(f"the around hook {display_name(hook)} has to yield exactly once, but never did") from None
    entered.append(generator)


def _leave(generator: Generator[Any, Any, Any], error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except RuntimeError as own:
        # PEP 479: a StopIteration that leaves a generator is wrapped
        if isinstance(error, StopIteration) and own.__cause__ is error:
            return
        raise
    raise _yielded_again(generator)


def _yielded_again(generator: Generator[Any, Any, Any]) -> RuntimeError:
    generator.close()
    return RuntimeError(f"the around hook {display_name(generator)} has to yield exactly once, but yielded again")
