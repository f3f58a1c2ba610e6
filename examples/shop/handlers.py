"""The broker of the shop and the handlers subscribed to it.

The office is in memory, in this process, so it is told by the broker of a unit, once the unit has committed. A reaction
(`@ShopUnit.on(...)`) would tell it of what is rolled back afterwards. What must not get lost is for a consumer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dddkit.dataclasses import EventBroker

from .basket import Basket
from .money import Money
from .order import Order
from .stock import Product, ProductId


@dataclass
class Office:
    """The back office: a read model that the handlers update."""

    turnover: Money = field(default=Money(0))
    sold: dict[ProductId, int] = field(default_factory=dict[ProductId, int])
    to_buy: list[ProductId] = field(default_factory=list[ProductId])


def open_office(office: Office) -> EventBroker:
    """Return a broker whose handlers update the office."""
    broker = EventBroker()

    @broker.handle(Basket.CheckedOut)
    def count_items(event: Basket.CheckedOut) -> None:
        for line in event.lines:
            office.sold[line.product_id] = office.sold.get(line.product_id, 0) + line.quantity

    @broker.handle(Basket.Reopened)
    def take_off_items(event: Basket.Reopened) -> None:
        for line in event.lines:
            office.sold[line.product_id] -= line.quantity

    @broker.handle(Product.SoldOut)
    def note_to_buy(event: Product.SoldOut) -> None:
        office.to_buy.append(event.product_id)

    @broker.handle(Order.Placed)
    def count_turnover(event: Order.Placed) -> None:
        office.turnover += event.total

    @broker.handle(Order.Cancelled)
    def take_off_turnover(event: Order.Cancelled) -> None:
        office.turnover -= event.total

    return broker
