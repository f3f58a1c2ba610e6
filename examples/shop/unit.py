"""The unit of work of the shop: what it stores, and with it the messages of what has happened."""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData

from dddkit.sqlalchemy import Documents, Outbox, UnitOfWork

from .basket import Basket, BasketId
from .messages import catalog
from .order import Order, OrderId
from .stock import Product, ProductId

metadata: Final = MetaData()


class ShopUnit(UnitOfWork):
    """One transaction of the shop."""

    outbox = Outbox(metadata, catalog)
    baskets = Documents[Basket, BasketId](metadata)
    products = Documents[Product, ProductId](metadata)
    orders = Documents[Order, OrderId](metadata)

    async def product(self, product_id: ProductId) -> Product:
        """Return the product; of one that the shop does not have, the shelf is empty."""
        product = await self.products.get(product_id)
        if product is None:
            product = Product(product_id=product_id, on_shelf=0)
            await self.products.save(product)
        return product
