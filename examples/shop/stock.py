"""The products in stock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from dddkit.dataclasses import Aggregate, AggregateEvent

ProductId = NewType("ProductId", str)


class SoldOutError(Exception):
    """The stock is smaller than the quantity wanted."""


@dataclass(kw_only=True)
class Product(Aggregate):
    """A product and its quantity on the shelf."""

    product_id: ProductId
    on_shelf: int

    @dataclass(frozen=True, kw_only=True)
    class SoldOut(AggregateEvent):
        """The last item was taken."""

        product_id: ProductId

    def take(self, quantity: int) -> None:
        """Take this quantity from the shelf.

        Raises:
            SoldOutError: the shelf holds fewer; nothing is taken.
        """
        if quantity > self.on_shelf:
            raise SoldOutError(f"{quantity} x {self.product_id} wanted, {self.on_shelf} on the shelf")
        self.on_shelf -= quantity
        if self.on_shelf == 0:
            self.add_event(self.SoldOut(product_id=self.product_id))

    def put_back(self, quantity: int) -> None:
        """Put this quantity on the shelf again."""
        self.on_shelf += quantity
