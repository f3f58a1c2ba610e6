"""Payment by card: the gateway, and the story that authorizes a payment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NewType, Protocol

from dddkit.stories import I, Story, StoryState, compensates, variable

from .money import Money

CardToken = NewType("CardToken", str)
"""What the bank gives for a card number: the shop never sees the number itself."""

HoldId = NewType("HoldId", str)


class CardDeclinedError(Exception):
    """The bank declined the payment."""


class InvalidCardError(Exception):
    """The bank does not know the card."""


class BankClosedError(Exception):
    """The bank does not pay out now."""


class Gateway(Protocol):
    """The connection to the bank."""

    async def check(self, card: CardToken) -> None:
        """Raise InvalidCardError for a card that the bank does not know."""
        ...

    async def hold(self, card: CardToken, amount: Money) -> HoldId:
        """Reserve an amount on the card until it is captured."""
        ...

    async def void(self, hold_id: HoldId) -> None:
        """Give a reserved amount back; one that is not reserved any more is left alone."""
        ...

    async def capture(self, hold_id: HoldId) -> None:
        """Collect a reserved amount."""
        ...


@dataclass
class DemoBank:
    """A bank for demonstrations: it knows the balance of every card."""

    balances: dict[CardToken, Money]
    held: dict[HoldId, tuple[CardToken, Money]] = field(default_factory=dict[HoldId, tuple[CardToken, Money]])
    pays_out: bool = True
    _holds: int = 0

    async def check(self, card: CardToken) -> None:
        await asyncio.sleep(0.01)  # stands for a network call
        if card not in self.balances:
            raise InvalidCardError(f"the bank does not know {card}")

    async def hold(self, card: CardToken, amount: Money) -> HoldId:
        await asyncio.sleep(0.01)
        if amount.cents > self.balances[card].cents:
            raise CardDeclinedError(f"{card} does not cover {amount}")
        self._holds += 1
        hold_id = HoldId(f"hold-{self._holds}")
        self.held[hold_id] = (card, amount)
        return hold_id

    async def void(self, hold_id: HoldId) -> None:
        await asyncio.sleep(0.01)
        self.held.pop(hold_id, None)

    async def capture(self, hold_id: HoldId) -> None:
        await asyncio.sleep(0.01)
        if not self.pays_out:
            raise BankClosedError("the bank does not pay out today")
        card, amount = self.held.pop(hold_id)
        self.balances[card] -= amount


@dataclass(frozen=True, slots=True)
class Authorize(Story):
    """Check that the card can pay, and reserve the amount."""

    I.check_card
    I.hold_amount

    class State(StoryState):
        card: CardToken
        amount: Money = variable()
        hold_id: HoldId = variable()

    gateway: Gateway

    async def check_card(self, state: State) -> None:
        await self.gateway.check(state.card)

    async def hold_amount(self, state: State) -> None:
        state.hold_id = await self.gateway.hold(state.card, state.amount)

    @compensates(hold_amount)
    async def void_hold(self, state: State) -> None:
        await self.gateway.void(state.hold_id)
