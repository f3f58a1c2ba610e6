"""A story is called with its State in all the ways one can write that."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Optional, TypeVar, Union, cast

from typing_extensions import Self, TypedDict, Unpack

from dddkit.stories import I, Story, StoryState


class Values(TypedDict, total=False):
    n: int
    log: list[str]


class Add(Story):
    I.add

    class State(StoryState):
        n: int = 0
        log: list[str] = []

        @classmethod
        def parse(cls, text: str) -> Self:
            return cls(n=int(text))

    def add(self, state: State) -> None:
        state.n += 1


class Bigger(Add.State):
    more: int = 0


StateT = TypeVar("StateT", bound=Add.State)
StoryT = TypeVar("StoryT", bound=Story)


def run(state: StateT, story: Optional[Add] = None) -> StateT:
    (story or Add())(state)
    return state


def run_any(story: StoryT, state: Any) -> StoryT:
    story(state)
    return story


def build(**values: Unpack[Values]) -> Add.State:
    return Add.State(**values)


def from_mapping(values: Mapping[str, Any], state_class: type[StateT]) -> StateT:
    return state_class(**values)


def maybe(state: Add.State | None) -> None:
    if state is not None:
        Add()(state)
    Add()(state or Add.State())
    Add()(state if state else Bigger())


def each(states: Iterable[Union[Add.State, Bigger]]) -> int:
    add = Add()
    for state in states:
        add(state)
    return len(vars(add))


@dataclass
class Holder(Generic[StateT]):
    story: Add
    state: StateT

    def run(self) -> None:
        self.story(self.state)


state = Add.State()
Add()(state)
Add.__call__(Add(), state)
Add()(*[state])
Add()(copy.copy(state))
Add()(run(Bigger(more=2)))
Add()(build(n=3))
Add()(from_mapping({"n": 4}, Bigger))
Add()((lambda: state)())
Add()(later := Add.State.parse("5"))
maybe(later)
maybe(None)
run_any(Add(), {"n": 1}.get("m", state))
assert each([state, later]) >= 0
Holder(Add(), Bigger()).run()
assert state.n and later.n > 5
