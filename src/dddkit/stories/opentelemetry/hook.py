"""A hook that records the runs of stories as spans of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextvars import Token
from typing import Any, Final

import dddkit
from dddkit.exceptions import MissingDependencyError
from dddkit.stories._engine.compensations import compensations_of
from dddkit.stories._engine.encoding import to_encodable
from dddkit.stories._engine.expected import REFUSED, expected_errors, is_expected
from dddkit.stories._engine.failure_log import FailureLog
from dddkit.stories._engine.status import Suspended, status_of
from dddkit.stories.context import StepExecutionInfo, StepStatus, StoryExecutionContext

try:
    import opentelemetry.context
    from opentelemetry.context import Context, attach, detach
    from opentelemetry.trace import Span, Status, StatusCode, TracerProvider, get_tracer, set_span_in_context
except ModuleNotFoundError as error:
    if error.name not in ("opentelemetry", "opentelemetry.context"):  # it is there, but cannot be imported
        raise
    raise MissingDependencyError("opentelemetry", "opentelemetry-api", "opentelemetry") from error

__all__ = ["TracingHook"]


class TracingHook:
    """Records every run as a span, and every started step and every compensation as a span inside it.

    The spans are named `Checkout`, `Checkout.charge`, and `Checkout.refund` where the method `refund` undoes the step.
    Spans of other instrumented libraries, and of stories that a step calls, are inside the span of the step.
    `dddkit.status` is `completed`, `failed`, `refused` or `cancelled`; `running` where the process of a durable run has
    ended, and the run goes on in another one. A failure sets the status of the span and records the exception; a
    cancellation is none, and neither is a refusal, that is an expected exception.

    It needs `opentelemetry-api` only: without an SDK that is set up, nothing is recorded, at hardly any cost. Where a
    tracer, a context or an exporter fails, the story goes on, and the failure is logged at most once a minute. Of
    several hooks with the same provider, a run calls only the first, and its `expected` decides.

    Args:
        tracer_provider: where the spans go; None: the global one, also when it is set later.
        expected: exception classes of the domain, one or several, that refuse and are no faults. A CompensationError
            is never one.

    Raises:
        TypeError: an expected class that is no subclass of Exception.
    """

    __slots__ = ("_expected", "_failures", "_tracer", "_tracer_provider")

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        *,
        expected: type[Exception] | Iterable[type[Exception]] = (),
    ) -> None:
        self._expected: Final = expected_errors(expected, "TracingHook")
        self._tracer_provider: Final = tracer_provider
        self._tracer: Final = get_tracer("dddkit", dddkit.__version__, tracer_provider)
        self._failures: Final = FailureLog(type(self).__qualname__)

    def __hook_key__(self) -> object:
        return id(self._tracer_provider)

    def __expects__(self, error: BaseException) -> bool:
        return is_expected(error, self._expected)

    def around_story(self, context: StoryExecutionContext) -> Iterator[None]:
        story = to_encodable(context.story_name)
        opened = self._open(story, {"dddkit.story.name": story})
        try:
            yield
        except BaseException as error:
            # The exception counts, and not the status: a hook inside this one may fail after the last step.
            # A durable run that goes on in another process has not ended.
            status = StepStatus.RUNNING if type(error) is Suspended else status_of(error)
            self._close(opened, status, error, self._expected)
            raise
        self._close(opened, StepStatus.COMPLETED, None)

    def around_step(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        story, name = to_encodable(context.story_name), to_encodable(step.step_name)
        opened = self._open(
            f"{story}.{name}",
            {"dddkit.story.name": story, "dddkit.step.name": name, "dddkit.step.index": step.step_index},
        )
        try:
            yield
        finally:
            self._close(opened, step.status, step.error, self._expected)

    def around_compensation(self, context: StoryExecutionContext, step: StepExecutionInfo) -> Iterator[None]:
        story, name = to_encodable(context.story_name), to_encodable(step.step_name)
        own = compensations_of(type(context.story)).get(step.step_name)
        method = f"undo {name}" if own is None else to_encodable(own.method)  # None: of facts made by hand
        opened = self._open(
            f"{story}.{method}",
            {
                "dddkit.story.name": story,
                "dddkit.step.name": name,
                "dddkit.step.index": step.step_index,
                "dddkit.compensation.name": method,
            },
        )
        try:
            yield
        except BaseException as error:
            self._close(opened, status_of(error), error)
            raise
        self._close(opened, StepStatus.COMPLETED, None)

    # No failure of the tracer may reach the story, and no span of ours may remain the current one. A span is ended,
    # and has its status, whatever else of it fails.

    def _open(self, name: str, attributes: dict[str, str | int]) -> _Opened | None:
        try:
            span = self._tracer.start_span(name, attributes=attributes)
        except Exception:
            self._failures.log()
            return None
        try:
            return span, (attach(set_span_in_context(span)),)
        except Exception:
            self._failures.log()
            return span, ()

    def _close(
        self,
        opened: _Opened | None,
        status: StepStatus,
        error: BaseException | None,
        expected: tuple[type[Exception], ...] = (),
    ) -> None:
        if opened is None:
            return
        span, tokens = opened
        for token in tokens:
            self._detach(token)
        is_failed = status is StepStatus.FAILED
        is_refused = is_failed and is_expected(error, expected)
        try:
            span.set_attribute("dddkit.status", REFUSED if is_refused else status.name.lower())
        except Exception:
            self._failures.log()
        if is_failed and not is_refused and error is not None:
            self._record(span, error)
        try:
            span.end()
        except Exception:
            self._failures.log()

    def _detach(self, token: Any) -> None:
        runtime: Any = getattr(opentelemetry.context, "_RUNTIME_CONTEXT", None)
        try:
            # OpenTelemetry's own `detach` logs each failure: one for every step.
            (detach if runtime is None else runtime.detach)(token)
        except Exception as error:
            # A coroutine that is closed from another context never set our span there.
            if not (isinstance(error, ValueError) and isinstance(token, Token)):
                self._failures.log()

    def _record(self, span: Span, error: BaseException) -> None:
        kind = type(error)
        try:
            message = str(error)
        except Exception:
            self._failures.log()
            description, replaced = kind.__name__, None
        else:
            description = to_encodable(f"{kind.__name__}: {message}")
            replaced = None if message.isascii() else _encodable_event(error, message)
        try:
            span.set_status(Status(StatusCode.ERROR, description))
        except Exception:
            self._failures.log()
        try:
            span.set_attribute("error.type", _full_name(kind))
            span.record_exception(error, replaced)
        except Exception:
            self._failures.log()


_Opened = tuple[Span, tuple[Token[Context], ...]]


def _full_name(error: type[BaseException]) -> str:
    return error.__qualname__ if error.__module__ == "builtins" else f"{error.__module__}.{error.__qualname__}"


def _encodable_event(error: BaseException, message: str) -> dict[str, str] | None:
    """Return what to record instead of a message that no exporter can encode, else None."""
    encodable = to_encodable(message)
    if encodable == message:
        return None
    from traceback import format_exception

    trace = "".join(format_exception(type(error), error, error.__traceback__))
    return {"exception.message": encodable, "exception.stacktrace": to_encodable(trace)}
