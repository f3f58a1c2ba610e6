"""What must be true of durable stories, whoever was killed: lines of the ledger, and the faults that they show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.kill.stories.labels import STEPS, UNDONE, expected_labels

__all__ = ["Figures", "Line", "Recorded", "figures", "problems", "problems_of_steps", "said"]

Line = Mapping[str, Any]
"""A line of the ledger."""

SHOWN: Final = 3
"""How many examples a problem shows."""


@dataclass(frozen=True)
class Recorded:
    """A run, as the database has it when all is over."""

    status: str
    labels: Sequence[str]


@dataclass
class Figures:
    """How much of what there was."""

    runs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    kills: Counter[str] = field(default_factory=Counter[str])
    steps: int = 0
    """Steps and compensations that were recorded."""
    again: int = 0
    """Those that ran again, since nobody had recorded them."""
    take_overs: list[float] = field(default_factory=list[float])
    """Seconds from a death to the next step of its runs, in order."""


@dataclass
class _Step:
    """What is known of a step of a run, so far."""

    key: str
    pid: int
    raised: bool = False
    done: bool = False
    recorded: bool = False


@dataclass
class _Run:
    name: str
    labels: Sequence[str]
    refused: bool
    started: bool = False
    steps: dict[str, _Step] = field(default_factory=dict[str, _Step])
    made: dict[str, str] = field(default_factory=dict[str, str])
    sent: set[str] = field(default_factory=set[str])
    accepted: list[str] = field(default_factory=list[str])
    ends: list[Line] = field(default_factory=list[Line])


def figures(lines: Sequence[Line]) -> Figures:
    found, dead, waiting = Figures(), dict[int, float](), dict[str, set[int]]()
    begun, ended = Counter[tuple[str, str]](), dict[str, str]()
    recorded = set[tuple[str, str]]()
    for line in lines:
        what, run = line["what"], line["run"]
        if what == "killed":
            dead[line["pid"]] = line["at"]
            found.kills[line.get("place", "at random")] += 1
        elif what in ("began", "recorded"):
            pids = waiting.setdefault(run, set())
            deaths = [dead[pid] for pid in pids if pid in dead]
            if deaths and line["pid"] not in pids:
                found.take_overs.append(line["at"] - max(deaths))
            waiting[run] = {line["pid"]}
            if what == "began":
                begun[run, line["label"]] += 1
            else:
                recorded.add((run, line["label"]))
        elif what == "raised":
            begun[run, line["label"]] -= 1  # another attempt of the same
        elif what == "ended":
            ended[run] = line["outcome"]
    found.runs = len(ended)
    found.outcomes.update(ended.values())
    found.steps = len(recorded & set(begun))
    found.again = sum(times - 1 for times in begun.values() if times > 1)
    found.take_overs.sort()
    return found


def problems(lines: Sequence[Line], recorded: Mapping[str, Recorded]) -> list[str]:
    """Return what is wrong, a line for each kind of fault; none if nothing is."""
    found = defaultdict[str, list[str]](list)
    runs = _of_lines(lines, found)
    for run in runs.values():
        for fault, example in _of_end(run):
            found[fault].append(example)
    for fault, example in _of_records(runs, recorded):
        found[fault].append(example)
    for fault, example in _of_keys(runs.values()):
        found[fault].append(example)
    return said(found)


def problems_of_steps(lines: Sequence[Line]) -> list[str]:
    """Return what is wrong so far, while runs are under way."""
    found = defaultdict[str, list[str]](list)
    _of_lines(lines, found)
    return said(found)


def said(found: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each kind of fault, with some examples."""
    return [f"{fault}: {_shown(examples)}" for fault, examples in found.items()]


def _of_lines(lines: Iterable[Line], found: Mapping[str, list[str]]) -> dict[str, _Run]:
    runs, dead = dict[str, _Run](), set[int]()
    for line in lines:
        what, name = line["what"], line["run"]
        if what == "killed":
            dead.add(line["pid"])
        elif what == "starting":
            refused = line["refused"]
            runs.setdefault(name, _Run(name, expected_labels(refused=refused), refused))
        elif what == "started":
            runs[name].started = True
        elif what == "ended":
            runs[name].ends.append(line)
        elif what == "signalling":
            runs[name].sent.add(line["value"])
        elif what == "accepted":
            runs[name].accepted.append(line["value"])
        elif what == "problem":
            found["problems of processes"].append(f"{name}: {line['text']}")
        elif what in ("began", "raised", "done", "recorded") and line["label"] in (run := runs[name]).labels:
            for fault in _of_step(run, line, dead):
                found[fault].append(f"{name} {line['label']}")
    return runs


