"""Hooks: their protocol, how they are injected, and the three default ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar, copy_context
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

from dddkit._callables import display_name, kind_of
from dddkit._context import set_variable
from dddkit.stories._engine.deferred import Condition, deferrable, only_if, show_duration, show_status
from dddkit.stories._engine.facts import StepExecutionInfo, StoryExecutionContext
from dddkit.stories._engine.injection import methods_of
from dddkit.stories._engine.metaclass import StoryMeta
from dddkit.stories._engine.outcome import traceback_of
from dddkit.stories._engine.registry import Callback, HookRegistration, Hooks, add
from dddkit.stories._engine.status import StepStatus
from dddkit.stories._engine.steps import ListedStep
from dddkit.stories.story import Story

if TYPE_CHECKING:
    from logging import Logger

__all__ = [
    "ExecutionTimeTracker",
    "HookRegistration",
    "LoggingHook",
    "StatusTracker",
    "StepStatus",
    "StoryHook",
    "inject_hooks",
]


class BeforeHook(Protocol):
    """Called before each step. It may be a guard: raising stops the story."""

    def before(self, context: StoryExecutionContext, step: StepExecutionInfo, /) -> object: ...


class AfterHook(Protocol):
    """Called after each step that was started, however it ended."""

    def after(self, context: StoryExecutionContext, step: StepExecutionInfo, /) -> object: ...


class ErrorHook(Protocol):
    """Called when a step has raised an `Exception`, before the `after` hooks."""

    def error(self, context: StoryExecutionContext, step: StepExecutionInfo, /) -> object: ...


class AroundStoryHook(Protocol):
    """A generator function that yields once: the story runs during its yield."""

    def around_story(self, context: StoryExecutionContext, /) -> Iterator[Any]: ...


class AroundStepHook(Protocol):
    """A generator function that yields once: the step and its other hooks run during its yield."""

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo, /) -> Iterator[Any]: ...


StoryHook: TypeAlias = BeforeHook | AfterHook | ErrorHook | AroundStoryHook | AroundStepHook
"""Any object with some of the five methods. One object serves every run, so it keeps nothing about any of them.

