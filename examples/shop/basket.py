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


class CheckedOutError(Exception):
    """The basket has been checked out, so that it cannot be changed or checked out again."""


@dataclass(kw_only=True)
class Basket(Aggregate):
    """What a customer wants to buy."""

    basket_id: Identity[BasketId]
    lines: tuple[Line, ...] = field(default=())
    is_checked_out: bool = False

    @dataclass(frozen=True, kw_only=True)
    class ItemAdded(AggregateEvent):
        """A line was added to the basket."""

        line: Line

    @dataclass(frozen=True, kw_only=True)
    class CheckedOut(AggregateEvent):
        """The customer is about to pay for the lines."""

        basket_id: BasketId
        lines: tuple[Line, ...]

    @dataclass(frozen=True, kw_only=True)
    class Reopened(AggregateEvent):
        """The customer did not pay, and has the basket back."""

        basket_id: BasketId
        lines: tuple[Line, ...]

    @property
    def total(self) -> Money:
        return sum((line.total for line in self.lines), Money(0))

    def add(self, line: Line) -> None:
        self._reject_checked_out()
        self.lines = (*self.lines, line)
        self.add_event(self.ItemAdded(line=line))

    def check_out(self) -> tuple[Line, ...]:
        """Close the basket and return its lines.

        Raises:
            EmptyBasketError: the basket is empty.
            CheckedOutError: it has been checked out already.
        """
        self._reject_checked_out()
        if not self.lines:
            raise EmptyBasketError(f"basket {self.basket_id} is empty")
        self.is_checked_out = True
        self.add_event(self.CheckedOut(basket_id=self.basket_id, lines=self.lines))
        return self.lines

    def reopen(self) -> tuple[Line, ...]:
        """Undo a check-out, and return the lines that are not sold; none where there was no check-out."""
        if not self.is_checked_out:
            return ()
        self.is_checked_out = False
        self.add_event(self.Reopened(basket_id=self.basket_id, lines=self.lines))
        return self.lines

    def _reject_checked_out(self) -> None:
        if self.is_checked_out:
            raise CheckedOutError(f"basket {self.basket_id} has been checked out")
