"""The State of a story is a Protocol: whoever has what it names may be the state."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dddkit.stories import I, Story, StoryState, variable


class HasTotal(Protocol):
    total: int


@dataclass(frozen=True)
class Discount(Story):
    I.halve
    I.round

    @runtime_checkable
    class State(HasTotal, Protocol):
        @property
        def customer(self) -> str: ...

    def halve(self, state: State) -> None:
        assert isinstance(state, Discount.State)
        state.total //= 2

    def round(self, state: HasTotal) -> None:
        state.total -= state.total % 5


@dataclass
class Bill:
    total: int
    customer: str


class Sale(StoryState):
    customer: str
    total: int = 0


@dataclass(frozen=True)
class Sell(Story):
    I.add
    I.discount

    State = Sale
    discount: Discount

    def add(self, state: Sale) -> None:
        state.total += 33


class Totals(Story):
    I.set

    State = HasTotal

    def set(self, state: HasTotal) -> None:
        state.total = 1


class Made(StoryState):
    total: int = variable()


bill = Bill(44, "a")
Discount()(bill)
assert bill.total == 20
sale = Sale(customer="b")
Sell(Discount())(sale)
assert sale.total == 15
Totals()(bill)
made = Made()
Totals()(made)
assert bill.total == made.total == 1
