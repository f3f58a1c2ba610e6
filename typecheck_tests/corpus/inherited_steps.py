"""Steps from mixins that are no stories, from two parents, overridden, extended by super(), abstract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

from typing_extensions import override

from dddkit.stories import I, Story, StoryState, variable


class HasLog(Protocol):
    log: list[str]


class Audit:
    def audit(self, state: HasLog) -> None:
        state.log.append(f"audit {type(self).__name__}")


class Measure:
    unit = "kg"

    def measure(self, state: Any) -> None:
        state.weight = 3


class Base(Story, ABC):
    I.open
    I.work
    I.close

    class State(StoryState):
        log: list[str] = []
        weight: int = variable()

    def open(self, state: State) -> None:
        state.log.append("open")

    @abstractmethod
    def work(self, state: State) -> None: ...

    def close(self, state: State) -> None:
        state.log.append("close")


class Weigh(Base, Measure, Audit):
    I.open
    I.measure
    I.work
    I.audit
    I.close

    @override
    def work(self, state: Base.State) -> None:
        state.log.append(f"{state.weight} {self.unit}")

    def close(self, state: Base.State) -> None:
        super().close(state)
        state.log[-1] += "!"


class Twice(Weigh):
    """Inherits the list."""

    def work(self, state: Base.State) -> None:
        super().work(state)
        super().work(state)


@dataclass(frozen=True)
class Configured(Measure, Base):
    I.measure
    I.work

    class State(Base.State):
        extra: int = 1

    factor: int = 2

    def work(self, state: Base.State) -> None:
        state.log.append(str(state.weight * self.factor))


class Silent(Base, ABC):
    """A base for others: adds a helper, and lists nothing."""

    def _quiet(self, state: Base.State) -> None:
        state.log.clear()


class Final(Silent):
    def work(self, state: Base.State) -> None:
        self._quiet(state)


def run(story: Base, state: Base.State) -> list[str]:
    story(state)
    return state.log


assert run(Weigh(), Base.State()) == ["open", "3 kg", "audit Weigh", "close!"]
assert run(Twice(), Twice.State())[1:3] == ["3 kg", "3 kg"]
assert run(Configured(), Configured.State(extra=2)) == ["6"]
assert run(Final(), Final.State()) == ["close"]
