"""The stories that are killed: an order that is carried out, or refused by its last step and undone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from dddkit.stories import I, Story, StoryState, compensates, variable
from dddkit.stories.durable import Delay, Retry, Signal
from tests.kill.stories.labels import STEPS

if TYPE_CHECKING:
    from tests.kill.stories.world import World

__all__ = ["RETRIES", "Checkout", "Order", "Pay", "RefusedError", "Shopping", "SyncCheckout", "SyncPay"]

RETRIES: Final = {"pay.capture": Retry(on=(ConnectionError,), attempts=5, wait=0.002)}


class RefusedError(Exception):
    """The last step refuses the order."""


class Order(StoryState):
    """What is recorded: each step adds what it has made, which is new each time it runs."""

    run: str
    refused: bool
    reserved: str = variable()
    approved: str = variable()
    authorized: str = variable()
    captured: str = variable()
    shipped: str = variable()
    thanked: str = variable()

    def made(self) -> dict[str, str]:
        """Return what steps have made so far, by the step."""
        fields = dict(zip(STEPS, ("reserved", "authorized", "captured", "shipped", "thanked"), strict=True))
        return {step: getattr(self, field) for step, field in fields.items() if hasattr(self, field)}


@dataclass(frozen=True)
class Pay(Story):
    I.authorize
    I.capture

    world: World
    random: Random

    async def authorize(self, state: Order) -> None:
        await _pause(self.random)
        state.authorized = self.world.act(state.run, "pay.authorize", state.made())

    @compensates("authorize")
    async def release(self, state: Order) -> None:
        await _pause(self.random)
        self.world.act(state.run, "undo:pay.authorize", state.made())

    async def capture(self, state: Order) -> None:
        await _pause(self.random)
        state.captured = self.world.act(state.run, "pay.capture", state.made(), unsteady=True)


class _Steps:
    """The other steps of async stories, and how they are undone."""

    world: World
    random: Random

    async def reserve(self, state: Order) -> None:
        await _pause(self.random)
        state.reserved = self.world.act(state.run, "reserve", state.made())

    @compensates(reserve)
    async def give_back(self, state: Order) -> None:
        self.world.act(state.run, "undo:reserve", state.made())

    def ship(self, state: Order) -> None:  # a sync step of an async story
        state.shipped = self.world.act(state.run, "ship", state.made())

    @compensates(ship)
    async def call_back(self, state: Order) -> None:
        await _pause(self.random)
        self.world.act(state.run, "undo:ship", state.made())

    async def thank(self, state: Order) -> None:
        await _pause(self.random)
        state.thanked = self.world.act(state.run, "thank", state.made())
        if state.refused:
            raise RefusedError(state.run)


@dataclass(frozen=True)
class Checkout(_Steps, Story):
    """What the matrix kills at each place."""

    I.reserve
    I.pay
    I.ship
    I.thank

    world: World
    random: Random
    pay: Pay


@dataclass(frozen=True)
class Shopping(_Steps, Story):
    """What the storm kills: waits for a signal and for a while too."""

    I.reserve
    I.approval
    I.pay
    I.pause
    I.ship
    I.thank

    world: World
    random: Random
    pay: Pay
    approval: Signal
    pause: Delay


@dataclass(frozen=True)
class SyncPay(Story):
    I.authorize
    I.capture

    world: World

    def authorize(self, state: Order) -> None:
        state.authorized = self.world.act(state.run, "pay.authorize", state.made())

    @compensates("authorize")
    def release(self, state: Order) -> None:
        self.world.act(state.run, "undo:pay.authorize", state.made())

    def capture(self, state: Order) -> None:
        state.captured = self.world.act(state.run, "pay.capture", state.made(), unsteady=True)


@dataclass(frozen=True)
class SyncCheckout(Story):
    """The same without `await`."""

    I.reserve
    I.pay
    I.ship
    I.thank

    world: World
    pay: SyncPay

    def reserve(self, state: Order) -> None:
        state.reserved = self.world.act(state.run, "reserve", state.made())

    @compensates(reserve)
    def give_back(self, state: Order) -> None:
        self.world.act(state.run, "undo:reserve", state.made())

    def ship(self, state: Order) -> None:
        state.shipped = self.world.act(state.run, "ship", state.made())

    @compensates(ship)
    def call_back(self, state: Order) -> None:
        self.world.act(state.run, "undo:ship", state.made())

    def thank(self, state: Order) -> None:
        state.thanked = self.world.act(state.run, "thank", state.made())
        if state.refused:
            raise RefusedError(state.run)


async def _pause(random: Random) -> None:
    """Let other runs go on, as a step does that waits for the network."""
    await asyncio.sleep(random.uniform(0, 0.003))
