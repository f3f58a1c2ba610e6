"""What the checks of the kill test of durable stories find: each kind of fault, in a history that was right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import pytest

from tests.kill.stories.cases import cases, in_random_order, problems_of_cases
from tests.kill.stories.labels import STEPS, WAITS, expected_labels
from tests.kill.stories.laws import Recorded, figures, problems

Lines = list[dict[str, Any]]


class History(NamedTuple):
    lines: Lines
    recorded: dict[str, Recorded]


class Teller:
    """Tells what processes write when all is well."""

    def __init__(self) -> None:
        self.lines: Lines = []
        self.recorded: dict[str, Recorded] = {}

    def say(self, what: str, run: str, pid: int, **facts: Any) -> None:
        self.lines.append({"what": what, "run": run, "pid": pid, "at": float(len(self.lines)), **facts})

    def tell(self, run: str, *, refused: bool = False, killed: tuple[str, str] | None = None) -> None:
        """Tell a run, which another process takes over where its first one is killed."""
        pid, made = len(self.lines) + 1, dict[str, str]()
        labels = expected_labels(refused=refused)
        self.say("starting", run, pid, refused=refused)
        self.say("started", run, pid)
        self.say("signalling", run, pid, value="yes")
        self.say("accepted", run, pid, value="yes")
        for label in labels:
            place = killed[1] if killed and killed[0] == label else ""
            if killed and killed[0] in WAITS and label == "pay.authorize":
                pid = self.kill(run, pid, *killed)
            if place == "before":
                pid = self.kill(run, pid, label, place)
            if place in ("inside", "after"):
                self.step(run, pid, label, made, place)
                pid = self.kill(run, pid, label, place)
            self.step(run, pid, label, made, "")
            self.say("recorded", run, pid, label=label)
            if place == "recorded":
                pid = self.kill(run, pid, label, place)
        ended = {"outcome": "refused"} if refused else {"outcome": "completed", "made": dict(made), "approved": "yes"}
        self.say("ended", run, pid, **ended)
        self.recorded[run] = Recorded("ERROR" if refused else "SUCCESS", ["wait:approval", "approval", *labels])

    def step(self, run: str, pid: int, label: str, made: dict[str, str], place: str) -> None:
        sees = {step: made[step] for step in STEPS if step in made and step != label}
        self.say("began", run, pid, label=label, key=f"shop/{run}/{label}", sees=sees)
        if label == "pay.capture":
            self.say("raised", run, pid, label=label)
            self.say("began", run, pid, label=label, key=f"shop/{run}/{label}", sees=sees)
        if place != "inside":
            token = f"made {len(self.lines)}"
            self.say("done", run, pid, label=label, made=token)
            if label in STEPS:
                made[label] = token

    def kill(self, run: str, pid: int, label: str, place: str) -> int:
        self.say("killed", run, pid, label=label, place=place)
        return pid + 10_000


def history() -> History:
    """Return a run that completes, one that is refused, and one of each place where its process dies."""
    teller = Teller()
    teller.tell("completed")
    teller.tell("refused", refused=True)
    for case in cases():
        teller.tell(case.run, refused=case.refused, killed=case.kill[1:])
    return History(teller.lines, teller.recorded)


def test_nothing_is_wrong_with_a_right_history() -> None:
    found = history()
    assert problems(found.lines, found.recorded) == []
    assert problems_of_cases(cases(), found.lines) == []
    counted = figures(found.lines)
    assert counted.runs == len(cases()) + 2
    assert counted.kills == Counter(case.kill.place for case in cases())
    assert counted.again == sum(case.kill.place in ("inside", "after") for case in cases() if case.kind != "shopping")
    # One that dies before the first step has left none, and one that dies after the last record leaves none to do.
    assert len(counted.take_overs) == len(cases()) - 8


def test_a_short_run_has_all_places() -> None:
    for seed in range(20):
        chosen = in_random_order(cases(), Random(seed))
        assert sorted(chosen, key=lambda case: case.run) == sorted(cases(), key=lambda case: case.run)
        assert {case.kill.place for case in chosen[:4]} == {"before", "inside", "after", "recorded"}


def find(lines: Lines, what: str, run: str, label: str | None = None) -> int:
    """Return the place of the last line of this kind."""
    return max(
        place
        for place, line in enumerate(lines)
        if (line["what"], line["run"]) == (what, run) and (label is None or line["label"] == label)
    )


def without(found: History, what: str, run: str, label: str | None = None) -> History:
    lines = list(found.lines)
    del lines[find(lines, what, run, label)]
    return History(lines, found.recorded)


def again(found: History, run: str, label: str, **changes: Any) -> History:
    """Let a step begin once more, at the end of the history."""
    line = found.lines[find(found.lines, "began", run, label)]
    return History([*found.lines, {**line, **changes}], found.recorded)


def changed(found: History, what: str, run: str, label: str | None = None, **changes: Any) -> History:
    lines = list(found.lines)
    place = find(lines, what, run, label)
    lines[place] = {**lines[place], **changes}
    return History(lines, found.recorded)


def moved(found: History, run: str, label: str, *, after: str) -> History:
    """Let a step run after a later one."""
    lines = [line for line in found.lines if (line["run"], line.get("label")) != (run, label)]
    own = [line for line in found.lines if (line["run"], line.get("label")) == (run, label)]
    place = find(lines, "recorded", run, after) + 1
    return History([*lines[:place], *own, *lines[place:]], found.recorded)


def in_database(found: History, run: str, recorded: Recorded | None) -> History:
    kept = {name: was for name, was in found.recorded.items() if name != run}
    return History(found.lines, {**kept, run: recorded} if recorded else kept)


INSIDE = next(case.run for case in cases() if case.kill[1:] == ("ship", "inside"))
AFTER = next(case.run for case in cases() if case.kill[1:] == ("ship", "after"))
LABELS = expected_labels(refused=False)

FAULTS: dict[str, tuple[str, Callable[[History], History]]] = {
    "lost": ("runs that were lost", lambda h: without(h, "ended", "completed")),
    "skipped": ("without a step", lambda h: without(h, "done", "completed", "thank")),
    "recorded again": ("recorded steps that ran again", lambda h: again(h, "completed", "thank", pid=7)),
    "compensated again": ("recorded steps that ran again", lambda h: again(h, "refused", "undo:reserve", pid=7)),
    "while alive": ("though their process lived", lambda h: without(h, "killed", INSIDE)),
    "twice in one process": ("twice in one process", lambda h: without(h, "raised", "completed", "pay.capture")),
    "went on": (
        "went on in one process when another had begun",
        lambda h: changed(h, "done", "completed", "ship", pid=7),
    ),
    "new key": ("whose key changed", lambda h: changed(h, "began", AFTER, "ship", key="other")),
    "shared key": (
        "keys of more than one",
        lambda h: changed(h, "began", "completed", "ship", key="shop/refused/ship"),
    ),
    "order": ("after a later one", lambda h: moved(h, "completed", "ship", after="thank")),
    "too early": ("before the one before", lambda h: moved(h, "completed", "reserve", after="ship")),
    "other state": ("saw another state", lambda h: changed(h, "began", "refused", "undo:ship", sees={})),
    "empty record": ("recorded and not done", lambda h: without(h, "done", "completed", "ship")),
    "outcome": ("ended otherwise", lambda h: changed(h, "ended", "completed", outcome="TypeError: no")),
    "result": ("result is not what", lambda h: changed(h, "ended", "completed", made={"reserve": "other"})),
    "invented signal": ("nobody sent", lambda h: changed(h, "ended", "completed", approved="no")),
    "two signals": ("did not count", lambda h: changed(h, "accepted", "completed", value="no")),
    "database without it": ("not in the database", lambda h: in_database(h, "completed", None)),
    "twice in the database": ("another than", lambda h: in_database(h, INSIDE, Recorded("SUCCESS", ["ship", *LABELS]))),
    "pending": ("did not end in", lambda h: in_database(h, "completed", Recorded("PENDING", LABELS))),
    "process": (
        "problems of",
        lambda h: History([*h.lines, {**h.lines[0], "what": "problem", "text": "?"}], h.recorded),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_kind_of_fault_is_found(fault: str) -> None:
    said, plant = FAULTS[fault]
    found = plant(history())
    assert said in "\n".join(problems(found.lines, found.recorded))


def test_a_step_that_ran_again_though_its_process_died_before_or_after_it_is_found() -> None:
    before = next(case for case in cases() if case.kill[1:] == ("ship", "before"))
    found = again(history(), before.run, "ship", pid=7)
    (said,) = problems_of_cases(cases(), found.lines)
    assert said.startswith("steps that were to run 1 times, and did not: 1: ship ran 2 times")


def test_a_process_that_did_not_die_is_found() -> None:
    found = without(history(), "killed", INSIDE)
    (said,) = problems_of_cases(cases(), found.lines)
    assert said == f"processes that did not die where they were to: 1: {INSIDE}, killed inside ship"
