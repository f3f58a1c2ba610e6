"""The checkout: it turns a basket into a paid order, or undoes what it has done."""

from __future__ import annotations

from dataclasses import dataclass

from dddkit.dataclasses import EventBroker, InMemoryRepository
from dddkit.stories import I, Story, compensates

from .basket import Basket, BasketId, Line
from .order import Order, OrderId, SqliteOrders
from .payment import Authorize, Gateway
from .stock import Product, ProductId


class UnknownBasketError(Exception):
    """No basket has this id."""


@dataclass(frozen=True, slots=True)
class Checkout(Story):
    """Turn a basket into a paid order.

    The bank pays out in the last step, which nothing follows: so it is never undone, and may be tried again.
    """

    I.reserve
    I.authorize
    I.place
    I.capture

    class State(Authorize.State):
        basket_id: BasketId
        order_id: OrderId

    baskets: InMemoryRepository[Basket, BasketId]
    products: InMemoryRepository[Product, ProductId]
    orders: SqliteOrders
    gateway: Gateway
    authorize: Authorize
    broker: EventBroker

    async def reserve(self, state: State) -> None:
        """Check out the basket, and take its goods from the shelf."""
        basket = await self.baskets.get(state.basket_id)
        if basket is None:
            raise UnknownBasketError(f"there is no basket {state.basket_id}")
        state.amount = basket.total
        products = [await self._product(line) for line in basket.check_out()]
        for product, line in zip(products, basket.lines, strict=True):
            product.take(line.quantity)
        for product in products:
            await self.products.save(product)
        await self.baskets.save(basket)

    @compensates(reserve)
    async def release(self, state: State) -> None:
        basket = await self.baskets.get(state.basket_id)
        if basket is not None:
            for line in basket.reopen():
                product = await self._product(line)
                product.put_back(line.quantity)
                await self.products.save(product)
            await self.baskets.save(basket)

    async def place(self, state: State) -> None:
        await self._save(Order.place(state.order_id, state.amount, state.hold_id))

    # It may have been stored when a handler of its event fails; where it was not, there is nothing to cancel.
    @compensates(place, even_if_failed=True)
    async def cancel(self, state: State) -> None:
        order = self.orders.get(state.order_id)
        if order is not None:
            order.cancel()
            await self._save(order)

    async def capture(self, state: State) -> None:
        await self.gateway.capture(state.hold_id)

    async def _product(self, line: Line) -> Product:
        return await self.products.get(line.product_id) or Product(product_id=line.product_id, on_shelf=0)

    async def _save(self, order: Order) -> None:
        news = order.get_events()
        self.orders.save(order)
        for event in news:
            await self.broker(event)
