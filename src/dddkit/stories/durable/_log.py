"""The log of durable stories."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from dddkit.stories._engine.facts import StoryExecutionContext
from dddkit.stories._engine.registry import hooks_of
from dddkit.stories._engine.tracebacks import traceback_of
from dddkit.stories._engine.tree_log import was_logged

__all__ = ["COMPENSATIONS", "LOGGER", "log_error", "log_stop"]

LOGGER: Final = logging.getLogger("dddkit.stories.durable")
COMPENSATIONS: Final = logging.getLogger("dddkit.stories.compensation")
"""The same as that of plain runs."""


def log_error(logger: logging.Logger, message: str, *arguments: object, error: BaseException) -> None:
    """Log what has failed without stopping the run."""
    logger.error(message, *arguments, exc_info=(type(error), error, traceback_of(error)))


def log_stop(run: str, step: str, error: BaseException, contexts: Sequence[StoryExecutionContext]) -> None:
    """Log what stops a run, unless a LoggingHook has: often nobody waits for the run who would get the exception.

    A refusal, which metrics or spans expect, is no fault, and is logged at INFO. A log that fails stops nothing.

    Args:
        run: what the log calls the run.
        step: the label of the step.
        error: what stops it.
        contexts: the facts of the stories around the step, the outer one first.
    """
    if was_logged(contexts[0], error):
        return
    message = "%s: the run of %s has stopped at the step %s with %s"
    arguments = run, contexts[0].story_name, step, type(error).__qualname__
    with suppress(Exception):  # of a filter, or a handler: the run would be left, and stay pending
        if any(_expects(context, error) for context in contexts):
            LOGGER.info(message, *arguments)
        else:
            log_error(LOGGER, message, *arguments, error=error)


def _expects(context: StoryExecutionContext, error: BaseException) -> bool:
    callbacks: Any = hooks_of(type(context.story)) or ()  # Any: a tuple for each method of hooks
    hooks: list[Any] = [getattr(callback, "__self__", None) for kind in callbacks for callback in kind]
    return any(hasattr(hook, "__expects__") and hook.__expects__(error) for hook in hooks)
