"""The checkout: it turns a basket into a paid order, or undoes what it has done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dddkit.stories import I, Story, compensates, step_key

from .basket import BasketId
from .order import Order, OrderId
from .payment import Authorize, Gateway
from .unit import ShopUnit


class UnknownBasketError(Exception):
    """No basket has this id."""


@dataclass(frozen=True, slots=True)
class Checkout(Story):
    """Turn a basket into a paid order.

    Each step that stores something is a transaction of its own, so none is open while the bank is asked. The bank pays
    out in the last step, which nothing follows: so it is never undone, and may be tried again.

    It runs in one process as it is, and on DBOS as well (`durable.py`). There a step that was interrupted runs again:
    each of them says what happens then.
    """

    I.reserve
    I.authorize
    I.place
    I.capture

    class State(Authorize.State):
        basket_id: BasketId
        order_id: OrderId

    make_unit: Callable[[], ShopUnit]
    gateway: Gateway
    authorize: Authorize

    # Where the goods have been taken, and only this was not recorded any more, it sets the amount alone.
    async def reserve(self, state: State) -> None:
        """Check out the basket, and take its goods from the shelf."""
        async with self.make_unit() as unit:
            basket = await unit.baskets.get(state.basket_id)
            if basket is None:
                raise UnknownBasketError(f"there is no basket {state.basket_id}")
            state.amount = basket.total
            if await unit.once(step_key()):
                for line in basket.check_out():
                    product = await unit.product(line.product_id)
                    product.take(line.quantity)
                await unit.commit()

    # The customer may have checked out the basket again meanwhile: what this run has released, it does not touch again.
    @compensates(reserve)
    async def release(self, state: State) -> None:
        async with self.make_unit() as unit:
            basket = await unit.baskets.get(state.basket_id)
            if basket is not None and await unit.once(step_key()):
                for line in basket.reopen():
                    product = await unit.product(line.product_id)
                    product.put_back(line.quantity)
                await unit.commit()

    # An order is new only once: the second one with its number would be refused.
    async def place(self, state: State) -> None:
        async with self.make_unit() as unit:
            if await unit.once(step_key()):
                await unit.orders.save(Order.place(state.order_id, state.amount, state.hold_id))
                await unit.commit()

    # It may have been stored when a handler of its event fails; where it was not, there is nothing to cancel. Nothing
    # happens to an order that is cancelled already, so it may run again.
    @compensates(place, even_if_failed=True)
    async def cancel(self, state: State) -> None:
        async with self.make_unit() as unit:
            order = await unit.orders.get(state.order_id)
            if order is not None and order.hold_id == state.hold_id:  # else its number was taken by another one
                order.cancel()
                await unit.commit()

    # The bank pays out once under one key, however often it is asked.
    async def capture(self, state: State) -> None:
        await self.gateway.capture(state.hold_id, key=step_key())
