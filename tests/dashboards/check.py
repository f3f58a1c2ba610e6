"""`make dashboards` sends every query of every panel to a Prometheus and compares the answers with what happened.

It starts four services (both backends, three metric prefixes, one without a name) and a Prometheus that scrapes them,
simulates customers, and then sends the queries that Grafana would send. It fails if a panel is empty or shows a wrong
figure.
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
from tests.dashboards.ledger import Entry, Kind
from tests.dashboards.recording import record
from tests.dashboards.server import Prometheus, Series, prometheus, wait_until
from tests.dashboards.site import SITES, Site
from tests.dashboards.truth import Allowed, Chosen, Page, Records

ROOT: Final = Path(__file__).parents[2]
STEPS: Final = "dddkit-story-steps"

Answers: TypeAlias = Mapping[str, Sequence[Series]]
"""The answers to the queries of a panel, by the reference of the query."""

Figure: TypeAlias = tuple[str, float | None, Allowed]
"""What is compared, the value shown, and the values allowed."""

Comparison: TypeAlias = Callable[[Answers, Records, float], Iterator[Figure]]
"""Compares the answers for a panel with the records; the last argument is the seconds between two points."""


# What each panel has to show


def _single(of: Callable[[Records], Allowed]) -> Comparison:
    def compare(answers: Answers, records: Records, step: float) -> Iterator[Figure]:
        (series,) = answers["A"]
        yield "", series.value, of(records)

    return compare


def _by(*labels: str) -> Callable[[Records], dict[tuple[str, ...], Records]]:
    """Return a function that groups records by these labels, as a query does."""
    names = {"story_name": "story", "step_name": "step", "status": "status"}
    return lambda records: records.by(*(names[label] for label in labels))


def _compared(
    shown: Mapping[tuple[str, ...], float], true: Mapping[tuple[str, ...], Records], of: Callable[[Records], Allowed]
) -> Iterator[Figure]:
    """Compare row by row; a row that is missing, or that has no record, is a figure too."""
    for key in sorted({*shown, *true}):
        allowed = of(true[key]) if key in true else Allowed(0, 0, 1e-9)
        # A series that started less than one scrape before the end has no second point yet.
        if key in shown or allowed.low > 0:
            yield ".".join(key), shown.get(key), allowed


def _lines(
    series: Sequence[Series], labels: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], Sequence[tuple[float, float]]]]:
    for one in series:
        yield tuple(one.labels.get(label, "?") for label in labels), one.points


def _rows(series: Sequence[Series], labels: Sequence[str]) -> dict[tuple[str, ...], float]:
    return {key: value for key, ((_, value),) in _lines(series, labels)}


def _each(of: Callable[[Records], Allowed], *labels: str) -> Comparison:
    def compare(answers: Answers, records: Records, step: float) -> Iterator[Figure]:
        return _compared(_rows(answers["A"], labels), _by(*labels)(records), of)

    return compare


def _top(of: Callable[[Records], Allowed], *labels: str) -> Comparison:
    """Compare a table of the ten highest figures: the number of rows, each figure, and the rows left out."""

    def compare(answers: Answers, records: Records, step: float) -> Iterator[Figure]:
        true = _by(*labels)(records)
        shown = _rows(answers["A"], labels)
        yield "rows", len(shown), Allowed(min(10, len(true)), min(10, len(true)), 10)
        yield from _compared(shown, {key: true[key] for key in shown if key in true}, of)
        lowest = min(shown.values())
        for key in true.keys() - shown.keys():
            allowed = of(true[key])
            yield f"{'.'.join(key)} left out", lowest, Allowed(allowed.truth, allowed.low, float("inf"), rough=True)

    return compare


def _decided(comparison: Comparison) -> Comparison:
    """Compare with what was not refused, as the shares do."""
    return lambda answers, records, step: comparison(answers, records.decided(), step)


def _columns(labels: Sequence[str], **columns: Callable[[Records], Allowed]) -> Comparison:
    def compare(answers: Answers, records: Records, step: float) -> Iterator[Figure]:
        true = _by(*labels)(records)
        for ref, of in columns.items():
            for what, shown, allowed in _compared(_rows(answers[ref], labels), true, of):
                yield f"{ref} {what}", shown, allowed

    return compare


def _per_minute(*labels: str, status: str | None = None) -> Comparison:
    """Compare rates per minute: their sum over time is the number of runs."""

    def compare(answers: Answers, records: Records, step: float) -> Iterator[Figure]:
        shown = {key: sum(value for _, value in points) * step / 60 for key, points in _lines(answers["A"], labels)}
        return _compared(shown, _by(*labels)(records.of(status=status)), Records.total_over_time)

    return compare


def _within(of: Callable[[Records], Allowed], *labels: str) -> Comparison:
    """Compare the lowest and the highest figure of each series with the limits for the whole period."""

    def compare(answers: Answers, records: Records, step: float) -> Iterator[Figure]:
        true = _by(*labels)(records)
        shown = dict(_lines(answers["A"], labels))
        for key, points in shown.items():
            allowed = of(true[key]) if key in true else Allowed(0, 0, 1e-9)
            for extreme in (min, max):
                yield f"{extreme.__name__} {'.'.join(key)}", extreme(value for _, value in points), allowed
        for key in true.keys() - shown.keys():
            yield f"{'.'.join(key)} missing", None, Allowed(0, 0, 0)

    return compare


def _percentiles(answers: Answers, records: Records, step: float) -> Iterator[Figure]:
    """Compare p50, p95 and p99 over time: each in order, and within the durations just before it."""
    rows = {ref: dict(series[0].points) for ref, series in answers.items()}
    window = 4 * records.scrape
    for moment, p50 in rows["A"].items():
        # the time of a sample is the start of its scrape
        allowed = records.shown_between(moment - window - records.scrape, moment + records.scrape / 2)
        yield f"p50 at {moment:.0f}", p50, Allowed(p50, allowed.low, rows["B"][moment], rough=True)
        yield f"p95 at {moment:.0f}", rows["B"][moment], Allowed(rows["B"][moment], p50, rows["C"][moment], rough=True)
        yield f"p99 at {moment:.0f}", rows["C"][moment], Allowed(rows["C"][moment], p50, allowed.high, rough=True)
    busy = sorted(rows["A"].values())
    middle = records.quantile(0.5)
    # The median over time is not the median of all runs, so one more bucket on each side is allowed.
    lower, higher = records.bucket(max(middle.low - 1e-6, 0))[0], records.bucket(middle.high + 1e-6)[1]
    yield (
        "p50 in the middle of the time",
        busy[len(busy) // 2],
        Allowed(middle.truth, lower, higher, rough=True),
    )


def _heat(answers: Answers, records: Records, step: float) -> Iterator[Figure]:
    """Compare each row: its sum over time is the number of runs that took at most its bound."""
    window = 4 * records.scrape
    shown = {series.labels["le"]: sum(value for _, value in series.points) * step / window for series in answers["A"]}
    bounds = {f"{bound:.1f}": bound for bound in records.pages[0].bounds} | {"+Inf": float("inf")}
    for name in sorted({*shown, *bounds}):
        allowed = records.up_to(bounds[name]) if name in bounds else Allowed(0, 0, 0)
        yield f"le={name}", shown.get(name), allowed


def _failed(records: Records) -> Allowed:
    return _none_or_count(records.of(status="failed"))


def _cancelled(records: Records) -> Allowed:
    return _none_or_count(records.of(status="cancelled"))


def _none_or_count(records: Records) -> Allowed:
    return records.count() if records.pages else Allowed(0, 0, 1e-9)


def _refused(records: Records) -> Allowed:
    return _none_or_count(records.of(status="refused"))


def _completed(records: Records) -> Allowed:
    return _none_or_count(records.of(status="completed"))


def _completed_share(records: Records) -> Allowed:
    return _decided_share(records, "completed")


def _failed_share(records: Records) -> Allowed:
    return _decided_share(records, "failed")


def _decided_share(records: Records, status: str) -> Allowed:
    decided = records.decided()
    return decided.share(status) if decided.pages else Allowed(0, 0, 1)


def _p50(records: Records) -> Allowed:
    return records.quantile(0.5)


def _p95(records: Records) -> Allowed:
    return records.quantile(0.95)


def _a_share(records: Records) -> Allowed:
    return Allowed(records.share("failed").truth, 0, 1, rough=True)


COMPARISONS: Final[Mapping[str, Mapping[str, Comparison]]] = {
    "dddkit-stories": {
        "Success rate": _single(_completed_share),
        "Refused": _single(_refused),
        "Executions": _single(Records.count),
        "Failed": _single(_failed),
        "Cancelled": _single(_cancelled),
        "Steps not undone": _single(_failed),
        "Latency p50": _single(_p50),
        "Latency p95": _single(_p95),
        "Executions over time": _per_minute("status"),
        "Execution status": _each(Records.count, "status"),
        "Latency percentiles": _percentiles,
        "Latency heat map": _heat,
        "Executions by story": _per_minute("story_name"),
        "Error ratio by story": _decided(_within(_a_share, "story_name")),
        "Stories": _columns(
            ["story_name"],
            A=Records.count,
            B=_failed,
            C=_cancelled,
            D=_completed_share,
            E=Records.mean,
            F=_p50,
            G=_p95,
            H=_refused,
        ),
    },
    STEPS: {
        "Step executions": _single(Records.count),
        "Failed steps": _single(_failed),
        "Cancelled steps": _single(_cancelled),
        "Error ratio": _single(_failed_share),
        "Undone steps": _single(_completed),
        "Steps not undone": _single(_failed),
        "Step latency p50": _single(_p50),
        "Step latency p95": _single(_p95),
        "Step duration": _within(Records.range_of_durations, "story_name", "step_name"),
        "Step executions over time": _per_minute("story_name", "step_name"),
        "Step latency percentiles": _percentiles,
        "Step latency heat map": _heat,
        "Slowest steps": _top(_p95, "story_name", "step_name"),
        "Error ratio per step": _decided(_top(_failed_share, "story_name", "step_name")),
        "Failed steps over time": _per_minute("story_name", "step_name", status="failed"),
        "Cancelled steps over time": _per_minute("story_name", "step_name", status="cancelled"),
        "Undone steps over time": _per_minute("story_name", "step_name", status="completed"),
        "Steps not undone over time": _per_minute("story_name", "step_name", status="failed"),
        "Steps": _columns(
            ["story_name", "step_name"],
            A=Records.count,
            B=_failed,
            C=_cancelled,
            D=_failed_share,
            E=Records.mean,
            F=_p50,
            G=_p95,
            H=_refused,
        ),
        "Compensations": _columns(
            ["story_name", "step_name"],
            A=_completed,
            B=_failed,
            C=Records.mean,
            D=_p50,
            E=_p95,
        ),
    },
}

UNDOING: Final = {
    "Steps not undone",
    "Undone steps",
    "Undone steps over time",
    "Steps not undone over time",
    "Compensations",
}
"""Panels that show what was undone, and not the runs or the steps."""

MAY_BE_EMPTY: Final[Mapping[str, str | None]] = {
    "Failed steps over time": "failed",
    "Cancelled steps over time": "cancelled",
    "Undone steps over time": "completed",
    "Steps not undone over time": "failed",
    "Compensations": None,
}
"""Panels that are empty if there is nothing of this status; None: nothing at all."""

EVERYTHING: Final = {
    variable.name: variable.everything or ""
    for dashboard in DASHBOARDS
    for variable in dashboard.variables
    if variable.name in ("service", "story", "step")
}
"""What Grafana asks for when All is chosen."""

CHOICES: Final = (
    Chosen("dddkit_stories"),
    Chosen("dddkit_stories", ["shop"]),
    Chosen("dddkit_stories", ["shop_async"]),
    Chosen("dddkit_stories", ["shop"], ["Checkout"]),
    Chosen("dddkit_stories", ["shop", "shop_async"], ["Checkout", "CancelOrder"], ["authorize", "find_order"]),
    Chosen("dddkit_stories", None, ["Restock"]),
    Chosen("my_service"),
    Chosen("my_service", ["my_app"], ["ExportBooks"]),
    Chosen("nameless"),
    Chosen("nameless", None, ["Checkout"]),
)


# Querying as Grafana does


@dataclass
class Asking:
    """Sends the queries of dashboards to a server, for one period, as Grafana would."""

    server: Prometheus
    start: float
    end: float
    scrape: float

    @property
    def step(self) -> float:
        return self.scrape  # Grafana asks for at most one point for each scrape

    def values(self, chosen: Chosen) -> dict[str, str]:
        """Return the values that replace the variables in a query."""

        def several(variable: str, names: Sequence[str] | None) -> str:
            if names is None:
                return EVERYTHING[variable]
            return names[0] if len(names) == 1 else f"({'|'.join(names)})"

        return {
            "prefix": chosen.prefix,
            "service": several("service", chosen.services),
            "story": several("story", chosen.stories),
            "step": several("step", chosen.steps),
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
        """Return the choices that a variable of kind `query` offers."""
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
    """A service that runs in its own process."""

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


def trade(server: Prometheus, shops: Sequence[Running], seconds: float, scrape: float) -> Records:
    """Warm up the shops, then trade for these seconds; return the records, with a quiet time before and after."""

    def all_up() -> bool:
        return server.scrapes() == ["up"] * len(shops)

    wait_until("all shops have been scraped", all_up)
    for shop in shops:
        shop.order("warm-up")
    warm_ups = [shop.report()[0] for shop in shops]
    time.sleep(5 * scrape)  # now no rate includes the warm-up
    start = time.time()
    time.sleep(scrape)
    for shop in shops:
        shop.order(str(seconds))
    pages = list[Page]()
    for shop, warm_up in zip(shops, warm_ups, strict=True):
        entries, outcomes = shop.report()
        counted = Counter(entry.status for entry in entries if entry.story == "Checkout" and entry.kind == "run")
        # A task that is cancelled before it starts is a cancelled customer, but not a run.
        counted["cancelled"] = outcomes["cancelled"] if counted["cancelled"] <= outcomes["cancelled"] else -1
        if dict(counted) != outcomes:
            raise RuntimeError(f"the ledger of {shop.site.name} says {dict(counted)}, and its customers {outcomes}")
        bounds = DEFAULT_BUCKETS if shop.site.buckets is None else shop.site.buckets
        pages.append(Page(shop.site.app_name, shop.site.prefix, bounds, warm_up, entries))
    time.sleep(6 * scrape)
    return Records(pages, start, time.time(), scrape)


# The check


@dataclass
class Result:
    """How many figures were compared, which are wrong, and the largest differences."""

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
    result: Result, asking: Asking, dashboard: Dashboard, panel: Panel, chosen: Chosen, records: Records
) -> None:
    where = f"{dashboard.title} / {panel.title} [{chosen}]"
    answers = {target.ref: asking.ask(target, chosen) for target in panel.targets}
    if empty := [ref for ref, series in answers.items() if not any(one.points for one in series)]:
        result.figures += 1
        if panel.title not in MAY_BE_EMPTY or records.of(status=MAY_BE_EMPTY[panel.title]).pages:
            result.wrong.append(f"{where}: nothing comes back for {', '.join(empty)}")
        return
    comparison = COMPARISONS.get(dashboard.uid, {}).get(panel.title)
    if comparison is None:
        result.wrong.append(f"{where}: nobody has said what this panel has to show")
        return
    for figure in comparison(answers, records, asking.step):
        result.compare(where, panel.kind, figure)


def check_variables(result: Result, asking: Asking, dashboard: Dashboard, chosen: Chosen, records: Records) -> None:
    pages = [page for page in records.pages if page.prefix == chosen.prefix]
    known = [page for page in pages if chosen.services is None or page.service in chosen.services]
    entries = [entry for page in known for entry in (*page.warm_up, *page.entries)]
    expected = {
        "prefix": {page.prefix for page in records.pages},
        "service": {page.service for page in pages if page.service},  # to Prometheus, an empty label is none
        "story": {entry.story for entry in entries},
        "step": {
            entry.step for entry in entries if entry.step and (not chosen.stories or entry.story in chosen.stories)
        },
    }
    for variable in dashboard.variables:
        if variable.kind == "query":
            result.figures += 1
            found = asking.options(variable, chosen)
            if found != sorted(expected[variable.name]):
                result.wrong.append(
                    f"{dashboard.title} / ${variable.name} [{chosen}]: offers {found}, not {expected[variable.name]}"
                )


def check(asking: Asking, records: Records) -> Result:
    result = Result()
    for dashboard in DASHBOARDS:
        steps = dashboard.uid == STEPS
        for chosen in CHOICES:
            check_variables(result, asking, dashboard, chosen, records)
            for panel in dashboard.panels:
                kind: Kind = "undoing" if panel.title in UNDOING else "step" if steps else "run"
                check_panel(result, asking, dashboard, panel, chosen, records.chosen(chosen, kind, steps=steps))
    return result


def record_answers(asking: Asking, path: Path) -> None:
    """Write the answers for all panels to a file, from which the pictures are drawn."""
    chosen = CHOICES[0]
    record(
        path,
        DASHBOARDS,
        lambda target: asking.ask(target, chosen),
        start=asking.start,
        end=asking.end,
        step=asking.step,
        scraped="the example shop",
        chosen={"prefix": chosen.prefix},
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
        records = trade(server, shops, options.seconds, options.scrape)
        asking = Asking(server, records.start, records.end, options.scrape)
        result = check(asking, records)
        if options.record is not None:
            busy = replace(asking, start=records.start + 8 * records.scrape, end=records.end - 8 * records.scrape)
            record_answers(busy, options.record)
    for wrong in result.wrong[:50]:
        print(f"WRONG  {wrong}")
    if len(result.wrong) > 50:
        print(f"WRONG  and {len(result.wrong) - 50} more")
    for kind, (difference, example) in sorted(result.largest.items()):
        print(f"{kind:10} off by {difference:.1%} at most ({example})")
    print(
        f"dashboards: {sum(len(dashboard.panels) for dashboard in DASHBOARDS)} panels, "
        f"{sum(1 for dashboard in DASHBOARDS for _ in dashboard.queries())} queries, asked {server.asked} times; "
        f"{len(records.entries)} runs and steps, {result.figures} figures compared, {len(result.wrong)} wrong, "
        f"{time.monotonic() - began:.0f} s"
    )
    if result.wrong:
        sys.exit(1)


def _stop(signum: int, frame: object) -> NoReturn:
    # SystemExit runs every `finally`, so that all processes and files are removed.
    sys.exit("dashboards: this takes too long" if signum == signal.SIGALRM else 128 + signum)


if __name__ == "__main__":
    main()
