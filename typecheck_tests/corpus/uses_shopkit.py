"""A user of the package: attribute access through modules, a star import, names bound again."""

import asyncio

import shopkit
import shopkit.sales.stories
from shopkit import *
from shopkit.common import OrderId, variable

Again = shopkit.sales.stories.Add
Base = shopkit.Story


class Review(Base):
    I.read
    I.rate

    class State(StoryState):
        text: str
        stars: int = variable()

    def read(self, state: State) -> None:
        state.stars = len(state.text)

    def rate(self, state: State) -> None:
        assert state.stars


class ReviewAll(Story):
    I.each

    State = list[Review.State]

    def each(self, state: list[Review.State]) -> None:
        for one in state:
            Review()(one)


async def main() -> None:
    orders = Orders()
    state = Again.State(order_id=OrderId(1), sku="a")
    await Add(orders)(state)
    await shopkit.Add(orders=orders)(Add.State(order_id=OrderId(1), sku="b"))
    assert state.order.skus == ["a", "b"]
    await Pay(orders)(Pay.State(order_id=OrderId(1), sku=""))
    assert state.order == Order(order_id=OrderId(1))
    assert not state.order.skus


asyncio.run(main())
ReviewAll()([Review.State(text="abc")])
