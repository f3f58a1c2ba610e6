"""The shop with all its parts connected and some stock."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

from dddkit.dataclasses import InMemoryRepository

from .basket import Basket, BasketId
from .checkout import Checkout
from .handlers import Office, open_office
from .money import Money
from .order import SqliteOrders
from .payment import Authorize, CardToken, DemoBank
from .stock import Product, ProductId

RICH = CardToken("card-rich")
POOR = CardToken("card-poor")


@dataclass(frozen=True)
class Shop:
    """An open shop, with the parts that the examples read afterwards."""

    baskets: InMemoryRepository[Basket, BasketId]
    products: InMemoryRepository[Product, ProductId]
    orders: SqliteOrders
    bank: DemoBank
    office: Office
    checkout: Checkout


@asynccontextmanager
async def open_shop() -> AsyncGenerator[Shop]:
    """Open a shop with 3 teapots, 100 cups and two customers; close it when the block ends."""
    office = Office()
    broker = open_office(office)
    baskets = InMemoryRepository[Basket, BasketId](broker)
    products = InMemoryRepository[Product, ProductId](broker)
    await products.save(Product(product_id=ProductId("teapot"), on_shelf=3))
    await products.save(Product(product_id=ProductId("cup"), on_shelf=100))
    bank = DemoBank({RICH: Money(500_00), POOR: Money(5_00)})
    with closing(sqlite3.connect(":memory:")) as connection:
        orders = SqliteOrders(connection)
        checkout = Checkout(
            baskets=baskets,
            products=products,
            orders=orders,
            gateway=bank,
            authorize=Authorize(bank),
            broker=broker,
        )
        yield Shop(baskets, products, orders, bank, office, checkout)
