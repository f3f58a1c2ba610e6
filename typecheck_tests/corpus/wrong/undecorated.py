from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import ClassVar, Generic, Protocol, TypeVar

from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject
from dddkit.stories import I, Story, StoryState

T = TypeVar("T")


class Money(ValueObject):  # E: dddkit-undecorated-class
    cents: int


class Paid(DomainEvent):  # E: dddkit-undecorated-class
    money: Money
    source: ClassVar[str] = "shop"


class Basket(Aggregate):  # E: dddkit-undecorated-class
    basket_id: int
    skus: list[str] = field(default_factory=list)

    class Added(AggregateEvent):  # E: dddkit-undecorated-class
        sku: str


class Box(Entity, Generic[T]):  # E: dddkit-undecorated-class
    id: T


def make() -> type[Entity]:
    class Local(Entity):  # E: dddkit-undecorated-class
        local_id: int

    return Local


class Gateway(Protocol):
    def charge(self, cents: int) -> None: ...


class Pay(Story):  # E: dddkit-undecorated-class
    I.pay

    class State(StoryState):
        cents: int

    gateway: Gateway
    notify: Callable[[State], None]

    def pay(self, state: State) -> None:
        self.gateway.charge(state.cents)


class PayTwice(Pay):  # E: dddkit-undecorated-class
    times: int

    def pay(self, state: Pay.State) -> None:
        for _ in range(self.times):
            super().pay(state)
