"""Everything wired together, with something on the shelves."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from dddkit.dataclasses import InMemoryRepository

from .basket import Basket, BasketId
from .checkout import Checkout
from .handlers import Office, open_office
from .money import Money
from .order import SqliteOrders
from .payment import Authorize, Card, DemoBank
from .stock import Product, ProductId

RICH = Card("4000 0000 0000 0002")
POOR = Card("4000 0000 0000 0010")


@dataclass(frozen=True)
class Shop:
    """A shop ready for customers, and what the examples look at afterwards."""

    baskets: InMemoryRepository[Basket, BasketId]
    products: InMemoryRepository[Product, ProductId]
    orders: SqliteOrders
    bank: DemoBank
    office: Office
    checkout: Checkout


async def open_shop() -> Shop:
    """Build a shop that sells three teapots and a hundred cups to two customers."""
    office = Office()
    broker = open_office(office)
    baskets = InMemoryRepository[Basket, BasketId](broker)
    products = InMemoryRepository[Product, ProductId](broker)
    orders = SqliteOrders(sqlite3.connect(":memory:"))
    bank = DemoBank({RICH: Money(500_00), POOR: Money(5_00)})
    await products.save(Product(product_id=ProductId("teapot"), on_shelf=3))
    await products.save(Product(product_id=ProductId("cup"), on_shelf=100))
    checkout = Checkout(
        baskets=baskets,
        products=products,
        orders=orders,
        gateway=bank,
        authorize=Authorize(bank),
        broker=broker,
    )
    return Shop(baskets, products, orders, bank, office, checkout)
