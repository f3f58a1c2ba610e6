"""What is on the shelves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from dddkit.dataclasses import Aggregate, AggregateEvent

ProductId = NewType("ProductId", str)


class SoldOutError(Exception):
    """There are fewer on the shelf than somebody wants to buy."""


@dataclass(kw_only=True)
class Product(Aggregate):
    """One kind of thing the shop sells."""

    product_id: ProductId
    on_shelf: int

    @dataclass(frozen=True, kw_only=True)
    class SoldOut(AggregateEvent):
        """The last one has been taken."""

        product_id: ProductId

    def take(self, quantity: int) -> None:
        """Take some from the shelf.

        Raises:
            SoldOutError: there are not so many; none has been taken.
        """
        if quantity > self.on_shelf:
            raise SoldOutError(f"{quantity} x {self.product_id} wanted, {self.on_shelf} on the shelf")
        self.on_shelf -= quantity
        if self.on_shelf == 0:
            self.add_event(self.SoldOut(product_id=self.product_id))
