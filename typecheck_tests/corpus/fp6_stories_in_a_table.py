"""Dispatch by name, `zip` of stories and states, match, async ones in a union."""

import asyncio
from typing import Literal, Union

from dddkit.stories import I, Story, StoryState


class ByCard(Story):
    I.pay

    class State(StoryState):
        card: str = "c"
        paid: int = 0

    async def pay(self, state: State) -> None:
        await asyncio.sleep(0)
        state.paid = len(state.card)


class ByCash(Story):
    I.pay

    class State(StoryState):
        coins: list[int] = [1, 2]
        paid: int = 0

    async def pay(self, state: State) -> None:
        state.paid = sum(state.coins)


Payment = Union[ByCard, ByCash]
PaymentState = ByCard.State | ByCash.State


def choose(how: Literal["card", "cash"]) -> Payment:
    match how:
        case "card":
            return ByCard()
        case "cash":
            return ByCash()


async def pay(payment: Payment, state: PaymentState) -> int:
    await payment(state)
    return state.paid


async def main() -> None:
    payment = choose("cash")
    assert await pay(payment, payment.State()) == 3
    stories: list[Payment] = [ByCard(), ByCash()]
    for story, state in zip(stories, [one.State() for one in stories], strict=True):
        await story(state)
        assert state.paid
    await asyncio.gather(*(story(story.State()) for story in stories))


asyncio.run(main())
