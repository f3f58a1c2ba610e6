"""How often a step of a durable story is tried."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final, cast

from dddkit._callables import kind_of

__all__ = ["LONGEST_WAIT", "Retry"]

LONGEST_WAIT: Final = 60.0
"""Seconds."""


@dataclass(frozen=True, init=False)
class Retry:
    """How often a step, or a compensation, of a durable story is tried before it has failed for good.

        Durable(Checkout(gateway), name="checkout", retries={"charge": Retry(on=(ConnectionError, TimeoutError))})

    Each attempt begins with the state as it was recorded before the step, and has the same `step_key()`. Hooks see one
    step, however often it is tried.

    Args:
        on: the exceptions that another attempt may cure. There is no default: a declined card is not to be tried five
            times.
        attempts: how often it is tried in all.
        wait: seconds before the second attempt, doubled before each further one up to 60 (up to `wait`, if that is
            more); half of it, up to all of it, by chance.
        timeout: seconds after which an attempt is cancelled, and has failed with a TimeoutError; only for async steps.

    Raises:
        TypeError: `on` is no exception class, nor a tuple of such.
        ValueError: a number that cannot be meant.
    """

    on: tuple[type[Exception], ...]
    attempts: int
    wait: float
    timeout: float | None

    def __init__(
        self,
        on: type[Exception] | tuple[type[Exception], ...],
        attempts: int = 5,
        wait: float = 1.0,
        timeout: float | None = None,
    ) -> None:
        object.__setattr__(self, "on", _exceptions(on))
        object.__setattr__(self, "attempts", _attempts(attempts))
        object.__setattr__(self, "wait", _seconds("wait", wait))
        if timeout is not None and not _seconds("timeout", timeout):
            raise ValueError("Retry(timeout=0) would cancel each attempt at once; None sets no limit")
        object.__setattr__(self, "timeout", None if timeout is None else float(timeout))

    def wait_after(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait after so many attempts.

        Args:
            attempt: how many there were, from 1.
            chance: a random number from 0 to 1.
        """
        longest = max(LONGEST_WAIT, self.wait)
        return min(self.wait * 2.0 ** min(attempt - 1, 60), longest) * (0.5 + 0.5 * chance)


def _exceptions(given: object) -> tuple[type[Exception], ...]:
    classes = cast("tuple[object, ...]", given) if isinstance(given, tuple) else (given,)
    if not classes:
        raise ValueError("Retry(on=()) names no exception; name what another attempt may cure: on=(ConnectionError,)")
    found: list[type[Exception]] = []
    for one in classes:
        shown = kind_of(one)
        if not isinstance(one, type) or not issubclass(one, BaseException):
            raise TypeError(f"Retry(on=...) takes exception classes, not {shown}: on=(ConnectionError,)")
        if not issubclass(one, Exception):
            raise TypeError(f"Retry(on=...) cannot take {shown}, which ends the process; take it out")
        found.append(one)
    return tuple(found)


def _attempts(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"Retry(attempts=...) is a number of attempts, not {kind_of(given)}")
    if given < 1:
        raise ValueError(f"Retry(attempts={given}) would never call the step; 1 tries it once")
    return given


def _seconds(name: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise TypeError(f"Retry({name}=...) is a number of seconds, not {kind_of(given)}")
    if not isfinite(given) or given < 0:
        raise ValueError(f"Retry({name}={given}) is no number of seconds")
    return float(given)
