"""How a run goes: the order of steps and hooks, sync and async."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Generator
from contextlib import suppress
from contextvars import ContextVar, Token
from time import perf_counter
from types import GeneratorType, MethodType
from typing import Any, Final, NamedTuple

from dddkit._colour import dispose, is_async, is_awaitable
from dddkit._finished import FINISHED
from dddkit.exceptions import StoryDefinitionError
from dddkit.stories.context import StepExecutionInfo, StepStatus, StoryExecutionContext
from dddkit.stories.declaration import as_step, is_method, look_up
from dddkit.stories.registry import Callback, HookRegistry, Hooks, collect

__all__ = ["Plan", "run"]

# The step of a story with hooks that is running here, so that a story inside it can be drawn under it.
_STEP: Final[ContextVar[StepExecutionInfo | None]] = ContextVar("dddkit_step", default=None)

_LOGGER: Final = logging.getLogger("dddkit.stories.hooks")


class Plan(NamedTuple):
    """What the first call of a class finds out for all of them."""

    names: tuple[str, ...]
    is_async: bool
    """Whether a method among the steps is async."""
    per_instance: tuple[str, ...]
    """The steps that only an instance can show."""
    registries: tuple[HookRegistry, ...]
    """The hooks of the bases, then its own."""


def run(story: object, state: Any) -> Awaitable[None]:
    """Run a story: now, when all its steps are sync; else give the coroutine that will."""
    any_async, hooks = _decide(story, ())
    names = _plan(type(story)).names
    if any_async:
        if hooks is None:
            return _run_async(story, state, names)
        return _run_async_hooked(_Run(story, state, names, hooks))
    if hooks is None:
        _run_sync(story, state, names)
    else:
        _run_sync_hooked(_Run(story, state, names, hooks))
    return FINISHED


# What is known before the first step


def _plan(cls: type[Any]) -> Plan:
    declaration = cls.__dict__["__story__"]
    plan: Plan | None = declaration.plan
    if plan is None:
        plan = declaration.plan = _prepare(cls)
    return plan


def _prepare(cls: Any) -> Plan:
    names = tuple(cls.I.__steps__)
    if not names:
        raise StoryDefinitionError(
            f"{cls.__qualname__} lists no steps, so calling it would do nothing; list them with I.name in its body",
            cls.__name__,
        )
    any_async = False
    per_instance: list[str] = []
    for name in dict.fromkeys(names):
        found = look_up(cls, name)
        if found is None or found.by_instance or not is_method(found.value):
            per_instance.append(name)
        else:
            any_async = any_async or is_async(getattr(found.value, "__func__", found.value))
    registries = tuple(
        base.__dict__["__step_hooks__"] for base in reversed(cls.__mro__) if "__step_hooks__" in base.__dict__
    )
    return Plan(names, any_async, tuple(per_instance), registries)


def _decide(story: object, path: tuple[object, ...]) -> tuple[bool, Hooks | None]:
    """Judge what only instances can show, this one and the stories nested in it: colour, missing steps, hooks."""
    cls: type[Any] = type(story)
    if any(story is outer for outer in path):
        through = " -> ".join(type(outer).__qualname__ for outer in (*path, story))
        raise StoryDefinitionError(f"{cls.__qualname__} reaches itself through its steps: {through}", cls.__name__)
    plan = _plan(cls)
    any_async = plan.is_async
    for name in plan.per_instance:
        step = as_step(cls, story, name)
        nested = _nested_story(step)
        if nested is None:
            any_async = is_async(step) or any_async
        else:
            any_async = _decide(nested, (*path, story))[0] or is_async(type(nested).__call__) or any_async
    hooks = collect(plan.registries)
    if hooks is not None and not any_async:
        for kind in ("before", "after", "error"):
            for callback in getattr(hooks, kind):
                if is_async(callback):
                    raise TypeError(
                        f"{cls.__qualname__}: the {kind} hook {_name(callback)} is async, but no step of the story is; "
                        f"make the hook a plain function, or one step async"
                    )
    return any_async, hooks


def _nested_story(step: object) -> Any:
    if isinstance(step, MethodType) and getattr(step.__func__, "__name__", None) == "__call__":
        step = step.__self__
    return step if "__story__" in type(step).__dict__ else None


def _name(callback: object) -> str:
    return getattr(callback, "__qualname__", None) or repr(callback)


# Without hooks


def _run_sync(story: Any, state: Any, names: tuple[str, ...]) -> None:
    for name in names:
        result = getattr(story, name)(state)
        if result is not None:
            _refuse_awaitable(story, name, result)


async def _run_async(story: Any, state: Any, names: tuple[str, ...]) -> None:
    for name in names:
        result = getattr(story, name)(state)
        if result is not None and is_awaitable(result):
            await result


def _refuse_awaitable(story: object, name: str, result: object) -> None:
    if result is FINISHED or not is_awaitable(result):
        return
    dispose(result)
    raise TypeError(
        f"{type(story).__qualname__}: step {name} returned an awaitable ({type(result).__name__}), but the story is "
        f"sync: none of its steps is declared async; make it `async def {name}`"
    )


# With hooks

_Entered = list[Generator[Any, Any, Any]]  # around hooks that stand at their yield, the outermost first


class _Run:
    """One run with hooks: the bookkeeping that sync and async runs share."""

    __slots__ = ("_around", "_outer", "_started", "context", "hooks")

    def __init__(self, story: object, state: Any, names: tuple[str, ...], hooks: Hooks) -> None:
        self.context: Final = StoryExecutionContext(story, state, names)
        self.hooks: Final = hooks
        self._around: _Entered = []
        self._outer: Token[StepExecutionInfo | None] | None = None
        self._started = 0.0

    def start(self) -> None:
        outer = _STEP.get()
        if outer is not None and outer.status is StepStatus.RUNNING:
            outer.nested.append(self.context)
        self.context.status = StepStatus.RUNNING
        self._outer = _STEP.set(None)
        self._started = perf_counter()
        for hook in self.hooks.around_story:
            self._around.append(_enter(hook, hook(self.context)))

    def start_step(self, step: StepExecutionInfo, entered: _Entered) -> None:
        step.status = StepStatus.RUNNING
        _STEP.set(step)
        for hook in self.hooks.around_step:
            entered.append(_enter(hook, hook(self.context, step)))

    def end(self, error: BaseException | None) -> BaseException | None:
        """Close the books; what comes back is to be raised instead of `error`."""
        self.context.status = _outcome(error)
        self.context.duration = perf_counter() - self._started
        trouble = _leave_all(self._around, error, None, self.context)
        if trouble is not None:
            self.context.status = _outcome(trouble)
        if self._outer is not None:
            with suppress(ValueError):  # the coroutine is closed from another context, which never saw our value
                _STEP.reset(self._outer)
        return trouble


def _run_sync_hooked(run: _Run) -> None:
    try:
        run.start()
        for step in run.context.steps:
            _step_sync(run, step)
    except BaseException as error:
        trouble = run.end(error)
        if trouble is not None:
            raise trouble from error
        raise
    trouble = run.end(None)
    if trouble is not None:
        raise trouble


def _step_sync(run: _Run, step: StepExecutionInfo) -> None:
    context, hooks, entered = run.context, run.hooks, _Entered()
    try:
        run.start_step(step, entered)
        for hook in hooks.before:
            _refuse_async_hook(hook, hook(context, step))
        started = perf_counter()
        try:
            result = getattr(context.story, step.step_name)(context.state)
            if result is not None:
                _refuse_awaitable(context.story, step.step_name, result)
        finally:
            step.duration = perf_counter() - started
    except BaseException as error:
        step.error = error
        step.status = _outcome(error)
        trouble = _settle_sync(run, step, entered, error)
        if trouble is not None:
            raise trouble from error
        raise
    step.status = StepStatus.COMPLETED
    trouble = _settle_sync(run, step, entered, None)
    if trouble is not None:
        raise trouble


def _settle_sync(
    run: _Run, step: StepExecutionInfo, entered: _Entered, error: BaseException | None
) -> BaseException | None:
    trouble: BaseException | None = None
    for hook in _hooks_of_outcome(run.hooks, error):
        try:
            _refuse_async_hook(hook, hook(run.context, step))
        except BaseException as own:
            trouble = _note(own, hook, error, trouble, run.context)
    return _leave_all(entered, error, trouble, run.context)


async def _run_async_hooked(run: _Run) -> None:
    try:
        run.start()
        for step in run.context.steps:
            await _step_async(run, step)
    except BaseException as error:
        trouble = run.end(error)
        if trouble is not None:
            raise trouble from error
        raise
    trouble = run.end(None)
    if trouble is not None:
        raise trouble


async def _step_async(run: _Run, step: StepExecutionInfo) -> None:
    context, hooks, entered = run.context, run.hooks, _Entered()
    try:
        run.start_step(step, entered)
        for hook in hooks.before:
            result = hook(context, step)
            if result is not None and is_awaitable(result):
                await result
        started = perf_counter()
        try:
            result = getattr(context.story, step.step_name)(context.state)
            if result is not None and is_awaitable(result):
                await result
        finally:
            step.duration = perf_counter() - started
    except BaseException as error:
        step.error = error
        step.status = _outcome(error)
        trouble = await _settle_async(run, step, entered, error)
        if trouble is not None:
            raise trouble from error
        raise
    step.status = StepStatus.COMPLETED
    trouble = await _settle_async(run, step, entered, None)
    if trouble is not None:
        raise trouble


async def _settle_async(
    run: _Run, step: StepExecutionInfo, entered: _Entered, error: BaseException | None
) -> BaseException | None:
    trouble: BaseException | None = None
    for hook in _hooks_of_outcome(run.hooks, error):
        try:
            result = hook(run.context, step)
            if result is not None and is_awaitable(result):
                if isinstance(error, GeneratorExit):
                    _finish_without_waiting(hook, result)
                else:
                    await result
        except BaseException as own:
            trouble = _note(own, hook, error, trouble, run.context)
    return _leave_all(entered, error, trouble, run.context)


def _outcome(error: BaseException | None) -> StepStatus:
    if error is None:
        return StepStatus.COMPLETED
    return StepStatus.FAILED if isinstance(error, Exception) else StepStatus.CANCELLED


def _hooks_of_outcome(hooks: Hooks, error: BaseException | None) -> tuple[Callback, ...]:
    return hooks.error + hooks.after if isinstance(error, Exception) else hooks.after


def _note(
    own: BaseException,
    hook: object,
    error: BaseException | None,
    trouble: BaseException | None,
    context: StoryExecutionContext,
) -> BaseException | None:
    """Judge what a hook has raised, once a step or a run has ended; give what is to be raised at the end.

    The step's own error stands, then the first hook's. Only what is no `Exception` (Ctrl-C, a cancelled task)
    comes before one that is. What cannot be raised is logged, so nothing is lost.
    """
    standing = trouble or error
    if standing is None or (isinstance(standing, Exception) and not isinstance(own, Exception)):
        own, trouble = trouble or own, own
        if own is trouble:
            return trouble
    _LOGGER.error(
        "%s: the hook %s failed while another error is on its way",
        context.story_name,
        _name(hook),
        exc_info=own,
    )
    return trouble


def _refuse_async_hook(hook: Callback, result: object) -> None:
    if result is not None and result is not FINISHED and is_awaitable(result):
        dispose(result)
        raise TypeError(
            f"the hook {_name(hook)} returned an awaitable, but the story is sync; make it a plain function"
        )


def _finish_without_waiting(hook: Callback, awaitable: Any) -> None:
    """Run an async hook of a closed coroutine, which may not wait for anything any more, as far as it gets."""
    iterator = awaitable.__await__()
    try:
        next(iterator)
    except StopIteration:
        return
    iterator.close()
    raise RuntimeError(f"the hook {_name(hook)} could not wait, since the run was closed")


# Generators around a story or a step


def _enter(hook: Callback, generator: object) -> Generator[Any, Any, Any]:
    if not isinstance(generator, GeneratorType):
        raise RuntimeError(f"the around hook {_name(hook)} has to yield exactly once, but is no generator function")
    try:
        next(generator)
    except StopIteration:
        raise RuntimeError(f"the around hook {_name(hook)} has to yield exactly once, but never did") from None
    return generator


def _leave_all(
    entered: _Entered,
    error: BaseException | None,
    trouble: BaseException | None,
    context: StoryExecutionContext,
) -> BaseException | None:
    """Let the generators see how it went, the innermost first; give what is to be raised."""
    while entered:
        generator = entered.pop()
        passing = trouble or error
        traceback = passing.__traceback__ if passing is not None else None
        try:
            _leave(generator, passing)
        except BaseException as own:
            if own is passing:
                own.__traceback__ = traceback  # without the lines of hooks it merely passed
            else:
                trouble = _note(own, generator, error, trouble, context)
    return trouble


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
    generator.close()
    raise RuntimeError(f"the around hook {_name(generator)} has to yield exactly once, but yielded again")
