"""The unit of work of the shop: what it stores, and with it the messages of what has happened, and what was done."""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData

from dddkit.sqlalchemy import Documents, Inbox, Outbox, UnitOfWork

from .basket import Basket, BasketId
from .letters import Letters
from .messages import catalog
from .order import Order, OrderId
from .stock import Product, ProductId

metadata: Final = MetaData()


class ShopUnit(UnitOfWork):
    """One transaction of the shop."""

    outbox = Outbox(metadata, catalog)
    inbox = Inbox(metadata)
    baskets = Documents[Basket, BasketId](metadata)
    products = Documents[Product, ProductId](metadata)
    orders = Documents[Order, OrderId](metadata)
    letters = Documents[Letters, OrderId](metadata)

    async def product(self, product_id: ProductId) -> Product:
        """Return the product; of one that the shop does not have, the shelf is empty."""
        product = await self.products.get(product_id)
        if product is None:
            product = Product(product_id=product_id, on_shelf=0)
            await self.products.save(product)
        return product

    async def letters_about(self, order_id: OrderId) -> Letters:
        """Return the letters about the order; there are none before the first one is written."""
        letters = await self.letters.get(order_id)
        if letters is None:
            letters = Letters(order_id=order_id)
            await self.letters.save(letters)
        return letters
