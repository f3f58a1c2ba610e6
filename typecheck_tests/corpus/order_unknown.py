"""Who sets what cannot be known: the state is handed on, or the steps are someone else's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from dddkit.stories import I, Story, StoryState, variable


class Prices(StoryState):
    skus: list[str]
    price: int = variable()
    tax: int = variable()
    label: str = variable()


class HasPrice(Protocol):
    price: int


def look_up(state: HasPrice) -> None:
    state.price = 10


class Pricing:
    def add_tax(self, state: Prices) -> None:
        state.tax = state.price // 10


def logged(step: Callable[[Any, Prices], None]) -> Callable[[Any, Prices], None]:
    def run(self: Any, state: Prices) -> None:
        state.label = "set by the decorator"
        step(self, state)

    return run


@dataclass(frozen=True)
class Price(Story):
    I.find
    I.add_tax
    I.show
    I.reset

    State = Prices
    add_tax: Callable[[Prices], None]

    def find(self, state: Prices) -> None:
        look_up(state)
        assert state.price

    @logged
    def show(self, state: Prices) -> None:
        assert state.label
        state.label = f"{state.price}+{state.tax}"

    def reset(self, state: Prices) -> None:
        state.price = state.tax = 0


class InPlace(Story):
    I.fill
    I.read
    I.clear

    State = Prices

    def fill(self, state: Prices) -> None:
        for name, value in {"price": 1, "tax": 2}.items():
            setattr(state, name, value)

    def read(self, state: Prices) -> None:
        state.label = str(state.price + state.tax)

    def clear(self, state: Prices) -> None:
        state.price, state.tax = 0, 0


state = Prices(skus=["a"])
Price(Pricing().add_tax)(state)
assert state.label == "10+1"
InPlace()(other := Prices(skus=[]))
assert other.label == "3"
