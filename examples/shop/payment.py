"""Payment by card: the gateway, and the story that authorizes a payment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NewType, Protocol

from dddkit.dataclasses import ValueObject
from dddkit.stories import I, Story, StoryState, variable

from .money import Money

HoldId = NewType("HoldId", str)


@dataclass(frozen=True)
class Card(ValueObject):
    """A card number, as the customer enters it."""

    number: str


class CardDeclinedError(Exception):
    """The bank declined the payment."""


class InvalidCardError(Exception):
    """The card number is not valid."""


class Gateway(Protocol):
    """The connection to the bank."""

    async def hold(self, card: Card, amount: Money) -> HoldId:
        """Reserve an amount on the card until it is captured."""
        ...

    async def capture(self, hold_id: HoldId) -> None:
        """Collect a reserved amount."""
        ...


@dataclass
class DemoBank:
    """A bank for demonstrations: it knows the balance of every card it has issued."""

    balances: dict[Card, Money]
    held: dict[HoldId, tuple[Card, Money]] = field(default_factory=dict[HoldId, tuple[Card, Money]])

    async def hold(self, card: Card, amount: Money) -> HoldId:
        await asyncio.sleep(0.01)  # stands for a network call
        balance = self.balances.get(card, Money(0))
        if amount.cents > balance.cents:
            raise CardDeclinedError(f"card ending in {card.number[-4:]} does not cover {amount}")
        hold_id = HoldId(f"hold-{len(self.held) + 1}")
        self.held[hold_id] = (card, amount)
        return hold_id

    async def capture(self, hold_id: HoldId) -> None:
        await asyncio.sleep(0.01)
        card, amount = self.held.pop(hold_id)
        self.balances[card] = Money(self.balances[card].cents - amount.cents)


@dataclass(frozen=True, slots=True)
class Authorize(Story):
    """Check that the card can pay, and reserve the amount."""

    I.check_number
    I.hold_amount

    class State(StoryState):
        card: Card
        amount: Money = variable()
        hold_id: HoldId = variable()

    gateway: Gateway

    def check_number(self, state: State) -> None:
        """Validate the number with the Luhn algorithm (ISO/IEC 7812-1)."""
        digits = [int(digit) for digit in reversed(state.card.number) if digit.isdigit()]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
        if not digits or (sum(digits[::2]) + sum(doubled)) % 10:
            raise InvalidCardError(f"{state.card.number!r} is no card number; is there a typing error in it?")

    async def hold_amount(self, state: State) -> None:
        state.hold_id = await self.gateway.hold(state.card, state.amount)
