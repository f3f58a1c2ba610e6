"""The order that a checkout creates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from dddkit.dataclasses import Aggregate, AggregateEvent

from .money import Money
from .payment import HoldId

OrderId = NewType("OrderId", int)


@dataclass(kw_only=True)
class Order(Aggregate):
    """A purchase and its payment."""

    order_id: OrderId
    total: Money
    hold_id: HoldId
    cancelled: bool = False

    @dataclass(frozen=True, kw_only=True)
    class Placed(AggregateEvent):
        """The customer placed the order."""

        order_id: OrderId
        total: Money

    @dataclass(frozen=True, kw_only=True)
    class Cancelled(AggregateEvent):
        """The order is not paid, or not wanted any more."""

        order_id: OrderId
        total: Money

    @classmethod
    def place(cls, order_id: OrderId, total: Money, hold_id: HoldId) -> Order:
        order = cls(order_id=order_id, total=total, hold_id=hold_id)
        order.add_event(cls.Placed(order_id=order_id, total=total))
        return order

    def cancel(self) -> None:
        """Cancel the order; nothing happens to one that is cancelled already."""
        if not self.cancelled:
            self.cancelled = True
            self.add_event(self.Cancelled(order_id=self.order_id, total=self.total))
