"""A generic inner story for any State with the field; the outer ones declare it each in its own way."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from dddkit.stories import I, Story, StoryState, variable


class Counted(StoryState):
    count: int


CountedT = TypeVar("CountedT", bound=Counted)


class Increment(Story, Generic[CountedT]):
    I.increment

    def increment(self, state: CountedT) -> None:
        state.count += 1


@dataclass(frozen=True)
class Sheep(Story):
    I.start
    I.increment
    I.increment

    class State(Counted):
        count: int = variable()

    increment: "Increment[Sheep.State]"

    def start(self, state: State) -> None:
        state.count = 0


@dataclass(frozen=True)
class Goats(Story):
    I.increment

    class State(Counted):
        pass

    increment: "Increment[Goats.State]"


sheep = Sheep.State()
Sheep(Increment())(sheep)
goats = Goats.State(count=4)
Goats(Increment())(goats)
assert (sheep.count, goats.count) == (2, 5)
