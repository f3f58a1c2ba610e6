"""The trace that a run belongs to: that of whoever has started it, in whatever process it goes on."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from dbos import PropagateOtelContext

__all__ = ["TRACE", "current_trace", "go_on_in", "joined"]

TRACE: Final = "dbos.otelContext"
"""The attribute of a workflow in which DBOS keeps its trace. It reads it only where it sends traces itself."""


def current_trace() -> Any:
    """Return the OpenTelemetry context of the caller; None where nobody has imported OpenTelemetry."""
    if "opentelemetry.trace" not in sys.modules:
        return None
    from opentelemetry.context import get_current

    return get_current()


def joined(trace: Any) -> AbstractContextManager[object]:
    """Join a trace for good, in a context of its own, and return what records it with what is started in the block."""
    if trace is None:
        return nullcontext()
    from opentelemetry.context import attach

    attach(trace)
    return PropagateOtelContext()


def go_on_in(recorded: Any) -> None:
    """Join the trace that was recorded with a run, for good, in a context of its own."""
    if recorded and "opentelemetry.trace" in sys.modules:
        from opentelemetry.context import attach
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        attach(TraceContextTextMapPropagator().extract(recorded))
