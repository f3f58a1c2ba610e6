"""Writing the execution tree of a run to the log."""

# pyright: reportPrivateUsage=false
# The runs around a run are facts of the engine.

from __future__ import annotations

from contextvars import ContextVar, copy_context
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from dddkit._context import set_variable
from dddkit.stories._engine.deferred import Condition
from dddkit.stories._engine.equality import role_of
from dddkit.stories._engine.facts import FailureMark, StoryExecutionContext
from dddkit.stories._engine.registry import Hooks, hooks_of
from dddkit.stories._engine.steps import ListedStep
from dddkit.stories._engine.tracebacks import traceback_of

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["debug_is_on", "mark_logged", "outermost", "was_logged", "was_logged_inside", "write_tree"]

_LOGGER: Final = "dddkit.stories.story"
_LEVELS: Final = {"DEBUG": 10, "INFO": 20, "ERROR": 40}  # those of `logging`, which takes long to import
_LOGGED: Final = "__dddkit_logged__"

_IS_WRITING: Final[ContextVar[bool]] = ContextVar("dddkit_is_writing", default=False)


@cache
def _logger() -> tuple[Logger, type[Logger]]:
    """Return the logger, and the class that loggers have by default."""
    import logging  # takes as long to import as half of the kit

    return logging.getLogger(_LOGGER), logging.Logger


def debug_is_on() -> Condition:
    return _logger()[0].isEnabledFor, _LEVELS["DEBUG"]


def mark_logged(context: StoryExecutionContext) -> None:
    """Remember in the frame of a failed run, which the traceback of its error leads to, that it was logged."""
    mark: FailureMark | None = getattr(context, "_failure", None)
    if mark is not None:
        mark.was_logged = True


def was_logged_inside(context: StoryExecutionContext, error: BaseException | None) -> bool:
    """Whether an error has passed a run, inside the one that it stops now, that has logged it.

    The traceback tells: the frames of these runs are in it, in other threads and in tasks that have ended too.
    The error itself is not written to, and nothing of a run is kept.
    """
    own: FailureMark | None = getattr(context, "_failure", None)
    if own is not None and own.was_logged:  # by a story inside a durable run, all of which share one mark
        return True
    traceback = None if error is None or own is None else traceback_of(error)
    traceback = traceback and traceback.tb_next  # the first frame is that of this run, and clears itself when it ends
    while traceback is not None:
        frame = traceback.tb_frame
        if isinstance(frame.f_globals.get("hooks"), Hooks):  # generated source
            mark = frame.f_locals.get("failure")
            # An object that is raised again brings the frames of its earlier runs along: they have started before.
            is_inside = isinstance(mark, FailureMark) and own is not None and mark.run_started >= own.run_started
            if is_inside and mark.was_logged:
                return True
        traceback = traceback.tb_next
    return False


def was_logged(context: StoryExecutionContext, error: BaseException) -> bool:
    """Whether the error that has stopped a durable run is in the log, by it or by a run inside."""
    return hasattr(error, _LOGGED) or was_logged_inside(context, error)


def outermost(context: StoryExecutionContext, role: str) -> StoryExecutionContext:
    """Return the outermost run around a run, or itself, that has a hook with this role."""
    found = context
    for outer in context._around():
        hooks = hooks_of(type(outer.story))
        if hooks is not None and any(role_of(callback) == role for callback in hooks.error):
            found = outer
    return found


def write_tree(
    context: StoryExecutionContext,
    level: Literal["DEBUG", "INFO", "ERROR"],
    index: int = 0,
    *,
    tree: StoryExecutionContext | None = None,
    error: BaseException | None = None,
    in_ascii: bool = False,
) -> None:
    """Log the tree, unless this run is part of logging another one: a handler, or a template, may run a story.

    Args:
        context: the run that the record is about.
        level: the level of the record.
        index: the step that the record is about.
        tree: the run whose tree is written; None: the same.
        error: what to log with its traceback.
        in_ascii: whether to write ASCII only.
    """
    is_endless = issubclass(type(error), RecursionError)
    if _IS_WRITING.get() or (is_endless and hasattr(error, _LOGGED)):
        return
    logger, default_class = _logger()
    number = _LEVELS[level]
    if not logger.isEnabledFor(number):
        return
    try:
        set_variable(_IS_WRITING, True)
        text = str(context if tree is None else tree)  # a handler may format the record later, when the run has gone on
        _write_record(logger, default_class, in_ascii, number, text, context, index, error)
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
    tree: str,
    context: StoryExecutionContext,
    index: int,
    error: BaseException | None,
) -> None:
    """Log the tree, as `logger.log` does it, but from the line of the story that lists the step.

    `logger.log` would walk up the stack to find this function, which takes a quarter of the time of a record.
    """
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