def _of_step(run: _Run, line: Line, dead: set[int]) -> Iterator[str]:
    label = line["label"]
    step = run.steps.get(label)
    if line["what"] != "began":
        if step is not None:
            yield from _of_progress(run, step, line)
        return
    place = run.labels.index(label)
    if place and not _is_over(run, run.labels[place - 1]):
        yield "steps that ran before the one before them was done"
    if any(later in run.steps for later in run.labels[place + 1 :]):
        yield "steps that ran after a later one"
    seen = {made: run.made[made] for made in run.labels[:place] if made in run.made}
    if line["sees"] != seen:
        yield "steps that saw another state than was recorded"
    if step is None:
        run.steps[label] = _Step(line["key"], line["pid"])
        return
    if step.recorded:
        yield "recorded steps that ran again"
    elif step.pid == line["pid"]:
        if not step.raised:
            yield "steps that ran twice in one process"
    elif step.pid not in dead:
        yield "steps that ran again though their process lived"
    if step.key != line["key"]:
        yield "steps whose key changed"
    step.pid, step.raised, step.done = line["pid"], False, False


def _of_progress(run: _Run, step: _Step, line: Line) -> Iterator[str]:
    if line["what"] == "recorded":
        step.recorded = True
        if not step.done:
            yield "steps that were recorded and not done"
    elif line["pid"] != step.pid:
        yield "steps that went on in one process when another had begun them again"
    elif line["what"] == "raised":
        step.raised = True
    else:
        step.done = True
        if line["label"] in STEPS:
            run.made[line["label"]] = line["made"]


def _is_over(run: _Run, label: str) -> bool:
    return label in run.steps and run.steps[label].done


def _of_end(run: _Run) -> Iterator[tuple[str, str]]:
    if not run.ends:
        if run.started or run.steps:
            yield "runs that were lost", f"{run.name} after {', '.join(run.steps) or 'nothing'}"
        return
    if not run.started and not run.steps:
        return  # its process died before it was recorded, or after: nobody was told that it runs
    missing = [label for label in run.labels if not _is_over(run, label)]
    if missing:
        yield "runs that ended without a step", f"{run.name} without {', '.join(missing)}"
    wanted = "refused" if run.refused else "completed"
    for end in run.ends:
        if end["outcome"] != wanted:
            yield "runs that ended otherwise", f"{run.name}: {end['outcome']}, not {wanted}"
        elif not run.refused and end["made"] != run.made:
            yield "runs whose result is not what their steps made", run.name
    approvals = {end["approved"] for end in run.ends if end.get("approved")}
    if len(approvals) > 1 or not approvals <= run.sent:
        yield "runs with a signal that nobody sent", run.name
    accepted = set(run.accepted)
    if len(accepted) > 1 or (approvals and not accepted <= approvals):
        yield "signals that were accepted, and did not count", run.name


def _of_records(runs: Mapping[str, _Run], recorded: Mapping[str, Recorded]) -> Iterator[tuple[str, str]]:
    for name, run in runs.items():
        kept = recorded.get(name)
        if kept is None:
            if run.started or run.steps:
                yield "runs that are not in the database", name
            continue
        labels = [label for label in kept.labels if label in {*STEPS, *UNDONE.values()}]
        if run.ends and labels != list(run.labels):
            yield "runs whose record is another than what should happen", f"{name}: {', '.join(labels)}"
        if run.ends and kept.status not in ("SUCCESS", "ERROR"):
            yield "runs that ended, and did not end in the database", f"{name}: {kept.status}"


def _of_keys(runs: Iterable[_Run]) -> Iterator[tuple[str, str]]:
    users = defaultdict[str, list[str]](list)
    for run in runs:
        for label, step in run.steps.items():
            users[step.key].append(f"{run.name} {label}")
    for key, steps in users.items():
        if len(steps) > 1:
            yield "keys of more than one step", f"{key} of {_shown(steps)}"


def _shown(found: Sequence[str]) -> str:
    return f"{len(found)}: {', '.join(found[:SHOWN])}{', ...' if len(found) > SHOWN else ''}"
