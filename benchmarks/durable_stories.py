"""The same workflow four times: as a durable story and with DBOS by hand, async and sync. Steps only set a field.

Nothing here is imported before a row needs it: the environments of peers have no DBOS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dbos import DBOS, DBOSConfig

from dddkit.stories import I, Story, StoryState, variable
from dddkit.stories.dbos import Durable, settings

__all__ = ["Order", "Shop", "launched"]


class Order(StoryState):
    order_id: str
    reserved: str = variable()
    charged: str = variable()
    packed: str = variable()
    shipped: str = variable()
    thanked: str = variable()


class Checkout(Story):
    I.reserve
    I.charge
    I.pack
    I.ship
    I.thank

    async def reserve(self, state: Order) -> None:
        state.reserved = f"reserved {state.order_id}"

    async def charge(self, state: Order) -> None:
        state.charged = f"charged {state.order_id}"

    async def pack(self, state: Order) -> None:
        state.packed = f"packed {state.order_id}"

    async def ship(self, state: Order) -> None:
        state.shipped = f"shipped {state.order_id}"

    async def thank(self, state: Order) -> None:
        state.thanked = f"thanked {state.order_id}"


class SyncCheckout(Story):
    I.reserve
    I.charge
    I.pack
    I.ship
    I.thank

    def reserve(self, state: Order) -> None:
        state.reserved = f"reserved {state.order_id}"

    def charge(self, state: Order) -> None:
        state.charged = f"charged {state.order_id}"

    def pack(self, state: Order) -> None:
        state.packed = f"packed {state.order_id}"

    def ship(self, state: Order) -> None:
        state.shipped = f"shipped {state.order_id}"

    def thank(self, state: Order) -> None:
        state.thanked = f"thanked {state.order_id}"


Fields = dict[str, str]


class Shop(NamedTuple):
    """The workflow of a DBOS that is launched."""

    story: Durable[Order]
    sync_story: Durable[Order]
    by_hand: Callable[[Fields], Any]
    sync_by_hand: Callable[[Fields], Any]


def launched(url: str) -> Shop:
    """Launch a DBOS on this database, and end the one before."""
    DBOS.destroy(destroy_registry=True)
    config: DBOSConfig = settings("benchmarks", url)
    DBOS(config=config)
    shop = Shop(Durable(Checkout(), name="checkout"), Durable(SyncCheckout(), name="sync checkout"), *_by_hand())
    DBOS.launch()
    return shop


def _by_hand() -> tuple[Callable[[Fields], Any], Callable[[Fields], Any]]:
    """Return what somebody would write who knows that a step has to return what it changes."""

    @DBOS.step(name="reserve")
    async def reserve(order: Fields) -> Fields:
        return {"reserved": f"reserved {order['order_id']}"}

    @DBOS.step(name="charge")
    async def charge(order: Fields) -> Fields:
        return {"charged": f"charged {order['order_id']}"}

    @DBOS.step(name="pack")
    async def pack(order: Fields) -> Fields:
        return {"packed": f"packed {order['order_id']}"}

    @DBOS.step(name="ship")
    async def ship(order: Fields) -> Fields:
        return {"shipped": f"shipped {order['order_id']}"}

    @DBOS.step(name="thank")
    async def thank(order: Fields) -> Fields:
        return {"thanked": f"thanked {order['order_id']}"}

    @DBOS.workflow(name="by hand")
    async def by_hand(order: Fields) -> Fields:
        order |= await reserve(order)
        order |= await charge(order)
        order |= await pack(order)
        order |= await ship(order)
        order |= await thank(order)
        return order

    @DBOS.step(name="sync reserve")
    def sync_reserve(order: Fields) -> Fields:
        return {"reserved": f"reserved {order['order_id']}"}

    @DBOS.step(name="sync charge")
    def sync_charge(order: Fields) -> Fields:
        return {"charged": f"charged {order['order_id']}"}

    @DBOS.step(name="sync pack")
    def sync_pack(order: Fields) -> Fields:
        return {"packed": f"packed {order['order_id']}"}

    @DBOS.step(name="sync ship")
    def sync_ship(order: Fields) -> Fields:
        return {"shipped": f"shipped {order['order_id']}"}

    @DBOS.step(name="sync thank")
    def sync_thank(order: Fields) -> Fields:
        return {"thanked": f"thanked {order['order_id']}"}

    @DBOS.workflow(name="sync by hand")
    def sync_by_hand(order: Fields) -> Fields:
        order |= sync_reserve(order)
        order |= sync_charge(order)
        order |= sync_pack(order)
        order |= sync_ship(order)
        order |= sync_thank(order)
        return order

    return by_hand, sync_by_hand
