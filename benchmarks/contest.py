"""A row of PERFORMANCE: the limit, who competes, and the number that must be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from benchmarks.harness import Contender, Ratio, compare

__all__ = ["OURS", "PEERS", "Contest", "Entry", "measured"]

OURS: Final = "dddkit"
PREDECESSOR: Final = "dddkit 0.5.0"

PEERS: Final[Mapping[str, tuple[str, ...]]] = {
    PREDECESSOR: ("dddkit==0.5.0", "pydantic==2.14.4", "prometheus_client==0.26.0", "aioprometheus==23.12.0"),
    "stories": ("stories==5.1.0",),
    "toolz": ("toolz==1.2.0",),
    "pyee": ("pyee==16.0.1",),
    "blinker": ("blinker==1.9.0",),
}
"""What is installed, each in an environment of its own; contenders of other names need nothing but Python."""

Entry = Callable[[], Contender]
"""Makes a contender; called only where what it imports is installed."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One line of the table.

    Attributes:
        key: short and lasting, to run it alone.
        what: the line's title.
        must: the ratio that must be reached; None where the line only shows something.
        stretch: the ratio to hope for.
        limit: what somebody would write without any library.
        entries: who competes, by name.
        slow: fewer rounds, as one call takes long.
    """

    key: str
    what: str
    must: float | None = None
    stretch: float | None = None
    limit: Entry
    entries: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    slow: bool = False


def measured(contest: Contest, who: str) -> dict[str, Ratio]:
    """Measure what can be measured in this environment: a peer alone in its own, all the others in ours."""
    names = [name for name in contest.entries if name == who or (who == OURS and name not in PEERS)]
    if not names:
        return {}
    contenders = {name: contest.entries[name]() for name in names}
    if contest.slow:
        return compare(contest.limit(), contenders, rounds=31, seconds=0.02)
    return compare(contest.limit(), contenders)
