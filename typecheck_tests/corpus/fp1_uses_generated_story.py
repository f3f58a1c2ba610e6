"""Who uses a class from a stub knows as little of its steps."""

import asyncio
from dataclasses import dataclass

from fp1_generated_story import Checkout

from dddkit.stories import I, Story


@dataclass(frozen=True)
class Wholesale(Checkout):
    """Adds nothing but a helper: the steps are those of the parent, which its stub has left out."""

    def label(self, state: Checkout.State) -> str:
        return f"{self.prefix}:{state.order_id}"


@dataclass(frozen=True)
class Twice(Story):
    I.checkout
    I.finish

    State = Checkout.State
    checkout: Checkout

    def finish(self, state: Checkout.State) -> None:
        state.receipt += "!"


async def main() -> None:
    state = Checkout.State(order_id=3)
    await Checkout("no ")(state)
    assert state.receipt == "no 3"
    other = Checkout.State(order_id=4)
    await Wholesale("w")(other)
    assert other.receipt == "w4"
    third = Checkout.State(order_id=5)
    await Twice(Checkout("t"))(third)
    assert third.receipt == "t5!"


asyncio.run(main())
