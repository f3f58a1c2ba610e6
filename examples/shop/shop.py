"""The shop with all its parts connected and some stock."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from dddkit.dataclasses import EventBroker
from dddkit.sqlalchemy import Relay, embedded, to_consumers

from .checkout import Checkout
from .consumers import open_correspondence
from .handlers import Office, open_office
from .money import Money
from .payment import Authorize, CardToken, DemoBank
from .stock import Product, ProductId
from .unit import ShopUnit, metadata

RICH = CardToken("card-rich")
POOR = CardToken("card-poor")
PATIENCE = 30.0
"""Seconds, on a busy machine."""
STOCK = {ProductId("teapot"): 4, ProductId("cup"): 100}


@dataclass(frozen=True)
class Shop:
    """An open shop, with the parts that the examples read afterwards."""

    make_unit: Callable[[], ShopUnit]
    bank: DemoBank
    office: Office
    broker: EventBroker
    relay: Relay
    checkout: Checkout

    async def wait_for_letters(self) -> None:
        """Wait until all letters are written: until no message is left.

        Raises:
            TimeoutError: it takes too long; the log of the relay says why.
        """
        deadline = time.monotonic() + PATIENCE
        while waiting := (await self.relay.backlog()).waiting:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{waiting} messages wait in the outbox; look at the log of the relay")
            await asyncio.sleep(0.01)


@asynccontextmanager
async def open_shop(
    database: str | os.PathLike[str] = ":memory:", bank: DemoBank | None = None
) -> AsyncGenerator[Shop]:
    """Open a shop with 4 teapots, 100 cups and two customers; close it when the block ends.

    Its relay runs in this process, and begins with the messages of a process that has ended before they were published.

    Args:
        database: the file of its SQLite database. In memory, where nothing is said.
        bank: where the customers have their money. One of its own, where nothing is said.
    """
    office = Office()
    broker = open_office(office)
    engine = embedded(database, metadata)
    make_unit = partial(ShopUnit, engine, broker=broker)
    relay = Relay(engine, ShopUnit.outbox, to_consumers(open_correspondence(make_unit)))
    bank = bank or DemoBank({RICH: Money(500_00), POOR: Money(5_00)})
    try:
        async with make_unit() as unit:
            for product_id, number in STOCK.items():
                if await unit.products.get(product_id) is None:
                    await unit.products.save(Product(product_id=product_id, on_shelf=number))
            await unit.commit()
        async with relay:
            yield Shop(make_unit, bank, office, broker, relay, Checkout(make_unit, bank, Authorize(bank)))
    finally:
        await engine.dispose()
