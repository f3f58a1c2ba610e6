"""The cases of the matrix: each place where a process can die."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from tests.kill.stories.labels import WAITS, expected_labels
from tests.kill.stories.laws import Line, said
from tests.kill.stories.world import PLACES, Kill, Place

__all__ = ["Case", "cases", "problems_of_cases"]

Kind = Literal["checkout", "sync-checkout", "shopping"]
KINDS: Final[Sequence[Kind]] = ("checkout", "sync-checkout")
"""Those that do not wait."""


@dataclass(frozen=True)
class Case:
    """A run, and where its first process dies."""

    kind: Kind
    refused: bool
    kill: Kill

    @property
    def run(self) -> str:
        return self.kill.run


def cases() -> list[Case]:
    """Return all of it: stories that complete, those whose last step fails, which are undone, and those that wait."""
    steps: list[tuple[Kind, bool, str, Place]] = [
        (kind, refused, label, place)
        for kind in KINDS
        for refused in (False, True)
        for label in expected_labels(refused=refused)
        for place in PLACES
    ]
    waits: list[tuple[Kind, bool, str, Place]] = [
        ("shopping", False, label, place) for label in WAITS for place in PLACES if place != "inside"
    ]
    return [
        Case(kind, refused, Kill(f"{kind}-{number}", label, place))
        for number, (kind, refused, label, place) in enumerate([*steps, *waits])
    ]


def in_random_order(chosen: Sequence[Case], random: Random) -> list[Case]:
    """Return them so that a few of the first have all places."""
    shuffled, seen, turns = random.sample(chosen, len(chosen)), Counter[Place](), dict[str, int]()
    for case in shuffled:
        turns[case.run] = seen[case.kill.place]
        seen[case.kill.place] += 1
    return sorted(shuffled, key=lambda case: turns[case.run])


def problems_of_cases(carried_out: Sequence[Case], lines: Sequence[Line]) -> list[str]:
    """Return where anything else ran again than the interrupted step, a line for each kind of fault."""
    began = Counter((line["run"], line["label"]) for line in lines if line["what"] == "began")
    began.subtract((line["run"], line["label"]) for line in lines if line["what"] == "raised")
    killed = {line["run"]: (line.get("label"), line.get("place")) for line in lines if line["what"] == "killed"}
    found = defaultdict[str, list[str]](list)
    for case in carried_out:
        place = f"{case.run}, killed {case.kill.place} {case.kill.label}"
        if killed.get(case.run) != case.kill[1:]:
            found["processes that did not die where they were to"].append(place)
        for label in expected_labels(refused=case.refused):
            interrupted = label == case.kill.label and case.kill.place in ("inside", "after")
            if began[case.run, label] != (wanted := 2 if interrupted else 1):
                found[f"steps that were to run {wanted} times, and did not"].append(
                    f"{label} ran {began[case.run, label]} times in {place}"
                )
    return said(found)
