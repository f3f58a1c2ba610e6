"""Stories that are called with something else than their State, awaited not at all, or where nothing is async."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypedDict, TypeVar

from dddkit.stories import I, Story, StoryState

T = TypeVar("T", bound=StoryState)


class Pay(Story):
    I.pay

    class State(StoryState):
        cents: int = 0

    def pay(self, state: State) -> None: ...


class PayLater(Pay):
    I.wait

    async def wait(self, state: Pay.State) -> None: ...


class Other(StoryState):
    cents: int = 0


class Values(Story):
    I.go

    class State(TypedDict):
        n: int

    def go(self, state: State) -> None: ...


class Pair(Story):
    I.go

    class State(NamedTuple):
        n: int

    def go(self, state: State) -> None: ...


class NoState(Story):
    I.first
    I.second

    def first(self, state: Pay.State) -> None: ...

    def second(self, state: StoryState) -> None: ...


@dataclass(frozen=True)
class Change(Story):
    I.change

    repo: dict[int, str]

    def change(self, change: Pay.State | Other) -> None: ...


class Holder(Generic[T]):
    story = Pay()

    def run(self, state: T) -> None:
        self.story(state)  # E: dddkit-story-state


def run(story: Pay, state: Other, maybe: Pay.State | None) -> None:
    story(state)  # E: dddkit-story-state
    story(maybe)  # E: dddkit-story-state
    story(Pay.State)  # E: dddkit-story-state
    Pay()({"cents": 1})  # E: dddkit-story-state
    (Pay() if maybe else Pay())(3)  # E: dddkit-story-state
    for one in "abc":
        Pay()(one)  # E: dddkit-story-state
    (lambda: Pay()(None))()  # E: dddkit-story-state
    Values()({"n": "1"})  # E: typeddict-item
    Pair()((1, 2))  # E: dddkit-story-state
    NoState()(Other())  # E: dddkit-story-state
    NoState()(123)  # E: dddkit-story-state
    Change({})(123)  # E: dddkit-story-state


async def run_async() -> None:
    await PayLater()(Other())  # E: dddkit-story-state
    PayLater()(Pay.State())  # E: unused-coroutine
    await asyncio.gather(PayLater()(1), PayLater()(Pay.State()))  # E: dddkit-story-state


for either in (Pay(), Values()):
    either(Other())  # E: dddkit-story-state
