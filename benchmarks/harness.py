"""Interleaved measuring: in every round each contender takes its turn beside the limit, and only their ratio counts.

On a shared machine absolute times mean nothing, and neither does the ratio of two times that were taken minutes apart:
the clock rate, the neighbours and the caches have changed meanwhile. So a round runs a short slice of the limit and of
each contender, in shuffled order, and gives one ratio for each; the median of the rounds stands, and the quartiles say
how far to trust it. The time is the CPU time of this process: what neighbours take away is not counted.

Why no harness from the registry: pyperf runs each benchmark to its end in worker processes of its own, one benchmark
after the other, and compares the means afterwards; pytest-benchmark does the same inside one process. Neither can
interleave two benchmarks, nor take a ratio per round. timeit runs one statement, and cannot await. What is theirs is
kept: the statement is compiled into a loop of its own (so that contenders do not share the interpreter's inline
caches), ten times per turn of the loop (so that the loop itself hardly counts), and slices are calibrated.
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

__all__ = ["Contender", "Ratio", "compare", "ratio_of", "seconds_per_call"]

ROUNDS: Final = 61
SLICE: Final = 0.004
"""Seconds of one slice: long beside the clock's step and short beside what neighbours do."""

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
    """A statement, as somebody would write it, and the names it uses."""

    statement: str
    names: Mapping[str, Any] = field(default_factory=dict[str, Any])  # any objects: the statement knows them

    @property
    def is_async(self) -> bool:
        return "await " in self.statement

    def compiled(self) -> Callable[[int], float]:
        """A function that runs the statement so many times (rounded up to tens), and gives the seconds it took."""
        body = "\n".join([f"        {self.statement}"] * _REPEATED)
        names: dict[str, Any] = {**self.names, "clock": process_time, "repeat": repeat}
        exec(_TEMPLATE.format(prefix="async " if self.is_async else "", body=body), names)
        timed: Any = names["timed"]
        return lambda times: _driven(timed(-(-times // _REPEATED)))


@dataclass(frozen=True)
class Ratio:
    """What a contender costs, the limit being 1: the median of the rounds and the quartiles around it."""

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
    """What one call takes here and now: for curves, whose points are measured one after the other."""
    timed = contender.compiled()
    times = _calibrated(timed, seconds)
    _tidy()
    return median(timed(times) / times for _ in range(rounds))


def _calibrated(timed: Callable[[int], float], seconds: float) -> int:
    """How many runs fill a slice; running them warms up caches and adaptive bytecode as well."""
    times = _REPEATED
    while (taken := timed(times)) < seconds / 2:
        times = max(2 * times, int(times * seconds / max(taken, 1e-9)) // _REPEATED * _REPEATED) if taken else 2 * times
    return times


def _tidy() -> None:
    """Let the collector have no old garbage to look at; it stays on, as it is for users."""
    gc.collect()
    gc.freeze()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def _driven(result: Any) -> float:
    return float(_loop().run_until_complete(result) if inspect.iscoroutine(result) else result)
