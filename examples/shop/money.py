"""Money: an amount in cents."""

from __future__ import annotations

from dataclasses import dataclass

from dddkit.dataclasses import ValueObject


@dataclass(frozen=True)
class Money(ValueObject):
    """An amount in the shop's one currency, in cents."""

    cents: int

    def __add__(self, other: Money) -> Money:
        return Money(self.cents + other.cents)

    def __sub__(self, other: Money) -> Money:
        return Money(self.cents - other.cents)

    def __mul__(self, times: int) -> Money:
        return Money(self.cents * times)

    def __str__(self) -> str:
        return f"{self.cents / 100:.2f}"
