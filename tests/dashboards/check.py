"""`make dashboards`: every query of every panel, put to a Prometheus that has scraped shops whose doings are known.

It starts three services (both backends, two metric prefixes), a Prometheus that scrapes them, lets customers in, and
then asks what Grafana would ask. It fails if one panel is empty, or shows what did not happen.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final, NoReturn, TypeAlias

from dddkit.stories.metrics import DEFAULT_BUCKETS
from tests.dashboards.dashboards import DASHBOARDS, Dashboard, Panel, Target, Variable, fill, interval
from tests.dashboards.ledger import Entry
from tests.dashboards.server import Prometheus, Series, prometheus, wait_until
from tests.dashboards.site import SITES, Site
from tests.dashboards.truth import Allowed, Books, Chosen, Page

ROOT: Final = Path(__file__).parents[2]
STEPS: Final = "dddkit-story-steps"

Answers: TypeAlias = Mapping[str, Sequence[Series]]
"""What came back for each query of a panel, by its reference."""

Figure: TypeAlias = tuple[str, float | None, Allowed]
"""What it is, what is shown, and what may be."""

Judge: TypeAlias = Callable[[Answers, Books, float], Iterator[Figure]]
"""Compares what a panel shows, with so many seconds from moment to moment, with the books."""


# What each panel has to show


def _single(of: Callable[[Books], Allowed]) -> Judge:
    def judge(answers: Answers, books: Books, step: float) -> Iterator[Figure]:
        (series,) = answers["A"]
        yield "", series.value, of(books)

    return judge


def _by(*labels: str) -> Callable[[Books], dict[tuple[str, ...], Books]]:
    """Part the books as a query does that keeps these labels."""
    names = {"story_name": "story", "step_name": "step", "status": "status"}
    return lambda books: books.by(*(names[label] for label in labels))


def _compared(
    shown: Mapping[tuple[str, ...], float], true: Mapping[tuple[str, ...], Books], of: Callable[[Books], Allowed]
) -> Iterator[Figure]:
    """Compare row by row; a row that is missing, or that nothing stands behind, is a figure too."""
    for key in sorted({*shown, *true}):
        allowed = of(true[key]) if key in true else Allowed(0, 0, 1e-9)
        # A series that was born within a scrape of the end has no second point yet.
        if key in shown or allowed.low > 0:
            yield ".".join(key), shown.get(key), allowed


def _lines(
    series: Sequence[Series], labels: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], Sequence[tuple[float, float]]]]:
    for one in series:
        yield tuple(one.labels.get(label, "?") for label in labels), one.points


def _rows(series: Sequence[Series], labels: Sequence[str]) -> dict[tuple[str, ...], float]:
    return {key: value for key, ((_, value),) in _lines(series, labels)}


def _each(of: Callable[[Books], Allowed], *labels: str) -> Judge:
    def judge(answers: Answers, books: Books, step: float) -> Iterator[Figure]:
        return _compared(_rows(answers["A"], labels), _by(*labels)(books), of)

    return judge


def _top(of: Callable[[Books], Allowed], *labels: str) -> Judge:
    """The ten with the highest figures: as many as there are, each right, and nobody higher left out."""

    def judge(answers: Answers, books: Books, step: float) -> Iterator[Figure]:
        true = _by(*labels)(books)
        shown = _rows(answers["A"], labels)
        yield "rows", len(shown), Allowed(min(10, len(true)), min(10, len(true)), 10)
        yield from _compared(shown, {key: true[key] for key in shown if key in true}, of)
        lowest = min(shown.values())
        for key in true.keys() - shown.keys():
            allowed = of(true[key])
            yield f"{'.'.join(key)} left out", lowest, Allowed(allowed.truth, allowed.low, float("inf"), rough=True)

    return judge


def _columns(labels: Sequence[str], **columns: Callable[[Books], Allowed]) -> Judge:
    def judge(answers: Answers, books: Books, step: float) -> Iterator[Figure]:
        true = _by(*labels)(books)
        for ref, of in columns.items():
            for what, shown, allowed in _compared(_rows(answers[ref], labels), true, of):
                yield f"{ref} {what}", shown, allowed

    return judge


def _per_minute(*labels: str, status: str | None = None) -> Judge:
    """Rates per minute, which add up over time to what happened."""

    def judge(answers: Answers, books: Books, step: float) -> Iterator[Figure]:
        shown = {key: sum(value for _, value in points) * step / 60 for key, points in _lines(answers["A"], labels)}
        return _compared(shown, _by(*labels)(books.of(status=status)), Books.total_over_time)

    return judge


def _within(of: Callable[[Books], Allowed], *labels: str) -> Judge:
    """Figures that lie, at every moment, within what was true in the whole time."""

    def judge(answers: Answers, books: Books, step: float) -> Iterator[Figure]:
        true = _by(*labels)(books)
        shown = dict(_lines(answers["A"], labels))
        for key, points in shown.items():
            allowed = of(true[key]) if key in true else Allowed(0, 0, 1e-9)
            for extreme in (min, max):
                yield f"{extreme.__name__} {'.'.join(key)}", extreme(value for _, value in points), allowed
        for key in true.keys() - shown.keys():
            yield f"{'.'.join(key)} missing", None, Allowed(0, 0, 0)

    return judge


def _percentiles(answers: Answers, books: Books, step: float) -> Iterator[Figure]:
    """p50, p95 and p99 over time: in order at each moment, and within what happened just before it."""
    rows = {ref: dict(series[0].points) for ref, series in answers.items()}
    window = 4 * books.scrape
    for moment, p50 in rows["A"].items():
        # a sample bears the time at which its scrape began
        before = books.between(moment - window - books.scrape, moment + books.scrape / 2)
        allowed = before.range_of_durations()
        yield f"p50 at {moment:.0f}", p50, Allowed(p50, allowed.low, rows["B"][moment], rough=True)
        yield f"p95 at {moment:.0f}", rows["B"][moment], Allowed(rows["B"][moment], p50, rows["C"][moment], rough=True)
        yield f"p99 at {moment:.0f}", rows["C"][moment], Allowed(rows["C"][moment], p50, allowed.high, rough=True)
    busy = sorted(rows["A"].values())
    middle = books.quantile(0.5)
    # Half of the moments are slower than that, half are faster: give it one bucket more.
    lower, higher = books.bucket(max(middle.low - 1e-6, 0))[0], books.bucket(middle.high + 1e-6)[1]
    yield (
        "p50 in the middle of the time",
        busy[len(busy) // 2],
        Allowed(middle.truth, lower, higher, rough=True),
    )


def _heat(answers: Answers, books: Books, step: float) -> Iterator[Figure]:
    """Each row adds up over time to the runs that took no longer than its bound."""
    window = 4 * books.scrape
    shown = {series.labels["le"]: sum(value for _, value in series.points) * step / window for series in answers["A"]}
    bounds = {f"{bound:.1f}": bound for bound in books.pages[0].bounds} | {"+Inf": float("inf")}
    for name in sorted({*shown, *bounds}):
        allowed = books.up_to(bounds[name]) if name in bounds else Allowed(0, 0, 0)
        yield f"le={name}", shown.get(name), allowed


def _failed(books: Books) -> Allowed:
    return _none_or_count(books.of(status="failed"))


def _cancelled(books: Books) -> Allowed:
    return _none_or_count(books.of(status="cancelled"))


def _none_or_count(books: Books) -> Allowed:
    return books.count() if books.pages else Allowed(0, 0, 1e-9)


def _completed_share(books: Books) -> Allowed:
    return books.share("completed")


def _failed_share(books: Books) -> Allowed:
    return books.share("failed")


def _p50(books: Books) -> Allowed:
    return books.quantile(0.5)


def _p95(books: Books) -> Allowed:
    return books.quantile(0.95)


def _a_share(books: Books) -> Allowed:
    return Allowed(books.share("failed").truth, 0, 1, rough=True)


JUDGES: Final[Mapping[str, Mapping[str, Judge]]] = {
    "dddkit-stories": {
        "Success rate": _single(_completed_share),
        "Executions": _single(Books.count),
        "Failed": _single(_failed),
        "Cancelled": _single(_cancelled),
        "Latency p50": _single(_p50),
        "Latency p95": _single(_p95),
        "Executions over time": _per_minute("status"),
        "Execution status": _each(Books.count, "status"),
        "Latency percentiles": _percentiles,
        "Latency heat map": _heat,
        "Executions by story": _per_minute("story_name"),
        "Error ratio by story": _within(_a_share, "story_name"),
        "Stories": _columns(
            ["story_name"],
            A=Books.count,
            B=_failed,
            C=_cancelled,
            D=_completed_share,
            E=Books.mean,
            F=_p50,
            G=_p95,
        ),
    },
    STEPS: {
        "Step executions": _single(Books.count),
        "Failed steps": _single(_failed),
        "Cancelled steps": _single(_cancelled),
        "Error ratio": _single(_failed_share),
        "Step latency p50": _single(_p50),
        "Step latency p95": _single(_p95),
        "Step duration": _within(Books.range_of_durations, "story_name", "step_name"),
        "Step executions over time": _per_minute("story_name", "step_name"),
        "Step latency percentiles": _percentiles,
        "Step latency heat map": _heat,
        "Slowest steps": _top(_p95, "story_name", "step_name"),
        "Error ratio per step": _top(_failed_share, "story_name", "step_name"),
        "Failed steps over time": _per_minute("story_name", "step_name", status="failed"),
        "Cancelled steps over time": _per_minute("story_name", "step_name", status="cancelled"),
        "Steps": _columns(
            ["story_name", "step_name"],
            A=Books.count,
            B=_failed,
            C=_cancelled,
            D=_failed_share,
            E=Books.mean,
            F=_p50,
            G=_p95,
        ),
    },
}

MAY_BE_EMPTY: Final = {"Failed steps over time": "failed", "Cancelled steps over time": "cancelled"}
"""Panels with nothing to show where no step ended so."""

CHOICES: Final = (
    Chosen("dddkit_stories"),
    Chosen("dddkit_stories", ["shop"]),
    Chosen("dddkit_stories", ["shop_async"]),
    Chosen("dddkit_stories", ["shop"], ["Checkout"]),
    Chosen("dddkit_stories", ["shop", "shop_async"], ["Checkout", "CancelOrder"], ["authorize", "find_order"]),
    Chosen("dddkit_stories", None, ["Restock"]),
    Chosen("my_service"),
    Chosen("my_service", ["my_app"], ["ExportBooks"]),
)


# Asking as Grafana does


@dataclass
class Asking:
    """Puts the queries of dashboards to a server, at the end of a time, as Grafana would."""

    server: Prometheus
    start: float
    end: float
    scrape: float

    @property
    def step(self) -> float:
        return self.scrape  # Grafana asks for no more than one point a scrape, and this range is short

    def values(self, chosen: Chosen) -> dict[str, str]:
        """What stands for the variables, in a query."""

        def several(names: Sequence[str] | None) -> str:
            if names is None:
                return ".+"
            return names[0] if len(names) == 1 else f"({'|'.join(names)})"

        return {
            "prefix": chosen.prefix,
            "service": several(chosen.services),
            "story": several(chosen.stories),
            "step": several(chosen.steps),
            "__range": interval(self.end - self.start),
            "__rate_interval": interval(max(self.step + self.scrape, 4 * self.scrape)),
        }

    def ask(self, target: Target, chosen: Chosen) -> list[Series]:
        query = fill(target.query, self.values(chosen))
        if target.instant:
            return self.server.instant(query, self.end)
        start = self.start - self.start % self.step
        return self.server.span(query, start, self.end, self.step)

    def options(self, variable: Variable, chosen: Chosen) -> list[str]:
        """What a variable of the kind `query` lets one choose."""
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", fill(variable.query, self.values(chosen)))
        if match is None:
            raise ValueError(f"${variable.name} asks {variable.query}, which this check cannot")
        found = self.server.label_values(match[2], match[1], self.start, self.end)
        if variable.regex:
            regex = re.compile(variable.regex.strip("/"))
            found = [match[1] for name in found if (match := regex.search(name))]
        return sorted(set(found))


# The shops


@dataclass(frozen=True)
class Running:
    """A service in a process of its own."""

    site: Site
    port: int
    orders: IO[str]
    reports: IO[str]

    def order(self, what: str) -> None:
        self.orders.write(f"{what}\n")
        self.orders.flush()

    def report(self) -> tuple[list[Entry], Mapping[str, int]]:
        line = self.reports.readline()
        if not line:
            raise RuntimeError(f"{self.site.name} has gone; what it said stands above")
        said: dict[str, Any] = json.loads(line)
        return sorted((Entry(*entry) for entry in said["entries"]), key=lambda entry: entry.ended), said["outcomes"]


def open_shops(stack: ExitStack, seed: int) -> list[Running]:
    shops = list[Running]()
    for number, site in enumerate(SITES):
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.dashboards.site", site.name, str(seed + number)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
        )
        stack.callback(process.terminate)
        orders, reports = process.stdin, process.stdout
        if orders is None or reports is None:
            raise RuntimeError("a pipe was asked for, and is not there")
        port = reports.readline()
        if not port:
            raise RuntimeError(f"{site.name} did not open; what it said stands above")
        shops.append(Running(site, int(port), orders, reports))
    return shops


def trade(server: Prometheus, shops: Sequence[Running], seconds: float, scrape: float) -> Books:
    """Let the shops warm up, then trade for so long; give their books, from quiet to quiet."""

    def all_up() -> bool:
        return server.scrapes() == ["up"] * len(shops)

    wait_until("all shops have been scraped", all_up)
    for shop in shops:
        shop.order("warm-up")
    warm_ups = [shop.report()[0] for shop in shops]
    time.sleep(5 * scrape)  # the warm-up has left the window of every rate
    start = time.time()
    time.sleep(scrape)
    for shop in shops:
        shop.order(str(seconds))
    pages = list[Page]()
    for shop, warm_up in zip(shops, warm_ups, strict=True):
        entries, outcomes = shop.report()
        counted = Counter(entry.status for entry in entries if entry.story == "Checkout" and not entry.step)
        # A task that is cancelled before it first ran is a cancelled customer, but no run.
        counted["cancelled"] = outcomes["cancelled"] if counted["cancelled"] <= outcomes["cancelled"] else -1
        if dict(counted) != outcomes:
            raise RuntimeError(f"the ledger of {shop.site.name} says {dict(counted)}, and its customers {outcomes}")
        bounds = DEFAULT_BUCKETS if shop.site.buckets is None else shop.site.buckets
        pages.append(Page(shop.site.name, shop.site.prefix, bounds, warm_up, entries))
    time.sleep(6 * scrape)
    return Books(pages, start, time.time(), scrape)


# The check


@dataclass
class Verdict:
    """What was compared, and what did not hold."""

    figures: int = 0
    wrong: list[str] = field(default_factory=list[str])
    largest: dict[str, tuple[float, str]] = field(default_factory=dict[str, tuple[float, str]])

    def compare(self, where: str, kind: str, figure: Figure) -> None:
        what, shown, allowed = figure
        self.figures += 1
        if shown is None or not allowed.low <= shown <= allowed.high:
            self.wrong.append(
                f"{where} {what}: shows {'nothing' if shown is None else f'{shown:.6g}'}, "
                f"but {allowed.truth:.6g} is true ({allowed.low:.6g} to {allowed.high:.6g} would do)"
            )
        elif allowed.truth and not allowed.rough:
            difference = abs(shown - allowed.truth) / abs(allowed.truth)
            if difference > self.largest.get(kind, (-1.0, ""))[0]:
                self.largest[kind] = (difference, f"{where} {what}: {shown:.6g}, {allowed.truth:.6g} is true")


def check_panel(
    verdict: Verdict, asking: Asking, dashboard: Dashboard, panel: Panel, chosen: Chosen, books: Books
) -> None:
    where = f"{dashboard.title} / {panel.title} [{chosen}]"
    answers = {target.ref: asking.ask(target, chosen) for target in panel.targets}
    if empty := [ref for ref, series in answers.items() if not any(one.points for one in series)]:
        status = MAY_BE_EMPTY.get(panel.title)
        verdict.figures += 1
        if status is None or books.of(status=status).pages:
            verdict.wrong.append(f"{where}: nothing comes back for {', '.join(empty)}")
        return
    judge = JUDGES.get(dashboard.uid, {}).get(panel.title)
    if judge is None:
        verdict.wrong.append(f"{where}: nobody has said what this panel has to show")
        return
    for figure in judge(answers, books, asking.step):
        verdict.compare(where, panel.kind, figure)


def check_variables(verdict: Verdict, asking: Asking, dashboard: Dashboard, chosen: Chosen, books: Books) -> None:
    pages = [page for page in books.pages if page.prefix == chosen.prefix]
    known = [page for page in pages if chosen.services is None or page.service in chosen.services]
    entries = [entry for page in known for entry in (*page.warm_up, *page.entries)]
    expected = {
        "prefix": {page.prefix for page in books.pages},
        "service": {page.service for page in pages},
        "story": {entry.story for entry in entries},
        "step": {
            entry.step for entry in entries if entry.step and (not chosen.stories or entry.story in chosen.stories)
        },
    }
    for variable in dashboard.variables:
        if variable.kind == "query":
            verdict.figures += 1
            found = asking.options(variable, chosen)
            if found != sorted(expected[variable.name]):
                verdict.wrong.append(
                    f"{dashboard.title} / ${variable.name} [{chosen}]: offers {found}, not {expected[variable.name]}"
                )


def check(asking: Asking, books: Books) -> Verdict:
    verdict = Verdict()
    for dashboard in DASHBOARDS:
        steps = dashboard.uid == STEPS
        for chosen in CHOICES:
            check_variables(verdict, asking, dashboard, chosen, books)
            for panel in dashboard.panels:
                check_panel(verdict, asking, dashboard, panel, chosen, books.chosen(chosen, steps=steps))
    return verdict


def record(asking: Asking, path: Path) -> None:
    """Write down what the panels got, for the pictures."""
    chosen = CHOICES[0]
    path.write_text(
        json.dumps(
            {
                "start": asking.start,
                "end": asking.end,
                "step": asking.step,
                "prefix": chosen.prefix,
                "answers": {
                    dashboard.uid: {
                        panel.id: {
                            target.ref: [
                                {"labels": series.labels, "points": series.points}
                                for series in asking.ask(target, chosen)
                            ]
                            for target in panel.targets
                        }
                        for panel in dashboard.panels
                    }
                    for dashboard in DASHBOARDS
                },
            }
        ),
        encoding="utf-8",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=30, help="how long the shops trade")
    parser.add_argument("--scrape", type=float, default=0.5, help="seconds between two scrapes")
    parser.add_argument("--seed", type=int, default=7, help="what the customers' whims begin with")
    parser.add_argument("--record", type=Path, help="a file for the answers, from which the pictures are made")
    options = parser.parse_args()
    if shutil.which("prometheus") is None:
        sys.exit("make dashboards needs the program prometheus (Debian: apt-get install -y prometheus)")
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _stop)
    signal.alarm(round(options.seconds * 1.2) + 49)
    began = time.monotonic()
    with ExitStack() as stack:
        shops = open_shops(stack, options.seed)
        server = stack.enter_context(prometheus([shop.port for shop in shops], options.scrape))
        books = trade(server, shops, options.seconds, options.scrape)
        asking = Asking(server, books.start, books.end, options.scrape)
        verdict = check(asking, books)
        if options.record is not None:
            busy = replace(asking, start=books.start + 8 * books.scrape, end=books.end - 8 * books.scrape)
            record(busy, options.record)
    for wrong in verdict.wrong[:50]:
        print(f"WRONG  {wrong}")
    if len(verdict.wrong) > 50:
        print(f"WRONG  and {len(verdict.wrong) - 50} more")
    for kind, (difference, example) in sorted(verdict.largest.items()):
        print(f"{kind:10} off by {difference:.1%} at most ({example})")
    print(
        f"dashboards: {sum(len(dashboard.panels) for dashboard in DASHBOARDS)} panels, "
        f"{sum(1 for dashboard in DASHBOARDS for _ in dashboard.queries())} queries, asked {server.asked} times; "
        f"{len(books.entries)} runs and steps, {verdict.figures} figures compared, {len(verdict.wrong)} wrong, "
        f"{time.monotonic() - began:.0f} s"
    )
    if verdict.wrong:
        sys.exit(1)


def _stop(signum: int, frame: object) -> NoReturn:
    # through every `finally`, so that nothing stays behind
    sys.exit("dashboards: this takes too long" if signum == signal.SIGALRM else 128 + signum)


if __name__ == "__main__":
    main()
