"""The cases of the matrix: each place where a process can die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tests.kill.stories.labels import expected_labels
from tests.kill.stories.laws import Line
from tests.kill.stories.world import PLACES, Kill

__all__ = ["Case", "cases", "problems_of_cases"]

Kind = Literal["checkout", "sync-checkout"]
KINDS: Final[Sequence[Kind]] = ("checkout", "sync-checkout")


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
    """Return all of it: stories that complete, and stories whose last step fails, which is undone."""
    found = list[Case]()
    for kind in KINDS:
        for refused in (False, True):
            for label in expected_labels(refused=refused):
                for place in PLACES:
                    run = f"{kind}-{len(found)}"
                    found.append(Case(kind, refused, Kill(run, label, place)))
    return found


def problems_of_cases(carried_out: Sequence[Case], lines: Sequence[Line]) -> Iterator[str]:
    """Return where anything else ran again than the interrupted step."""
    began = Counter((line["run"], line["label"]) for line in lines if line["what"] == "began")
    began.subtract((line["run"], line["label"]) for line in lines if line["what"] == "raised")
    killed = {line["run"]: (line.get("label"), line.get("place")) for line in lines if line["what"] == "killed"}
    for case in carried_out:
        if killed.get(case.run) != case.kill[1:]:
            yield f"{case.run}: its process was to die {case.kill.place} {case.kill.label}"
        for label in expected_labels(refused=case.refused):
            interrupted = label == case.kill.label and case.kill.place in ("inside", "after")
            times, wanted = began[case.run, label], 2 if interrupted else 1
            if times != wanted:
                yield f"{case.run}, killed {case.kill.place} {case.kill.label}: {label} ran {times} times, not {wanted}"
