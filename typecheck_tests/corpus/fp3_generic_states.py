"""Generic States: nested in a generic story, attrs, plain, bound in a child."""

from typing import Generic, TypeVar

import attrs

from dddkit.stories import I, Story, StoryState, variable

T = TypeVar("T")
N = TypeVar("N", int, float)


class Box(StoryState, Generic[T]):
    content: T
    label: str = variable()


class Label(Story, Generic[T]):
    I.label

    def label(self, state: Box[T]) -> None:
        state.label = repr(state.content)


class LabelInts(Label[int]):
    class State(Box[int]):
        pass


@attrs.define
class Range(Generic[N]):
    low: N
    high: N
    width: N | None = None


class Measure(Story):
    I.measure

    class State(Range[float]):
        pass

    def measure(self, state: Range[float]) -> None:
        state.width = state.high - state.low


class MeasureInts(Story):
    I.measure

    State = Range[int]

    def measure(self, state: Range[int]) -> None:
        state.width = state.high - state.low


text = Box(content="x")
Label[str]()(text)
assert text.label == "'x'"
number = LabelInts.State(content=1)
LabelInts()(number)
assert number.label == "1"
span = Measure.State(1.0, 2.5)
Measure()(span)
assert span.width == 1.5
ints = Range(1, 3)
MeasureInts()(ints)
assert ints.width == 2
