"""One run: processes and servers that are killed at random, and checks in between."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol

from tests.kill.checks import Facts, figures, problems
from tests.kill.gathering import errors_of_writers, facts, progress
from tests.kill.processes import Kind
from tests.kill.setups import Setup
from tests.kill.workers import KILLED, Worker

__all__ = ["Killable", "Result", "Run"]

WEIGHTS: Final = {"writer": 3.0, "sync writer": 1.5, "relay": 5.0, "consumer": 3.0, "server": 2.0}
"""How often each kind is killed, compared with the others."""

WRITERS: Final = ("writer", "sync writer")

PATIENCE: Final = 10.0
"""After so many seconds without progress, what is not there will not come."""


class Killable(Protocol):
    """A server."""

    def kill(self) -> None: ...

    def start(self) -> None: ...


@dataclass
class Result:
    """What a run has seen."""

    kills: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0
    facts: Facts | None = None
    problems: Sequence[str] = ()
    errors: Counter[str] = field(default_factory=Counter[str])

    def lines(self) -> list[str]:
        """Return the report."""
        assert self.facts is not None
        found, facts = figures(self.facts), self.facts
        units = ", ".join(f"{number} {what}" for what, number in sorted(found.units.items()))
        said = [
            f"{self.kills.total()} kills in {self.seconds:.0f} s: {_listed(self.kills)}",
            f"units: {units}",
            f"messages: {found.messages} stored, {len(facts.arrivals)} arrivals, {found.duplicates} of them duplicates",
            f"consumer: {facts.received} deliveries, {facts.dropped} duplicates dropped, {len(facts.effects)} effects",
        ]
        if self.errors:
            said.append(f"errors of writers: {_listed(self.errors)}")
        return [*said, *(f"PROBLEM: {problem}" for problem in self.problems)]


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counted.most_common())


class Run:
    """Kills what it has started, until it has done so often enough or has found a problem."""

    def __init__(
        self, setup: Setup, servers: Mapping[str, Killable], random: Random, say: Callable[[str], None]
    ) -> None:
        self._setup: Final = setup
        self._servers: Final = servers
        self._random: Final = random
        self._say: Final = say
        self._ended: Final = list[str]()
        self._kills: Final = Counter[str]()
        kinds: list[Kind] = ["writer", "writer", "sync writer", "relay", "relay"]
        if setup.broker is not None:
            kinds.append("consumer")
        self._workers: Final = [
            Worker(setup, kind, f"{kind.replace(' ', '-')}-{number}", random.randrange(1 << 30))
            for number, kind in enumerate(kinds, 1)
        ]

    def run(self, *, kills: int | None, seconds: float | None, between_checks: int) -> Result:
        """Kill so often, or so long; check each time after some kills, and at the end."""
        began = time.monotonic()

        def is_over() -> bool:
            return (kills is not None and self._kills.total() >= kills) or (
                seconds is not None and time.monotonic() - began >= seconds
            )

        try:
            while True:
                until = self._kills.total() + between_checks
                while not is_over() and self._kills.total() < until:
                    self._kill_one()
                self._quieten()
                result = self._check(time.monotonic() - began)
                self._say(f"{self._kills.total()} kills, {len(result.problems)} problems")
                if is_over() or result.problems:
                    for worker in self._workers:
                        self._note(worker, worker.stop())
                    result.problems = [*result.problems, *self._ended]
                    return result
        finally:
            for worker in self._workers:
                worker.kill()

    def _kill_one(self) -> None:
        self._start([worker for worker in self._workers if self._random.random() < 0.8])  # others stay away for longer
        time.sleep(self._random.uniform(0.1, 0.6))
        self._look_for_dead()
        candidates: list[Worker | str] = [worker for worker in self._workers if worker.is_running]
        candidates.extend(self._servers)
        weights = [WEIGHTS["server" if isinstance(one, str) else one.kind] for one in candidates]
        if not candidates:
            return
        (victim,) = self._random.choices(candidates, weights)
        if isinstance(victim, str):
            self._kills[victim] += 1
            self._servers[victim].kill()
            time.sleep(self._random.uniform(0, 1))
            self._servers[victim].start()
        else:
            self._kills[victim.kind] += 1
            victim.kill()

    def _quieten(self) -> None:
        """Let the writers end, and the messages come to where they go."""
        self._look_for_dead()
        for worker in self._workers:
            if worker.kind in WRITERS:
                self._note(worker, worker.stop())
        last, since = None, time.monotonic()
        while (now := progress(self._setup)) != last or time.monotonic() - since < PATIENCE:
            if now.is_complete:
                break
            if now != last:
                last, since = now, time.monotonic()
            self._start([worker for worker in self._workers if worker.kind not in WRITERS])
            time.sleep(0.2)

    def _start(self, workers: Sequence[Worker]) -> None:
        self._look_for_dead()
        for worker in workers:
            worker.start()

    def _look_for_dead(self) -> None:
        for worker in self._workers:
            self._note(worker, worker.ended())

    def _check(self, seconds: float) -> Result:
        found = facts(self._setup, self._ended)
        return Result(self._kills, seconds, found, problems(found), errors_of_writers(self._setup))

    def _note(self, worker: Worker, said: str | None) -> None:
        if said == KILLED:
            self._kills[f"{worker.kind} on its way"] += 1
        elif said is not None:
            self._ended.append(said)
