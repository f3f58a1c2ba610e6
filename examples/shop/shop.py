"""The shop with all its parts connected and some stock."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from dddkit.dataclasses import EventBroker
from dddkit.sqlalchemy import embedded

from .checkout import Checkout
from .handlers import Office, open_office
from .money import Money
from .payment import Authorize, CardToken, DemoBank
from .stock import Product, ProductId
from .unit import ShopUnit, metadata

RICH = CardToken("card-rich")
POOR = CardToken("card-poor")
STOCK = {ProductId("teapot"): 4, ProductId("cup"): 100}


@dataclass(frozen=True)
class Shop:
    """An open shop, with the parts that the examples read afterwards."""

    make_unit: Callable[[], ShopUnit]
    bank: DemoBank
    office: Office
    broker: EventBroker
    checkout: Checkout


@asynccontextmanager
async def open_shop(database: str | os.PathLike[str] = ":memory:") -> AsyncGenerator[Shop]:
    """Open a shop with 4 teapots, 100 cups and two customers; close it when the block ends.

    Args:
        database: the file of its SQLite database. In memory, where nothing is said.
    """
    office = Office()
    broker = open_office(office)
    engine = embedded(database, metadata)
    make_unit = partial(ShopUnit, engine, broker=broker)
    bank = DemoBank({RICH: Money(500_00), POOR: Money(5_00)})
    try:
        async with make_unit() as unit:
            for product_id, number in STOCK.items():
                if await unit.products.get(product_id) is None:
                    await unit.products.save(Product(product_id=product_id, on_shelf=number))
            await unit.commit()
        yield Shop(make_unit, bank, office, broker, Checkout(make_unit, bank, Authorize(bank)))
    finally:
        await engine.dispose()
