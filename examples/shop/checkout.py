"""The checkout: it turns a basket into a paid order, or changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from dddkit.dataclasses import EventBroker, InMemoryRepository
from dddkit.stories import I, Story, variable

from .basket import Basket, BasketId
from .order import Order, OrderId, SqliteOrders
from .payment import Authorize, Gateway
from .stock import Product, ProductId


class UnknownBasketError(Exception):
    """No basket has this id."""


@dataclass(frozen=True, slots=True)
class Checkout(Story):
    """Turn a basket into a paid order.

    The amount is held on the card before anything is stored, and captured after everything is stored.
    """

    I.load_basket
    I.take_from_shelf
    I.authorize
    I.place_order
    I.save
    I.capture_payment
    I.announce

    class State(Authorize.State):
        basket_id: BasketId
        order_id: OrderId
        basket: Basket = variable()
        products: list[Product] = []
        order: Order = variable()
        news: list[object] = variable()

    baskets: InMemoryRepository[Basket, BasketId]
    products: InMemoryRepository[Product, ProductId]
    orders: SqliteOrders
    gateway: Gateway
    authorize: Authorize
    broker: EventBroker

    async def load_basket(self, state: State) -> None:
        basket = await self.baskets.get(state.basket_id)
        if basket is None:
            raise UnknownBasketError(f"there is no basket {state.basket_id}")
        state.basket = basket
        state.amount = basket.total

    async def take_from_shelf(self, state: State) -> None:
        for line in state.basket.check_out():
            product = await self.products.get(line.product_id) or Product(product_id=line.product_id, on_shelf=0)
            product.take(line.quantity)
            state.products.append(product)

    def place_order(self, state: State) -> None:
        state.order = Order.place(state.order_id, state.amount, state.hold_id)

    async def save(self, state: State) -> None:
        for product in state.products:
            await self.products.save(product)
        await self.baskets.save(state.basket)
        state.news = [*state.order.get_events()]
        self.orders.save(state.order)

    async def capture_payment(self, state: State) -> None:
        await self.gateway.capture(state.hold_id)

    async def announce(self, state: State) -> None:
        for event in state.news:
            await self.broker(event)
