# mypy: enable-error-code="dddkit-repeated-step, dddkit-unlisted-step, dddkit-mutable-field, dddkit-aggregate-reference"
"""What the rules for stricter projects allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject
from dddkit.stories import I, Story, StoryState


@dataclass(frozen=True)
class Money(ValueObject):
    cents: int
    tags: frozenset[str] = frozenset()
    rates: Mapping[str, int] = field(default_factory=dict)
    path: Sequence[tuple[int, ...]] = ()
    raw: bytes = b""
    convert: Callable[[list[int]], dict[str, int]] | None = None
    anything: Any = None


@dataclass(frozen=True, kw_only=True)
class Sold(DomainEvent):
    prices: tuple[Money, ...]
    customer_id: int


@dataclass(kw_only=True)
class Customer(Aggregate):
    id: int
    friend: Customer | None = None


@dataclass(kw_only=True)
class Line(Entity):
    line_id: int
    order: Order
    kind: type[Customer] = Customer


@dataclass(kw_only=True)
class Order(Aggregate):
    id: int
    customer_id: int
    lines: list[Line] = field(default_factory=list)

    @dataclass(frozen=True, kw_only=True)
    class Added(AggregateEvent):
        line_id: int


class Sell(Story):
    I.check
    I.sell

    class State(StoryState):
        order: Order
        sold: list[Sold] = []

    def check(self, state: State) -> None:
        assert self._is_open(state)

    def sell(self, state: State) -> None:
        state.sold.append(self.event(state.order))

    def event(self, order: Order) -> Sold:
        return Sold(prices=(Money(1),), customer_id=order.customer_id)

    def _is_open(self, state: State) -> bool:
        return not state.sold

    def compare(self, state: State, other: State) -> bool:
        return state == other


class SellTwice(Sell):
    I.sell
    I.sell_again

    def sell_again(self, state: Sell.State) -> None:
        self.sell(state)


order = Order(id=1, customer_id=2)
order.lines.append(Line(line_id=1, order=order))
Sell()(state := Sell.State(order=order))
SellTwice()(state)
assert len(state.sold) == 3
