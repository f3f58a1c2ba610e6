"""A row of the tables: the limit, the contenders, and the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from benchmarks.harness import Contender, Ratio, compare

__all__ = ["BESIDE_US", "OURS", "PEERS", "PREDECESSOR", "PROTEAN", "Contest", "Entry", "measured"]

OURS: Final = "dddkit"
PREDECESSOR: Final = "dddkit 0.5.0"
PROTEAN: Final = "protean"

PEERS: Final[Mapping[str, tuple[str, ...]]] = {
    PREDECESSOR: ("dddkit==0.5.0", "pydantic==2.14.4", "prometheus_client==0.26.0", "aioprometheus==23.12.0"),
    "stories": ("stories==5.1.0",),
    "toolz": ("toolz==1.2.0",),
    "pyee": ("pyee==16.0.1",),
    "blinker": ("blinker==1.9.0",),
    PROTEAN: (
        "protean==0.18.0",
        "pydantic==2.14.4",
        "sqlalchemy==2.1.9",
        "greenlet==3.5.6",  # dddkit.sqlalchemy imports the asynchronous half of SQLAlchemy too
        "psycopg==3.3.9",
        "psycopg-binary==3.3.9",
        "pytest==9.2.0",  # starts the server
    ),
}
"""The requirements of each peer, installed in an environment of its own; other contenders use our environment."""

BESIDE_US: Final = frozenset({PROTEAN})
"""Peers that are measured with our sources on their path, because the limit uses our tables."""

Entry = Callable[[], Contender]
"""Makes a contender. It is called only in an environment that has what it imports."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One line of the table.

    Attributes:
        key: a short, stable name to select the row.
        what: the title of the row.
        must: the highest ratio that is accepted; None for a row without a target.
        stretch: the ratio to aim for.
        limit: the same work written without any library.
        entries: the contenders by name.
        slow: measure fewer rounds, because one call takes long.
    """

    key: str
    what: str
    must: float | None = None
    stretch: float | None = None
    limit: Entry
    entries: Mapping[str, Entry] = field(default_factory=dict[str, Entry])
    slow: bool = False


def measured(contest: Contest, who: str) -> dict[str, Ratio]:
    """Measure the contenders that this environment has: one peer in its own, all others in ours."""
    names = [name for name in contest.entries if name == who or (who == OURS and name not in PEERS)]
    if not names:
        return {}
    contenders = {name: contest.entries[name]() for name in names}
    if contest.slow:
        return compare(contest.limit(), contenders, rounds=31, seconds=0.02)
    return compare(contest.limit(), contenders)
