"""A generic StoryState as the State of stories, directly, inherited and through another module's name."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from dddkit.stories import I, Story, StoryState, variable

T = TypeVar("T")
ResultT = TypeVar("ResultT")


class Work(StoryState, Generic[T, ResultT]):
    given: T
    result: ResultT = variable()


class Run(Story):
    I.run

    State = Work

    def run(self, state: Work[Any, Any]) -> None:
        state.result = [state.given]


class RunTwice(Run):
    I.run
    I.again

    def again(self, state: Work[Any, Any]) -> None:
        state.result += [state.given]


class Shared:
    State = Work


class RunShared(Shared, Story):
    I.run

    def run(self, state: Work[int, Any]) -> None:
        state.result = state.given + 1


one: Work[str, list[str]] = Work(given="a")
Run()(one)
two: Work[int, list[int]] = Work(given=2)
RunTwice()(two)
three: Work[int, int] = Work(given=3)
RunShared()(three)
RunShared()(RunShared.State(given=4))
assert (one.result, two.result, three.result) == (["a"], [2, 2], 4)
