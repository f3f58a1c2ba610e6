"""The runs inside a step: those under way, and the last of those that have ended."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Any, Final

__all__ = ["NestedRuns"]

_KEPT: Final = 20


class NestedRuns:
    """The runs inside a step, in the order in which they started.

    A step may consume a queue, or serve requests, and run a story for each: of the runs that have ended the last 20 are
    kept. Threads may call all of this at the same time, and a finalizer in the middle of it, so each change is one that
    the interpreter does not interrupt.

    Attributes:
        others: how many runs have ended that are not kept.
    """

    __slots__ = ("_ended", "_keys", "_runs", "others")

    def __init__(self) -> None:
        self._runs: Final[dict[int, Any]] = {}  # of contexts, which are above this module
        self._ended: Final[deque[int]] = deque()
        self._keys: Final = count()
        self.others = 0

    def start(self, run: object) -> int:
        """Add a run; return what `end` takes."""
        key = next(self._keys)
        self._runs[key] = run
        return key

    def end(self, key: int, facts: object) -> None:
        """Replace a run that has ended by its facts."""
        self._runs[key] = facts
        self._ended.append(key)
        if len(self._ended) > _KEPT:
            del self._runs[self._ended.popleft()]
            self.others += 1

    def runs(self) -> list[Any]:
        """Return those that are kept, in a list that is the caller's."""
        return list(self._runs.values())
