"""The consumer of the shop, which writes to the customers.

A letter must not get lost, and a process may be killed before the handlers of its broker run. The outbox has the
message then. The relay brings it to the consumer, perhaps more than once, and the consumer writes the letter once.
"""

from __future__ import annotations

from collections.abc import Callable

from dddkit.sqlalchemy import Consumer

from .messages import catalog
from .order import Order
from .unit import ShopUnit


def open_correspondence(make_unit: Callable[[], ShopUnit]) -> Consumer[ShopUnit]:
    """Return the consumer that writes about orders; a letter and the note that it is written are one transaction."""
    correspondence = Consumer("correspondence", catalog, make_unit)

    @correspondence.on(Order.Placed)
    async def send_receipt(event: Order.Placed, unit: ShopUnit) -> None:
        letters = await unit.letters_about(event.order_id)
        letters.write(f"thank you, that is {event.total}")

    @correspondence.on(Order.Cancelled)
    async def send_regrets(event: Order.Cancelled, unit: ShopUnit) -> None:
        letters = await unit.letters_about(event.order_id)
        letters.write("cancelled, you pay nothing")

    return correspondence
