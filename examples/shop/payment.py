"""Payment by card: the gateway, and the story that authorizes a payment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NewType, Protocol

from dddkit.stories import I, Story, StoryState, compensates, step_key, variable

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
    """The connection to the bank.

    It answers a call that comes again with the same key as it answered the first one, and does nothing.
    """

    async def check(self, card: CardToken) -> None:
        """Raise InvalidCardError for a card that the bank does not know."""
        ...

    async def hold(self, card: CardToken, amount: Money, key: str) -> HoldId:
        """Reserve an amount on the card until it is captured."""
        ...

    async def void(self, hold_id: HoldId) -> None:
        """Give a reserved amount back; one that is not reserved any more is left alone."""
        ...

    async def capture(self, hold_id: HoldId, key: str) -> None:
        """Collect a reserved amount."""
        ...


@dataclass
class DemoBank:
    """A bank for demonstrations: it knows the balance of every card."""

    balances: dict[CardToken, Money]
    held: dict[HoldId, tuple[CardToken, Money]] = field(default_factory=dict[HoldId, tuple[CardToken, Money]])
    pays_out: bool = True
    answered: dict[str, HoldId] = field(default_factory=dict[str, HoldId])
    """What it has done under which key."""
    _holds: int = 0

    async def check(self, card: CardToken) -> None:
        await asyncio.sleep(0.01)  # stands for a network call
        if card not in self.balances:
            raise InvalidCardError(f"the bank does not know {card}")

    async def hold(self, card: CardToken, amount: Money, key: str) -> HoldId:
        await asyncio.sleep(0.01)
        if key in self.answered:
            return self.answered[key]
        if amount.cents > self.balances[card].cents:
            raise CardDeclinedError(f"{card} does not cover {amount}")
        self._holds += 1
        hold_id = HoldId(f"hold-{self._holds}")
        self.held[hold_id] = (card, amount)
        self.answered[key] = hold_id
        return hold_id

    async def void(self, hold_id: HoldId) -> None:
        await asyncio.sleep(0.01)
        self.held.pop(hold_id, None)

    async def capture(self, hold_id: HoldId, key: str) -> None:
        await asyncio.sleep(0.01)
        if key in self.answered:
            return
        if not self.pays_out:
            raise BankClosedError("the bank does not pay out today")
        card, amount = self.held.pop(hold_id)
        self.balances[card] -= amount
        self.answered[key] = hold_id


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

    # It only asks, so it may run again.
    async def check_card(self, state: State) -> None:
        await self.gateway.check(state.card)

    # Each call would hold the amount once more. By the key the bank knows the one that comes again.
    async def hold_amount(self, state: State) -> None:
        state.hold_id = await self.gateway.hold(state.card, state.amount, key=step_key())

    # The bank leaves alone what it does not hold, so it may run again.
    @compensates(hold_amount)
    async def void_hold(self, state: State) -> None:
        await self.gateway.void(state.hold_id)
