"""What the check of the dashboards allows where Prometheus itself is not exact."""

from __future__ import annotations

from collections.abc import Sequence

from dddkit.stories.metrics import DEFAULT_BUCKETS
from tests.dashboards.ledger import Entry
from tests.dashboards.truth import Page, Records


def failure(milliseconds: float, ended: float) -> Entry:
    return Entry("Checkout", "capture", "failed", milliseconds, ended, "step")


def records(entries: Sequence[Entry]) -> Records:
    return Records([Page("shop", "dddkit_stories", DEFAULT_BUCKETS, [], [*entries])], 0.0, 30.0, 0.5)


def test_percentiles_may_reach_an_earlier_slow_failure_while_failures_are_rare() -> None:
    # Prometheus 2.42 showed a p99 above 100 ms for a window in which nothing took more than 50: it does not extrapolate
    # a bucket that was 0 before, and extrapolates the one that the slow failure was in.
    rare = records([failure(137, 1), failure(50, 20)])
    assert rare.shown_between(17.5, 20.25).high > 137


def test_percentiles_may_not_reach_an_earlier_slow_failure_once_failures_are_many() -> None:
    many = records([failure(137, 1), *[failure(50, 2 + moment) for moment in range(10)], failure(50, 20)])
    assert many.shown_between(17.5, 20.25).high < 137
