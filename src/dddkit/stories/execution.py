"""How a run goes: the order of steps and hooks, sync and async."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Generator
from contextlib import suppress
from contextvars import ContextVar, Token
from time import perf_counter
from types import GeneratorType, MethodType
from typing import Any, Final, NamedTuple, cast

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
        coroutine: Any = (
            _run_async(story, state, names) if hooks is None else _run_async_hooked(_Run(story, state, names, hooks))
        )
        # For the warning that it was never awaited: it should name the story and not the engine.
        coroutine.__qualname__ = f"{type(story).__qualname__}.__call__"
        return cast("Awaitable[None]", coroutine)
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
        plan = declaration.plan = _prepare(cls)  # of several threads the last one notes it; they find the same
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
        if found is None or found.by_instance or not is_method(found.value) or "__story__" not in vars(found.owner):
            per_instance.append(name)  # a mixin that is no story would not tell us when it is patched
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


class _Ending:
    """How a step or a run ends: with its own error, and with what hooks have raised on top of it.

    Its own error stands, then the first hook's. Only what is no `Exception` (Ctrl-C, a cancelled task) comes before
    one that is. What cannot be raised is logged, so nothing is lost.
    """

    __slots__ = ("_context", "_hook", "_traceback", "closed", "error", "trouble")

    def __init__(self, context: StoryExecutionContext, error: BaseException | None) -> None:
        self._context: Final = context
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
        _LOGGER.error(
            "%s: the hook %s failed while another error was on its way",
            self._context.story_name,
            _name(hook),
            exc_info=error,
        )


class _Run:
    """One run with hooks: the bookkeeping that sync and async runs share."""

    __slots__ = ("_around", "_outer", "_started", "context", "hooks")

    _outer: Token[StepExecutionInfo | None]
    _started: float

    def __init__(self, story: object, state: Any, names: tuple[str, ...], hooks: Hooks) -> None:
        self.context: Final = StoryExecutionContext(story, state, names)
        self.hooks: Final = hooks
        self._around: _Entered = []

    def start(self) -> None:
        outer = _STEP.get()
        if outer is not None and outer.status is StepStatus.RUNNING:
            outer.nested.append(self.context)
        self.context.status = StepStatus.RUNNING
        self._outer = _STEP.set(None)
        self._started = perf_counter()

    def enter(self) -> None:
        for hook in self.hooks.around_story:
            self._around.append(_enter(hook, hook(self.context)))

    def start_step(self, step: StepExecutionInfo, entered: _Entered) -> None:
        step.status = StepStatus.RUNNING
        _STEP.set(step)
        for hook in self.hooks.around_step:
            entered.append(_enter(hook, hook(self.context, step)))

    def end_step(self, step: StepExecutionInfo, error: BaseException | None) -> _Ending:
        step.error = error
        step.status = _outcome(error)
        return _Ending(self.context, error)

    def hooks_after(self, error: BaseException | None) -> tuple[Callback, ...]:
        return self.hooks.error + self.hooks.after if isinstance(error, Exception) else self.hooks.after

    def end(self, error: BaseException | None) -> BaseException | None:
        """Close the books; what comes back is to be raised instead of `error`."""
        self.context.status = _outcome(error)
        self.context.duration = perf_counter() - self._started
        ending = _Ending(self.context, error)
        ending.leave(self._around)
        self.context.status = _outcome(ending.passing)
        with suppress(ValueError):  # the coroutine is closed from another context, which never saw our value
            _STEP.reset(self._outer)
        return ending.trouble


def _outcome(error: BaseException | None) -> StepStatus:
    if error is None:
        return StepStatus.COMPLETED
    return StepStatus.FAILED if isinstance(error, Exception) else StepStatus.CANCELLED


# The same twice, sync and async


def _run_sync_hooked(run: _Run) -> None:
    run.start()
    try:
        run.enter()
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
    context, entered = run.context, _Entered()
    try:
        run.start_step(step, entered)
        for hook in run.hooks.before:
            _refuse_async_hook(hook, hook(context, step))
        started = perf_counter()
        try:
            result = getattr(context.story, step.step_name)(context.state)
            if result is not None:
                _refuse_awaitable(context.story, step.step_name, result)
        finally:
            step.duration = perf_counter() - started
    except BaseException as error:
        trouble = _settle_sync(run, step, entered, error)
        if trouble is not None:
            raise trouble from error
        raise
    trouble = _settle_sync(run, step, entered, None)
    if trouble is not None:
        raise trouble


def _settle_sync(
    run: _Run, step: StepExecutionInfo, entered: _Entered, error: BaseException | None
) -> BaseException | None:
    ending = run.end_step(step, error)
    for hook in run.hooks_after(error):
        try:
            _refuse_async_hook(hook, hook(run.context, step))
        except BaseException as own:
            ending.note(own, hook)
            ending.restore()
    ending.leave(entered)
    return ending.trouble


async def _run_async_hooked(run: _Run) -> None:
    run.start()
    try:
        run.enter()
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
    context, entered = run.context, _Entered()
    try:
        run.start_step(step, entered)
        for hook in run.hooks.before:
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
        trouble = await _settle_async(run, step, entered, error)
        if trouble is not None:
            raise trouble from error
        raise
    trouble = await _settle_async(run, step, entered, None)
    if trouble is not None:
        raise trouble


async def _settle_async(
    run: _Run, step: StepExecutionInfo, entered: _Entered, error: BaseException | None
) -> BaseException | None:
    ending = run.end_step(step, error)
    for hook in run.hooks_after(error):
        try:
            result = hook(run.context, step)
            if result is not None and is_awaitable(result):
                if ending.closed:
                    _finish_without_waiting(hook, result)
                else:
                    await result
        except BaseException as own:
            ending.note(own, hook)
            ending.restore()
    ending.leave(entered)
    return ending.trouble


def _refuse_async_hook(hook: Callback, result: object) -> None:
    if result is not None and result is not FINISHED and is_awaitable(result):
        dispose(result)
        raise TypeError(
            f"the hook {_name(hook)} returned an awaitable, but the story is sync; make it a plain function"
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
    raise RuntimeError(f"the hook {_name(hook)} could not wait: the coroutine of the run was closed")


# Generators around a story or a step


def _enter(hook: Callback, made: object) -> Generator[Any, Any, Any]:
    if not isinstance(made, GeneratorType):
        dispose(made)
        raise RuntimeError(f"the around hook {_name(hook)} has to yield exactly once, but is no generator function")
    generator = cast("Generator[Any, Any, Any]", made)
    try:
        next(generator)
    except StopIteration:
        raise RuntimeError(f"the around hook {_name(hook)} has to yield exactly once, but never did") from None
    return generator


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
