"""A generic story whose State is a generic class left bare, nested too; and steps that are generic functions."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from dddkit.stories import I, Story, StoryState

T = TypeVar("T")


class Bag(StoryState, Generic[T]):
    things: list[T]
    count: int = 0


@dataclass(frozen=True)
class Sort(Story, Generic[T]):
    I.sort
    I.count

    State = Bag
    reverse: bool = False

    def sort(self, state: Bag[Any]) -> None:
        state.things.sort(reverse=self.reverse)

    def count(self, state: Bag[T]) -> None:
        state.count = len(state.things)


class Drain(Story):
    I.drain

    State = Bag

    @staticmethod
    def drain(state: "Bag[T]") -> None:
        while state.things:
            thing: T = state.things.pop()
            assert thing is not None
            state.count += 1


bag = Bag(things=[2, 1])
Sort[int]()(bag)
assert bag.things == [1, 2]
Sort[str](reverse=True)(Bag(things=["a"]))
Drain()(bag)
assert bag.count == 4
