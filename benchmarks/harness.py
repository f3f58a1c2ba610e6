"""Interleaved measurement: every round measures each contender next to the limit, and only the ratio is used.

On a shared machine absolute times mean nothing. The ratio of two times measured minutes apart means nothing either:
the clock rate, the load and the caches change in between. So a round runs a short slice of the limit and of each
contender, in shuffled order, and computes one ratio for each. The result is the median of the rounds; the quartiles
show how reliable it is. The time is the CPU time of this process, so the load of other processes is not counted.

Why not an existing harness: pyperf runs each benchmark to its end in its own worker processes, one benchmark after the
other, and compares the means afterwards; pytest-benchmark does the same inside one process. Neither can interleave two
benchmarks or compute a ratio per round. timeit runs one statement and cannot await. Three of their ideas are used
here: the statement is compiled into its own loop (so that contenders do not share the interpreter's inline caches),
the loop repeats it ten times per iteration (so that the loop itself costs little), and slices are calibrated.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import repeat
from random import Random
from statistics import median, quantiles
from time import process_time
from typing import Any, Final

__all__ = ["Contender", "Ratio", "compare", "driven", "ratio_of", "seconds_per_call"]

ROUNDS: Final = 61
SLICE: Final = 0.004
"""Seconds of one slice: long compared with the clock's resolution, short compared with changes of load."""

_REPEATED: Final = 10
_TEMPLATE: Final = """\
{prefix}def timed(times):
    begun = clock()
    for _ in repeat(None, times):
{body}
    return clock() - begun
"""


@dataclass(frozen=True)
class Contender:
    """A statement as a user would write it, with the names it uses.

    Where `less` is given, its time is taken off: what is measured is how much more the statement costs than that one.
    """

    statement: str
    names: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: only the statement knows their types
    less: Contender | None = None

    @property
    def is_async(self) -> bool:
        return "await " in self.statement

    def compiled(self) -> Callable[[int], float]:
        """Return a function that runs the statement n times (n is rounded up to tens) and returns the seconds."""
        body = "\n".join([f"        {self.statement}"] * _REPEATED)
        names: dict[str, Any] = {**self.names, "clock": process_time, "repeat": repeat}
        exec(_TEMPLATE.format(prefix="async " if self.is_async else "", body=body), names)
        timed: Any = names["timed"]
        if self.less is None:
            return lambda times: driven(timed(-(-times // _REPEATED)))
        taken_off = self.less.compiled()
        return lambda times: driven(timed(-(-times // _REPEATED))) - taken_off(times)


@dataclass(frozen=True)
class Ratio:
    """The cost of a contender, where the limit costs 1: median and quartiles of the rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{readable(self.median)} ({readable(self.low)} to {readable(self.high)})"


def readable(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 20 else f"{number:.2f}"


def compare(
    limit: Contender, contenders: Mapping[str, Contender], *, rounds: int = ROUNDS, seconds: float = SLICE
) -> dict[str, Ratio]:
    """Measure the contenders against the limit, interleaved."""
    timed = {name: contender.compiled() for name, contender in {"": limit, **contenders}.items()}
    times = {name: _calibrated(function, seconds) for name, function in timed.items()}
    per_round: dict[str, list[float]] = {name: [] for name in contenders}
    order, random = list(timed), Random(5)
    _tidy()
    for _ in range(rounds):
        random.shuffle(order)
        taken = {name: timed[name](times[name]) / times[name] for name in order}
        for name, ratios in per_round.items():
            ratios.append(taken[name] / taken[""])
    return {name: ratio_of(ratios) for name, ratios in per_round.items()}


def ratio_of(values: list[float]) -> Ratio:
    low, _, high = quantiles(values, n=4)
    return Ratio(median(values), low, high)


def seconds_per_call(contender: Contender, *, rounds: int = 15, seconds: float = SLICE) -> float:
    """Return the CPU seconds of one call, not compared with anything: for the points of a curve."""
    timed = contender.compiled()
    times = _calibrated(timed, seconds)
    _tidy()
    return median(timed(times) / times for _ in range(rounds))


def _calibrated(timed: Callable[[int], float], seconds: float) -> int:
    """Return how many runs fill a slice; this also warms up the caches and the adaptive bytecode."""
    times = _REPEATED
    while (taken := timed(times)) < seconds / 2:
        times = max(2 * times, int(times * seconds / max(taken, 1e-9)) // _REPEATED * _REPEATED) if taken else 2 * times
    return times


def _tidy() -> None:
    """Take existing objects away from the garbage collector; it stays enabled, as it is for users."""
    gc.collect()
    gc.freeze()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def driven(result: Any) -> float:
    return float(_loop().run_until_complete(result) if inspect.iscoroutine(result) else result)
