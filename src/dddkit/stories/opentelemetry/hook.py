"""A hook that records the runs of stories as spans of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from contextvars import Token
from typing import Final

import dddkit
from dddkit.exceptions import MissingDependencyError
from dddkit.stories._engine.failure_log import FailureLog
from dddkit.stories._engine.status import status_of
from dddkit.stories.context import StepExecutionInfo, StepStatus, StoryExecutionContext

try:
    from opentelemetry.context import Context, attach
    from opentelemetry.trace import Span, Status, StatusCode, TracerProvider, get_tracer, set_span_in_context
except ModuleNotFoundError as error:
    if error.name not in ("opentelemetry", "opentelemetry.context"):  # it is there, but cannot be imported
        raise
    raise MissingDependencyError("opentelemetry", "opentelemetry-api", "opentelemetry") from error

__all__ = ["TracingHook"]


class TracingHook:
    """Records every run as a span, and every started step as a span inside it.

    The spans are named `Checkout` and `Checkout.reserve`. Spans of other instrumented libraries, and of stories that
    a step calls, are inside the span of the step. `dddkit.status` is `completed`, `failed` or `cancelled`. A failure
    sets the status of the span and records the exception; a cancellation is none.

    It needs `opentelemetry-api` only: without an SDK that is set up, nothing is recorded, at hardly any cost.

    Args:
        tracer_provider: where the spans go; None: the global one, also when it is set later.
    """

    __slots__ = ("_failures", "_tracer")

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer: Final = get_tracer("dddkit", dddkit.__version__, tracer_provider)
        self._failures: Final = FailureLog(type(self).__qualname__)

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        story = context.story_name
        opened = self._open(story, {"dddkit.story.name": story})
        try:
            yield
        except BaseException as error:
            # The exception counts, and not the status: a hook inside this one may fail after the last step.
            self._close(opened, status_of(error), error)
            raise
        self._close(opened, StepStatus.COMPLETED, None)

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        story, name = context.story_name, step.step_name
        opened = self._open(
            f"{story}.{name}",
            {"dddkit.story.name": story, "dddkit.step.name": name, "dddkit.step.index": step.step_index},
        )
        try:
            yield
        finally:
            self._close(opened, step.status, step.error)

    # No failure of the tracer may reach the story, and no span of ours may remain the current one.

    def _open(self, name: str, attributes: dict[str, str | int]) -> _Opened | None:
        try:
            span = self._tracer.start_span(name, attributes=attributes)
            return span, attach(set_span_in_context(span))
        except Exception:
            self._failures.log()
            return None

    def _close(self, opened: _Opened | None, status: StepStatus, error: BaseException | None) -> None:
        if opened is None:
            return
        span, token = opened
        with suppress(ValueError):  # the coroutine is closed from another context, which never saw our span
            token.var.reset(token)
        try:
            span.set_attribute("dddkit.status", status.name.lower())
            if status is StepStatus.FAILED and error is not None:
                span.set_attribute("error.type", _full_name(type(error)))
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        except Exception:
            self._failures.log()
        try:
            span.end()
        except Exception:
            self._failures.log()


_Opened = tuple[Span, Token[Context]]


def _full_name(error: type[BaseException]) -> str:
    return error.__qualname__ if error.__module__ == "builtins" else f"{error.__module__}.{error.__qualname__}"
