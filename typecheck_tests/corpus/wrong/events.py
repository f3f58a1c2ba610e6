"""Events: not frozen, made and dropped, recorded by another, published and not awaited."""

from __future__ import annotations

from dataclasses import dataclass, field

import attr
import attrs
import pydantic
from pydantic import ConfigDict

from dddkit import dataclasses as dc
from dddkit import pydantic as pd

HOUSE = ConfigDict(frozen=False)


@attr.s(auto_attribs=True)  # E: dddkit-unfrozen-event
class Attr(dc.DomainEvent):
    n: int = 0


@attrs.mutable  # E: dddkit-unfrozen-event
class Mutable(dc.AggregateEvent):
    n: int = 0


class Thawed(pd.DomainEvent, frozen=False):  # E: dddkit-unfrozen-event
    n: int


class ThawedByConfig(pd.AggregateEvent):
    model_config = {"extra": "forbid", "frozen": False}  # E: dddkit-unfrozen-event


class ThawedByHouse(pd.DomainEvent):
    model_config = HOUSE  # E: dddkit-unfrozen-event


class Loose(pydantic.BaseModel):
    model_config = ConfigDict(frozen=False)


class ThawedByMixin(pd.DomainEvent, Loose):  # E: dddkit-unfrozen-event
    n: int


class ThawedValue(pd.ValueObject, frozen=False):  # E: dddkit-unfrozen-value-object
    n: int


class ThawedValueByMixin(pd.ValueObject, Loose):  # E: dddkit-unfrozen-value-object
    n: int


@attrs.define(slots=False)  # E: dddkit-unfrozen-value-object
class MutableValue(dc.ValueObject):
    n: int = 0


@dataclass(frozen=True, kw_only=True)
class Shouted(dc.DomainEvent):
    text: str


@dataclass(kw_only=True)
class Basket(dc.Aggregate):
    id: int
    items: list[str] = field(default_factory=list)

    @dataclass(frozen=True, kw_only=True)
    class Added(dc.AggregateEvent):
        item: str

    class Emptied(dc.AggregateEvent):
        pass

    def add(self, item: str) -> None:
        self.items.append(item)
        self.Added(item=item)  # E: dddkit-dropped-event

    def empty(self) -> None:
        if self.items:
            Basket.Emptied()  # E: dddkit-dropped-event
        for item in self.items:
            Basket.Added(item=item)  # E: dddkit-dropped-event

    @classmethod
    def make(cls) -> Basket:
        cls.Emptied()  # E: dddkit-dropped-event
        return cls(id=1)

    async def later(self) -> None:
        Shouted(text="later")  # E: dddkit-dropped-event


class Line(pd.Entity):
    line_id: int

    class Changed(pd.AggregateEvent):
        by: int

    def change(self, by: int) -> None:
        def inner() -> None:
            self.Changed(by=by)  # E: dddkit-dropped-event

        inner()


@dataclass(kw_only=True)
class Order(dc.Aggregate):
    id: int

    class Paid(dc.AggregateEvent):
        pass

    def pay(self, basket: Basket) -> None:
        self.add_event(Basket.Emptied())  # E: dddkit-foreign-event
        event = Basket.Added(item="x")
        self.add_event(event)  # E: dddkit-foreign-event
        basket.add_event(self.Paid())  # E: dddkit-foreign-event
        record = self.add_event
        for one in (Basket.Emptied(),):
            self.add_event(one)  # E: dddkit-foreign-event
        record(self.Paid())


class Visit(pd.Aggregate):
    visit_id: int

    def end(self) -> None:
        self.add_event(Order.Paid())  # E: dddkit-foreign-event


def pay(orders: dict[int, Order]) -> None:
    orders[1].add_event(Basket.Emptied())  # E: dddkit-foreign-event
    (orders.get(2) or Order(id=2)).add_event(Basket.Emptied())  # E: dddkit-foreign-event


class Service:
    def __init__(self, broker: dc.EventBroker) -> None:
        self.broker = broker

    async def run(self, event: Shouted) -> None:
        self.broker(event)  # E: dddkit-unawaited-publish
        if event.text:
            self.broker(Shouted(text="a"))  # E: dddkit-unawaited-publish
        async with self:
            self.broker(event)  # E: dddkit-unawaited-publish

    async def __aenter__(self) -> None:
        pd.EventBroker()(1)  # E: dddkit-unawaited-publish

    async def __aexit__(self, *_: object) -> None:
        try:
            self.broker.__call__(2)  # E: dddkit-unawaited-publish
        finally:
            self.broker(3)  # E: dddkit-unawaited-publish


class HouseBroker(dc.EventBroker):
    pass


house = HouseBroker()


async def announce() -> None:
    house(Shouted(text="b"))  # E: dddkit-unawaited-publish

    async def inner() -> None:
        house(Shouted(text="c"))  # E: dddkit-unawaited-publish

    await inner()
