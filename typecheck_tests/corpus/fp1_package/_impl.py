from __future__ import annotations

import typing as t

from dddkit.dataclasses import Aggregate, AggregateEvent
from dddkit.stories import I, Story, StoryState, variable


def _event(name: str) -> t.Any:
    return type(name, (AggregateEvent,), {})


class Member(Aggregate):
    Joined = _event("Joined")

    def __init__(self, member_id: int) -> None:
        self.member_id = member_id


class _Steps(Story):
    I.look_up
    I.greet

    def look_up(self, state: Greet.State) -> None:
        state.greeting = f"hello {state.name}"

    def greet(self, state: Greet.State) -> None:
        state.said.append(state.greeting)


class Greet(_Steps):
    class State(StoryState):
        name: str
        said: list[str] = []
        greeting: str = variable()
