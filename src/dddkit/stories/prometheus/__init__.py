"""Metrics of stories, counted by prometheus_client."""

from dddkit.stories.prometheus.hook import PrometheusMetricsHook

__all__ = ["PrometheusMetricsHook"]
