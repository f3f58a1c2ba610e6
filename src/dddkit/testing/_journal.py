"""A durable run in memory: its journal, places where it crashes, and the signals that reach it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import time
from typing import Any, Final, Literal, NamedTuple

from dddkit.stories.durable._journal import Entry
from dddkit.stories.durable.status import RunStatus

__all__ = ["Crash", "MemoryJournal", "Place", "When"]

When = Literal["before", "after body", "after record"]


class Crash(BaseException):
    """The process ends here."""


class Place(NamedTuple):
    """Where a run crashes: at the entry with this number, before its body, after the body, or after the record."""

    entry: int
    when: When


class MemoryJournal:
    """The record of one run in memory, which outlives its executions: `begin` starts the next one.

    Args:
        run_id: the id of the run.
        signals: the value of each signal, as JSON, that has come.
        crashes: where executions crash; each once.
        entries: what is recorded already.
        skips_time: whether all time that the run waits for is over at once, and a signal that is not there late.

    Attributes:
        recorded: the entries, in order.
        bodies: the names of entries whose body was called, each as often as that was.
        told: what the run has told of itself.
        is_cancelled: whether it is to be stopped and undone.
        crashed_at: the name of the entry of the last crash.
    """

    def __init__(
        self,
        run_id: str = "run-1",
        *,
        signals: dict[str, Any] | None = None,
        crashes: Iterable[Place] = (),
        entries: Iterable[Entry] = (),
        skips_time: bool = False,
    ) -> None:
        self.run_id: Final = run_id
        self.recorded: Final[list[Entry]] = list(entries)
        self.bodies: Final[list[str]] = []
        self.told: Final[list[tuple[RunStatus, str | None]]] = []
        self.is_cancelled = False
        self.crashed_at: str | None = None
        self._signals: Final = {name: json.dumps(value) for name, value in (signals or {}).items()}
        self._crashes: Final = list(crashes)
        self._skips_time: Final = skips_time
        self._woken: asyncio.Event | None = None
        self._first: tuple[Entry, ...] = ()
        self._position = 0
        self._executions = 0
        self.begin()

    def begin(self) -> MemoryJournal:
        """Begin the next execution; return the journal itself."""
        self._first, self._position = tuple(self.recorded), 0
        self._woken = None
        self._executions += 1
        return self

    def send(self, signal: str, value: Any) -> bool:
        """Send a signal to the run; return whether it is the first of that name."""
        is_first = signal not in self._signals
        self._signals.setdefault(signal, json.dumps(value))
        self._wake()
        return is_first

    def cancel(self) -> None:
        """Ask the run to stop, and to undo what it has done."""
        self.is_cancelled = True
        self._wake()

    def _wake(self) -> None:
        if self._woken is not None:
            self._woken.set()

    # What a run calls

    def entries(self) -> Sequence[Entry]:
        return self._first

    def resumed(self) -> bool:
        return self._executions > 1

    async def record(self, name: str, body: Callable[[], Awaitable[str]], *, blocks: bool = False) -> str:
        index, self._position = self._position, self._position + 1
        if index < len(self.recorded):
            entry = self.recorded[index]
            if entry.name != name:
                raise AssertionError(f"entry {index + 1} is {entry.name!r}, and the run asks for {name!r}")
            return entry.text
        self._crash(index, "before", name)
        self.bodies.append(name)
        text = await body()
        self._crash(index, "after body", name)
        self.recorded.append(Entry(name, text))
        self._crash(index, "after record", name)
        return text

    def _crash(self, index: int, when: When, name: str) -> None:
        place = Place(index, when)
        if place in self._crashes:
            self._crashes.remove(place)
            self.crashed_at = name
            raise Crash

    async def wait(self, signal: str | None, until: float | None) -> str | None:
        while signal not in self._signals and not self.is_cancelled:
            seconds = None if until is None else until - time()
            if seconds is not None and (self._skips_time or seconds <= 0):
                return None
            if self._skips_time:
                raise AssertionError(f"the run waits for the signal {signal!r}, and nobody sends it")
            self._woken = asyncio.Event()
            try:
                await asyncio.wait_for(self._woken.wait(), seconds)
            except asyncio.TimeoutError:
                continue
        return None if signal is None else self._signals.get(signal)

    async def pause(self, until: float) -> None:
        if not self._skips_time:
            await self.wait(None, until)

    def cancelled(self) -> bool:
        return self.is_cancelled

    async def tell(self, status: RunStatus, step: str | None) -> None:
        self.told.append((status, step))
