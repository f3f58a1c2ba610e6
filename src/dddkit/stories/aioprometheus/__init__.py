"""Metrics of stories, counted by aioprometheus."""

from dddkit.stories.aioprometheus.hook import PrometheusMetricsHook

__all__ = ["PrometheusMetricsHook"]
