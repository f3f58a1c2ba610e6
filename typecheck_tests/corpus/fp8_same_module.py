"""Nested in the same module: the outer story sets what the inner one reads before it sets it."""

from __future__ import annotations

from dataclasses import dataclass

from dddkit.stories import I, Story, StoryState, variable


class Total(StoryState):
    prices: list[int]
    total: int = variable()
    label: str = variable()


class Round(Story):
    I.round
    I.show

    State = Total

    def round(self, state: Total) -> None:
        state.total -= state.total % 10

    def show(self, state: Total) -> None:
        state.label = str(state.total)


@dataclass(frozen=True)
class Bill(Story):
    I.add_up
    I.round
    I.check

    class State(Total):
        pass

    round: Round

    def add_up(self, state: State) -> None:
        state.total = sum(state.prices)

    def check(self, state: State) -> None:
        assert state.label == "40"


Bill(Round())(Bill.State(prices=[40, 7]))
