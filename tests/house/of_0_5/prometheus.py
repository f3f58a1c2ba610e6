"""Metrics of stories, with each of the two libraries, and all options."""

from dataclasses import dataclass
from types import SimpleNamespace

import aioprometheus
import prometheus_client

from dddkit.stories import ExecutionTimeTracker, I, StatusTracker, Story, inject_hooks
from dddkit.stories.aioprometheus import PrometheusMetricsHook as AioHook
from dddkit.stories.prometheus import PrometheusMetricsHook


@dataclass(frozen=True, slots=True)
class Count(Story):
    I.open_box
    I.close_box

    class State(SimpleNamespace):
        opened: bool = False

    def open_box(self, state: State):
        state.opened = True

    def close_box(self, state: State):
        state.opened = False


options = {"prefix": "depot", "labels": {"env": "test", "version": "1"}, "buckets": [5, 10, 1000]}
inject_hooks(
    Count,
    hooks=[
        StatusTracker(),
        ExecutionTimeTracker(),
        PrometheusMetricsHook(app_name="depot", **options),
        AioHook(app_name="depot", **options),
    ],
)
story = Count()
story(story.State())

pages = (
    prometheus_client.generate_latest().decode(),
    aioprometheus.render(aioprometheus.REGISTRY, ["text/plain"])[0].decode(),
)
for page in pages:
    lines = [line for line in page.splitlines() if line.startswith("depot") and not line.endswith(" 0.0")]
    counts = [line for line in lines if "_latency_ms_count{" in line]
    print(sorted(line.partition("{")[0] for line in counts))
    print(sorted({label.partition("=")[0] for line in counts for label in line.partition("{")[2].split(",")}))
    bounds = [line.partition('le="')[2] for line in lines if "executions_latency_ms_bucket" in line]
    print(sorted({bound.partition('"')[0] for bound in bounds}))
