"""Stories whose own attributes change, and leak nothing: caches, counters, configuration, children."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import ClassVar

from dddkit.stories import I, Story, StoryState, variable


class St(StoryState):
    n: int
    out: int = variable()


class Caching(Story):
    I.load
    I.use

    State = St
    calls: ClassVar[int] = 0

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self._cache: dict[int, int] = {}
        self._runs = 0
        self.settings = SimpleNamespace(seen=0)
        self.history: list[int] = []
        self.last_seen: int | None = None

    def load(self, state: St) -> None:
        self._runs += 1
        self._last = state.n
        type(self).calls += 1
        Caching.calls += 0
        self._cache.setdefault(state.n, state.n * self.factor)
        self.settings.seen += 1
        self.history.append(state.n)
        self.last_seen = state.n  # for who looks from outside; no step reads it

    def use(self, state: St) -> None:
        state.out = self._cache[state.n] + self._last - state.n + 0 * len(self.history) * self.calls

    def configure(self, factor: int) -> Caching:
        self.factor = factor
        return self

    @cached_property
    def slow(self) -> int:
        return 1


@dataclass
class Lazily(Story):
    I.connect
    I.use

    State = St
    connections: list[str] = field(default_factory=list)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = 2

    def connect(self, state: St) -> None:
        if not self.connections:
            self.connections.append("c")
        connection = self.connections[0]
        self.note(connection)

    def note(self, text: str) -> None:
        self.noted = text

    def use(self, state: St) -> None:
        state.out = len(self.connections) + self.size
        size = self.size
        size += 1


caching = Caching(2).configure(3)
state = St(n=4)
caching(state)
caching(state)
assert (state.out, caching.last_seen, caching.settings.seen, Caching.calls) == (12, 4, 2, 2)
lazily = Lazily()
lazily(state)
assert (state.out, lazily.noted) == (3, "c")
