"""The basket that a customer fills."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NewType

from dddkit.dataclasses import Aggregate, AggregateEvent, Identity, ValueObject

from .money import Money
from .stock import ProductId

BasketId = NewType("BasketId", int)


@dataclass(frozen=True, kw_only=True)
class Line(ValueObject):
    """A quantity of one product, at its price when it was added."""

    product_id: ProductId
    price: Money
    quantity: int = 1

    @property
    def total(self) -> Money:
        return self.price * self.quantity


class EmptyBasketError(Exception):
    """The basket is empty and cannot be checked out."""


@dataclass(kw_only=True)
class Basket(Aggregate):
    """What a customer wants to buy."""

    basket_id: Identity[BasketId]
    lines: tuple[Line, ...] = field(default=())

    @dataclass(frozen=True, kw_only=True)
    class ItemAdded(AggregateEvent):
        """A line was added to the basket."""

        line: Line

    @dataclass(frozen=True, kw_only=True)
    class CheckedOut(AggregateEvent):
        """The lines moved to an order, and the basket is empty."""

        basket_id: BasketId
        lines: tuple[Line, ...]

    @property
    def total(self) -> Money:
        return sum((line.total for line in self.lines), Money(0))

    def add(self, line: Line) -> None:
        self.lines = (*self.lines, line)
        self.add_event(self.ItemAdded(line=line))

    def check_out(self) -> tuple[Line, ...]:
        """Empty the basket and return its lines.

        Raises:
            EmptyBasketError: the basket is empty.
        """
        if not self.lines:
            raise EmptyBasketError(f"basket {self.basket_id} is empty")
        lines, self.lines = self.lines, ()
        self.add_event(self.CheckedOut(basket_id=self.basket_id, lines=lines))
        return lines
