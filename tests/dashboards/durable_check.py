"""`python -m tests.dashboards.durable_check` compares the dashboard of durable stories with what the runs say.

Two workers of a shop execute real runs, and a Prometheus scrapes them. In the middle of the time two others with new
code replace them one by one, and the steps of one story have changed. At the end the bank falls silent, so that all
runs stand still, and each panel has to show what `Durable.runs` lists.
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
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, NoReturn

from dddkit.stories.durable import RunStatus
from dddkit.stories.durable.backlog import Backlog
from tests.dashboards.dashboards import DURABLE, Panel, Target, fill
from tests.dashboards.recording import record
from tests.dashboards.server import Prometheus, Series, free_ports, prometheus, wait_until

__all__ = ["EVERYTHING", "expected", "shown"]

ROOT: Final = Path(__file__).parents[2]
EVERYTHING: Final = {variable.name: variable.everything or "" for variable in DURABLE.variables}
AGES: Final = ("Oldest", "Oldest by story")
"""Panels that show seconds, which go on while everything stands still."""


def shown(server: Prometheus, panel: Panel, at: float | None = None) -> dict[str, float]:
    """Return what a panel shows at this moment, by what its legend names."""
    (target,) = panel.targets
    legend = re.fullmatch(r"\{\{(\w+)\}\}", target.legend)
    return {
        series.labels.get(legend[1], "") if legend else "": series.value
        for series in server.instant(fill(target.query, EVERYTHING), time.time() if at is None else at)
    }


def expected(backlogs: Sequence[Backlog]) -> dict[str, dict[str, float]]:
    """Return what each panel has to show of these, by what its legend names."""
    totals: Counter[RunStatus] = Counter()
    for backlog in backlogs:
        totals.update(backlog.runs)
    stuck = (RunStatus.CHANGED, RunStatus.UNDO_FAILED)
    statuses = (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.UNDOING, *stuck)
    return {
        "Pending": {"": totals[RunStatus.PENDING]},
        "Running": {"": totals[RunStatus.RUNNING] + totals[RunStatus.UNDOING]},  # what is undone is executed too
        "Waiting": {"": totals[RunStatus.WAITING]},
        "Stuck": {"": sum(totals[status] for status in stuck)},
        "Oldest": {"": max(backlog.oldest for backlog in backlogs)},
        "Runs that have not ended": {status.value: totals[status] for status in statuses},
        "Oldest by story": {backlog.story: backlog.oldest for backlog in backlogs},
        "Stuck by story": {backlog.story: sum(backlog.runs.get(status, 0) for status in stuck) for backlog in backlogs},
    }


# The workers


@dataclass(frozen=True)
class Working:
    """A worker in a process of its own."""

    process: subprocess.Popen[str]
    questions: IO[str]
    answers: IO[str]

    def said(self) -> Any:
        line = self.answers.readline()
        if not line:
            raise RuntimeError("a worker has gone; what it said stands above")
        return json.loads(line)

    def backlogs(self) -> list[Backlog]:
        """Ask how the runs stand, as the stories list them."""
        self.questions.write("runs\n")
        self.questions.flush()
        listed: dict[str, tuple[dict[str, int], float]] = self.said()
        return [
            Backlog(story, {RunStatus(status): count for status, count in counts.items()}, oldest)
            for story, (counts, oldest) in listed.items()
        ]

    def end(self) -> None:
        self.questions.close()
        self.process.wait(30)


@dataclass(frozen=True)
class Period:
    """How long the shop trades, beginning at a moment."""

    began: float
    seconds: float

    def wait_for(self, share: float) -> None:
        time.sleep(max(0.0, self.began + share * self.seconds - time.time()))


def work(stack: ExitStack, url: str, port: int, version: int, period: Period, seed: int) -> Working:
    """Start a worker, and wait until it works."""
    options = [url, port, version, period.began, period.seconds, seed]
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-m", "tests.dashboards.durable_site", *map(str, options)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
    )
    stack.callback(process.kill)
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a pipe was asked for, and is not there")
    worker = Working(process, process.stdin, process.stdout)
    worker.said()
    return worker


# The check


def differences(server: Prometheus, worker: Working, slack: float) -> list[str]:
    """Compare every panel with the runs; ages may differ by this many seconds, by which a figure is late."""
    true = expected(worker.backlogs())
    wrong = list[str]()
    for panel in DURABLE.panels:
        found = shown(server, panel)
        allowed: Mapping[str, float] = true[panel.title]
        near = slack if panel.title in AGES else 0
        for key in sorted({*found, *allowed}):
            if key not in found or key not in allowed or abs(found[key] - allowed[key]) > near:
                wrong.append(f"{panel.title} {key}: shows {found.get(key)}, but {allowed.get(key)} is true")
    return wrong


def ask(server: Prometheus, start: float, end: float, step: float, target: Target) -> list[Series]:
    query = fill(target.query, EVERYTHING)
    return server.instant(query, end) if target.instant else server.span(query, start, end, step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=40, help="how long the shop trades")
    parser.add_argument("--scrape", type=float, default=0.5, help="seconds between two scrapes")
    parser.add_argument("--seed", type=int, default=7, help="what the customers' whims begin with")
    parser.add_argument("--record", type=Path, help="a file for the answers, from which the picture is made")
    options = parser.parse_args()
    if shutil.which("prometheus") is None:
        sys.exit("make dashboards needs the program prometheus (Debian: apt-get install -y prometheus)")
    for signum in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(signum, _stop)
    signal.alarm(round(options.seconds * 1.2) + 90)
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="dddkit-durable-"))
        ports = free_ports(4)
        server = stack.enter_context(prometheus(ports, options.scrape))
        period = Period(time.time() + 5, options.seconds)
        start = partial(work, stack, f"sqlite:///{folder}/shop.sqlite")
        old = [start(port, 1, period, options.seed + number) for number, port in enumerate(ports[:2])]
        new = list[Working]()
        for number, (worker, share) in enumerate(zip(old, (0.55, 0.6), strict=True), 2):
            period.wait_for(share)
            new.append(start(ports[number], 2, period, options.seed + number))
            worker.end()
        period.wait_for(1)
        end = time.time()
        wrong = ["nothing was compared"]

        def agreed() -> bool:
            wrong[:] = differences(server, new[0], 8 + options.scrape)
            return not wrong

        try:
            wait_until("the dashboard shows the runs", agreed, 40)
        except TimeoutError:
            sys.exit("\n".join(f"WRONG  {one}" for one in wrong))
        true = expected(new[0].backlogs())
        if not (true["Running"][""] and true["Waiting"][""]):
            sys.exit("WRONG  no run is under way, or none waits: that proves nothing")
        if options.record is not None:
            begin = period.began + 4 * options.scrape
            record(
                options.record,
                [DURABLE],
                partial(ask, server, begin, end, options.scrape),
                start=begin,
                end=end,
                step=options.scrape,
                scraped="workers with durable stories",
                chosen={},
            )
    print(
        f"durable stories: {len(DURABLE.panels)} panels show what the runs say: "
        + ", ".join(f"{count:g} {status}" for status, count in true["Runs that have not ended"].items())
    )


def _stop(signum: int, frame: object) -> NoReturn:
    # SystemExit runs every `finally`, so that all processes and files are removed.
    sys.exit("durable stories: this takes too long" if signum == signal.SIGALRM else 128 + signum)


if __name__ == "__main__":
    main()