`before`, `after` and `error` may be `async def` on async stories. The generators work for sync and async stories alike;
they see the exception at their `yield`, cannot swallow it, and are always resumed.
"""


@cache
def _logger() -> tuple[Logger, type[Logger]]:
    """Return the logger, and the class that loggers have by default."""
    import logging  # takes as long to import as half of the kit

    return logging.getLogger(_LOGGER), logging.Logger


def _debug_is_on() -> Condition:
    return _logger()[0].isEnabledFor, _DEBUG


_LOGGER: Final = "dddkit.stories.story"
_DEBUG: Final = 10  # logging.DEBUG, logging.ERROR
_ERROR: Final = 40
_LOGGED: Final = "__dddkit_logged__"


_IS_WRITING: Final[ContextVar[bool]] = ContextVar("dddkit_is_writing", default=False)


class StatusTracker:
    """Shows the status of each step in the execution tree."""

    __slots__ = ()

    @deferrable
    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        show_status(step)

    @deferrable
    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        show_status(step)

    @deferrable
    def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        show_status(step)


class ExecutionTimeTracker:
    """Shows the seconds that each completed step took in the execution tree."""

    __slots__ = ()

    @deferrable
    def after(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        show_duration(step)


class LoggingHook:
    """Writes the execution tree to the logger `dddkit.stories.story`.

    At DEBUG before each step and at the end of a run that did not fail; at ERROR, with the traceback, when a step
    fails. Where the level is off, nothing is rendered. Whether DEBUG is on is checked when a run starts. The location
    of a record (`%(pathname)s:%(lineno)d`) is the line of the story that lists the step, and that of the first step at
    the end of a run.

    Args:
        ascii: write ASCII only, for streams that cannot encode the glyphs: `>` for a running step, `+` for a completed
            one, `x` for a failed one, `!` for a cancelled one. Other characters are escaped, in the traceback too.
    """

    __slots__ = ("__dict__",)

    _ascii = False  # for a subclass whose `__init__` does not call this one

    def __init__(self, *, ascii: bool = False) -> None:  # noqa: A002  # what `ascii()` does
        self._ascii = ascii

    def __hook_key__(self) -> object:
        return self._ascii

    @only_if(_debug_is_on)
    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        try:
            yield
        finally:
            if context.status is not StepStatus.FAILED:
                _write(self._ascii, _DEBUG, context, 0)

    @only_if(_debug_is_on)
    def before(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        _write(self._ascii, _DEBUG, context, step.step_index)

    def error(self, context: StoryExecutionContext, step: StepExecutionInfo) -> None:
        _write(self._ascii, _ERROR, context, step.step_index, step.error)


def _write(
    in_ascii: bool, level: int, context: StoryExecutionContext, index: int, error: BaseException | None = None
) -> None:
    """Log the tree, unless this run is part of logging another one: a handler, or a template, may run a story."""
    is_endless = issubclass(type(error), RecursionError)
    if _IS_WRITING.get() or (is_endless and hasattr(error, _LOGGED)):
        return
    logger, default_class = _logger()
    if not logger.isEnabledFor(level):
        return
    try:
        set_variable(_IS_WRITING, True)
        _write_record(logger, default_class, in_ascii, level, context, index, error)
        if is_endless:  # it goes on through as many runs as fit on the stack
            setattr(error, _LOGGED, True)
    finally:
        # As in the generated source of a run: before the second call of these, CPython does not look for an interrupt.
        try:
            _kept = copy_context()
        finally:
            _IS_WRITING.set(False)


def _write_record(
    logger: Logger,
    default_class: type[Logger],
    in_ascii: bool,
    level: int,
    context: StoryExecutionContext,
    index: int,
    error: BaseException | None,
) -> None:
    """Log the tree, as `logger.log` does it, but from the line of the story that lists the step.

    `logger.log` would walk up the stack to find this function, which takes a quarter of the time of a record.
    """
    tree = str(context)  # as text: a handler may format the record later, when the run has gone on
    if in_ascii:
        tree = _to_ascii(tree)
    exc_info = None if error is None else (type(error), error, traceback_of(error))
    steps: Any = getattr(context.story, "I", None)
    listed: tuple[ListedStep, ...] = getattr(steps, "__listed_steps__", ())
    # A class of its own may do more in `log`; and facts made by hand may be of another story, or of none.
    if type(logger) is not default_class or index >= len(listed):
        logger.log(level, tree, exc_info=exc_info)
        return
    _, file, line = listed[index]
    record = logger.makeRecord(_LOGGER, level, file, line, tree, (), exc_info, context.story_name)
    if in_ascii:
        record.funcName = _to_ascii(context.story_name)
        if exc_info is not None:
            record.exc_text = _ascii_traceback(exc_info)
    logger.handle(record)


def _ascii_traceback(exc_info: Any) -> str | None:
    """Return what formatters write in place of a traceback that is not ASCII; None: its own text."""
    from logging import Formatter

    try:
        text = Formatter().formatException(exc_info)
    except Exception:  # an error that `traceback` cannot format
        return None
    return None if text.isascii() else _to_ascii(text)


def _to_ascii(text: str) -> str:
    from dddkit.stories._engine.encoding import to_ascii  # few ask for it

    return to_ascii(text)


_DEFAULT_HOOKS: Final[tuple[StoryHook, ...]] = (StatusTracker(), ExecutionTimeTracker(), LoggingHook())


def inject_hooks(story: Callable[..., Story], hooks: Iterable[StoryHook] | None = None) -> HookRegistration:
    """Add hooks to every run of a story class and of its subclasses.

    They are called in the order given, after those of base classes. A hook that the class has already is not added
    again.

    Args:
        story: the class, abstract ones included.
        hooks: objects with some of the methods of `StoryHook`. None: StatusTracker, ExecutionTimeTracker and
            LoggingHook. An empty list: none.

    Returns:
        A registration: `remove()` takes away what this call added, and so does leaving it as a context manager.

    Raises:
        TypeError: no story class, a hook class instead of an object, an object without any hook method, with one
            whose name is misspelt, or with one that cannot be called with its arguments. Nothing has been injected
            then.
    """
    if not isinstance(story, StoryMeta):
        own: object = type(story)  # of a story object
        name = own.__qualname__ if isinstance(own, StoryMeta) else "Checkout"
        raise TypeError(f"inject_hooks takes the class of a story, as in inject_hooks({name}), not {kind_of(story)}")
    given = _DEFAULT_HOOKS if hooks is None else _listed(hooks)
    wanted: dict[str, list[Callback]] = {kind: [] for kind in Hooks._fields}
    for hook in given:
        for kind, callback in methods_of(hook).items():
            wanted[kind].append(callback)
    return add(cast("type[Story]", story).__step_hooks__, wanted)


def _listed(hooks: object) -> tuple[object, ...]:
    if not isinstance(hooks, Iterable):
        raise TypeError(f"inject_hooks takes a list of hooks: hooks=[{display_name(hooks)}(...)]")
    return tuple(cast("Iterable[object]", hooks))
