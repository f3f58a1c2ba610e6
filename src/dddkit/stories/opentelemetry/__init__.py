"""Traces of stories, in OpenTelemetry's terms."""

from dddkit.stories.opentelemetry.hook import TracingHook

__all__ = ["TracingHook"]
