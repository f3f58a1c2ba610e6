"""Nested by a Callable field, a base class's field, a default, a property, and three deep."""

from collections.abc import Callable
from dataclasses import dataclass, field

from dddkit.stories import I, Story, StoryState, variable


class Trip(StoryState):
    distance: int = variable()
    legs: list[int] = []


class Leg(Story):
    I.walk

    State = Trip

    def walk(self, state: Trip) -> None:
        state.distance += 1
        state.legs.append(state.distance)


@dataclass(frozen=True)
class Morning(Story):
    I.leg
    I.leg

    State = Trip
    leg: Leg = field(default_factory=Leg)


@dataclass(frozen=True)
class Day(Story):
    I.start
    I.morning
    I.evening
    I.more

    State = Trip
    morning: Morning
    evening: Callable[[Trip], None]

    def start(self, state: Trip) -> None:
        state.distance = 0

    @property
    def more(self) -> Leg:
        return Leg()


trip = Trip()
Day(Morning(), Leg())(trip)
assert trip.legs == [1, 2, 3, 4]
