"""The figures that the dashboards should show, computed from the ledgers, with the tolerance of Prometheus."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tests.dashboards.ledger import Entry, Kind

__all__ = ["Allowed", "Chosen", "Page", "Records"]

SLACK: Final = 0.5  # ms: the ledger and the engine stop their clocks one after the other


@dataclass(frozen=True)
class Chosen:
    """The chosen values of the variables of a dashboard; None means All."""

    prefix: str
    services: Sequence[str] | None = None
    stories: Sequence[str] | None = None
    steps: Sequence[str] | None = None

    def __str__(self) -> str:
        said = [self.prefix, *("+".join(names) for names in (self.services, self.stories, self.steps) if names)]
        return " ".join(said)


@dataclass(frozen=True)
class Allowed:
    """The true figure, and the smallest and the largest that may be shown.

    Attributes:
        rough: whether the figure is imprecise, because it depends on buckets or on few events.
    """

    truth: float
    low: float
    high: float
    rough: bool = False


@dataclass(frozen=True)
class Page:
    """The records of one service, in order: the entries of the period, and those of the warm-up before."""

    service: str
    prefix: str
    bounds: Sequence[float]
    warm_up: list[Entry]
    entries: list[Entry]


@dataclass(frozen=True)
class Records:
    """The entries of all services in a period; the server scrapes them every `scrape` seconds."""

    pages: Sequence[Page]
    start: float
    end: float
    scrape: float

    def _only(self, kept: Callable[[Entry], bool], pages: Iterable[Page] | None = None) -> Records:
        kept_pages = [
            replace(page, warm_up=[*filter(kept, page.warm_up)], entries=[*filter(kept, page.entries)])
            for page in (self.pages if pages is None else pages)
        ]
        return replace(self, pages=[page for page in kept_pages if page.entries])

    def chosen(self, chosen: Chosen, kind: Kind, *, steps: bool) -> Records:
        """Return the records of this kind; `steps`: of the chosen steps only."""
        return self._only(
            lambda entry: (
                entry.kind == kind
                and (chosen.stories is None or entry.story in chosen.stories)
                and (not steps or chosen.steps is None or entry.step in chosen.steps)
            ),
            [
                page
                for page in self.pages
                if page.prefix == chosen.prefix and (chosen.services is None or page.service in chosen.services)
            ],
        )

    def of(self, *, story: str | None = None, step: str | None = None, status: str | None = None) -> Records:
        """Return the records of this story, step and status."""
        return self._only(
            lambda entry: story in (None, entry.story) and step in (None, entry.step) and status in (None, entry.status)
        )

    def decided(self) -> Records:
        """Return the records of what was not refused."""
        return self._only(lambda entry: entry.status != "refused")

    def by(self, *names: str) -> dict[tuple[str, ...], Records]:
        """Return the records grouped by story, step or status."""
        parts = dict[tuple[str, ...], list[Page]]()
        for page in self.pages:
            found = dict[tuple[str, ...], Page]()
            for entries in (page.entries, page.warm_up):
                for entry in entries:
                    values: tuple[str, ...] = tuple([getattr(entry, name) for name in names])
                    part = found.get(values)
                    if part is None:
                        part = found[values] = replace(page, warm_up=[], entries=[])
                    (part.entries if entries is page.entries else part.warm_up).append(entry)
            for values, part in found.items():
                if part.entries:
                    parts.setdefault(values, []).append(part)
        return {values: replace(self, pages=pages) for values, pages in parts.items()}

    def between(self, start: float, end: float) -> Records:
        """Return the records that ended in this interval, in pages that may be empty."""
        return replace(
            self,
            pages=[
                replace(
                    page,
                    entries=page.entries[
                        bisect_right(page.entries, start, key=_ended) : bisect_right(page.entries, end, key=_ended)
                    ],
                )
                for page in self.pages
            ],
        )

    def shown_between(self, start: float, end: float) -> Allowed:
        """Return limits for every quantile that a rate over this interval may show.

        Prometheus extrapolates each bucket to the edges of the interval, but never below zero. Where a series had no
        more entries before the interval than in it, the buckets below its earlier, slower entries are extrapolated by
        less than those above, as if a part of these entries were in the interval.
        """
        pages = list[Page]()
        for page, inside in zip(self.pages, self.between(start, end).pages, strict=True):
            earlier = [*page.warm_up, *page.entries[: bisect_right(page.entries, start, key=_ended)]]
            seen = list(inside.entries)
            for series in {_histogram(entry) for entry in inside.entries}:
                here = [entry.milliseconds for entry in inside.entries if _histogram(entry) == series]
                before = [entry for entry in earlier if _histogram(entry) == series]
                slowest = self.bucket(max(here) + SLACK)[1]
                if sum(entry.milliseconds <= slowest for entry in before) <= len(here):
                    seen += before
            pages.append(replace(inside, entries=seen))
        return replace(self, pages=pages).range_of_durations()

    @property
    def entries(self) -> list[Entry]:
        return [entry for page in self.pages for entry in page.entries]

    @property
    def unseen(self) -> int:
        """The most entries that Prometheus may miss: those of a series before its first scrape."""
        unseen = 0
        for page in self.pages:
            known = {_first_series(entry) for entry in page.warm_up}
            first = dict[tuple[str, str, bool], float]()
            for entry in page.entries:
                key = _first_series(entry)
                if key not in known and entry.ended <= first.setdefault(key, entry.ended) + 2 * self.scrape:
                    unseen += 1
        return unseen

    @property
    def stretch(self) -> float:
        """The factor by which `increase` may extrapolate the increase between the first and the last scrape."""
        return (self.end - self.start) / (self.end - self.start - 2 * self.scrape)

    def count(self) -> Allowed:
        truth, unseen = len(self.entries), self.unseen
        return Allowed(truth, truth - unseen, truth * self.stretch + unseen, rough=unseen > 0)

    def total_over_time(self) -> Allowed:
        """Return the number of entries that the sum of a rate over time may show."""
        truth, unseen = len(self.entries), self.unseen
        return Allowed(truth, truth * 0.93 - 2 - unseen, truth * 1.07 + 2 + unseen, rough=truth < 40)

    def share(self, status: str) -> Allowed:
        part, unseen = len(self.of(status=status).entries), self.unseen
        rest = len(self.entries) - part
        # Prometheus extrapolates each series by its own factor.
        low, high = max(part - unseen, 0), part * self.stretch + unseen
        return Allowed(
            part / (part + rest),
            low / (low + rest * self.stretch + unseen),
            min(high / (high + max(rest - unseen, 0)), 1),
            rough=unseen > 0,
        )

    def mean(self) -> Allowed:
        durations = [entry.milliseconds for entry in self.entries]
        truth = sum(durations) / len(durations)
        near = SLACK + truth * (self.stretch - 1) + max(durations) * self.unseen / len(durations)
        return Allowed(truth, truth - near, truth + near, rough=truth < 10 * SLACK)

    def quantile(self, share: float) -> Allowed:
        """Return the true quantile and the bounds of the buckets that may contain it."""
        durations = sorted(entry.milliseconds for entry in self.entries)
        rank = math.ceil(share * len(durations)) - 1
        loose = 1 + self.unseen + math.ceil(len(durations) * (self.stretch - 1) / 4)
        low = durations[max(0, rank - loose)]
        high = durations[min(len(durations) - 1, rank + loose)]
        return Allowed(durations[rank], self.bucket(low - SLACK)[0], self.bucket(high + SLACK)[1], rough=True)

    def bucket(self, milliseconds: float) -> tuple[float, float]:
        """Return the bounds of the bucket that counts a duration."""
        bounds = self.pages[0].bounds
        index = bisect_left(bounds, milliseconds)
        return (bounds[index - 1] if index else 0.0), bounds[min(index, len(bounds) - 1)]

    def up_to(self, bound: float) -> Allowed:
        """Return the number of entries of at most this duration that the sum of a rate over time may show."""
        durations = [entry.milliseconds for entry in self.entries]
        unseen = self.unseen
        truth = sum(duration <= bound for duration in durations)
        low = sum(duration <= bound - SLACK for duration in durations)
        high = sum(duration <= bound + SLACK for duration in durations)
        return Allowed(truth, low * 0.93 - 2 - unseen, high * 1.07 + 2 + unseen, rough=truth < 40)

    def range_of_durations(self) -> Allowed:
        """Return limits for the mean and every quantile of any part of the period.

        They include the warm-up: while a bucket has few other entries, Prometheus extrapolates the buckets by different
        factors, and the durations of the warm-up still affect the result.
        """
        durations = [entry.milliseconds for entry in self.entries]
        seen = [*durations, *(entry.milliseconds for page in self.pages for entry in page.warm_up)]
        return Allowed(
            sum(durations) / max(len(durations), 1),
            self.bucket(min(seen) - SLACK)[0],
            self.bucket(max(seen) + SLACK)[1],
            rough=True,
        )


def _first_series(entry: Entry) -> tuple[str, str, bool]:
    """Return what begins to be shown together: refusals have no series before the first one."""
    return entry.story, entry.step, entry.status == "refused"


def _histogram(entry: Entry) -> tuple[str, str, str]:
    """Return the labels of the histogram that counts the entry."""
    return entry.story, entry.step, entry.status


def _ended(entry: Entry) -> float:
    return entry.ended
