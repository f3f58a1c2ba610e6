"""What the events of the shop are called outside of it. `events.lock.json` is what their readers may rely on.

After an additive change run `python -m examples.shop.messages`, and commit the file; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dddkit.messages import EventCatalog, lock_events

from .basket import Basket
from .letters import Letters
from .order import Order
from .stock import Product

LOCK: Final = Path(__file__).with_name("events.lock.json")

catalog: Final = EventCatalog("/shop")
catalog.add(Order.Placed, "order.placed")
catalog.add(Order.Cancelled, "order.cancelled")
catalog.add(Product.SoldOut, "product.sold_out")
catalog.private(Basket.ItemAdded, Basket.CheckedOut, Basket.Reopened)  # until there is an order, it is the customer's
catalog.private(Letters.Written)

if __name__ == "__main__":
    lock_events(catalog, LOCK)
