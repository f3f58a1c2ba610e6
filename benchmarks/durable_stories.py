"""The same workflow as a durable story and with DBOS by hand, async and sync, short and long. Steps only set a field.

The long one does the five steps of the short one LONG times: what it takes more is what its further steps take.

Nothing here is imported before a row needs it: the environments of peers have no DBOS.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, Final, NamedTuple

from dbos import DBOS, DBOSConfig

from dddkit.stories import I, Story, StoryState, variable
from dddkit.stories.dbos import Durable, settings

__all__ = ["LONG", "Order", "Shop", "launched"]

LONG: Final = 5

_numbers: Final = count()


def _done(what: str, order_id: str) -> str:
    """Return what a step sets: another value each time, so that each step of the long workflow changes a field."""
    return f"{what} {order_id} {next(_numbers)}"


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
        state.reserved = _done("reserved", state.order_id)

    async def charge(self, state: Order) -> None:
        state.charged = _done("charged", state.order_id)

    async def pack(self, state: Order) -> None:
        state.packed = _done("packed", state.order_id)

    async def ship(self, state: Order) -> None:
        state.shipped = _done("shipped", state.order_id)

    async def thank(self, state: Order) -> None:
        state.thanked = _done("thanked", state.order_id)


class SyncCheckout(Story):
    I.reserve
    I.charge
    I.pack
    I.ship
    I.thank

    def reserve(self, state: Order) -> None:
        state.reserved = _done("reserved", state.order_id)

    def charge(self, state: Order) -> None:
        state.charged = _done("charged", state.order_id)

    def pack(self, state: Order) -> None:
        state.packed = _done("packed", state.order_id)

    def ship(self, state: Order) -> None:
        state.shipped = _done("shipped", state.order_id)

    def thank(self, state: Order) -> None:
        state.thanked = _done("thanked", state.order_id)


class LongCheckout(Checkout):
    for _ in range(LONG):
        I.reserve
        I.charge
        I.pack
        I.ship
        I.thank


class LongSyncCheckout(SyncCheckout):
    for _ in range(LONG):
        I.reserve
        I.charge
        I.pack
        I.ship
        I.thank


Fields = dict[str, str]
Workflow = Callable[[Fields], Any]


class Shop(NamedTuple):
    """The workflow of a DBOS that is launched."""

    story: Durable[Order]
    long_story: Durable[Order]
    sync_story: Durable[Order]
    long_sync_story: Durable[Order]
    by_hand: Workflow
    long_by_hand: Workflow
    sync_by_hand: Workflow
    long_sync_by_hand: Workflow


def launched(url: str) -> Shop:
    """Launch a DBOS on this database, and end the one before."""
    DBOS.destroy(destroy_registry=True)
    config: DBOSConfig = settings("benchmarks", url)
    DBOS(config=config)
    shop = Shop(
        Durable(Checkout(), name="checkout"),
        Durable(LongCheckout(), name="long checkout"),
        Durable(SyncCheckout(), name="sync checkout"),
        Durable(LongSyncCheckout(), name="long sync checkout"),
        *_by_hand(),
        *_sync_by_hand(),
    )
    DBOS.launch()
    return shop


def _by_hand() -> tuple[Workflow, Workflow]:
    """Return what somebody would write who knows that a step has to return what it changes: short, and long."""

    @DBOS.step(name="reserve")
    async def reserve(order: Fields) -> Fields:
        return {"reserved": _done("reserved", order["order_id"])}

    @DBOS.step(name="charge")
    async def charge(order: Fields) -> Fields:
        return {"charged": _done("charged", order["order_id"])}

    @DBOS.step(name="pack")
    async def pack(order: Fields) -> Fields:
        return {"packed": _done("packed", order["order_id"])}

    @DBOS.step(name="ship")
    async def ship(order: Fields) -> Fields:
        return {"shipped": _done("shipped", order["order_id"])}

    @DBOS.step(name="thank")
    async def thank(order: Fields) -> Fields:
        return {"thanked": _done("thanked", order["order_id"])}

    @DBOS.workflow(name="by hand")
    async def by_hand(order: Fields) -> Fields:
        order |= await reserve(order)
        order |= await charge(order)
        order |= await pack(order)
        order |= await ship(order)
        order |= await thank(order)
        return order

    @DBOS.workflow(name="long by hand")
    async def long_by_hand(order: Fields) -> Fields:
        for _ in range(LONG):
            order |= await reserve(order)
            order |= await charge(order)
            order |= await pack(order)
            order |= await ship(order)
            order |= await thank(order)
        return order

    return by_hand, long_by_hand


def _sync_by_hand() -> tuple[Workflow, Workflow]:
    @DBOS.step(name="sync reserve")
    def reserve(order: Fields) -> Fields:
        return {"reserved": _done("reserved", order["order_id"])}

    @DBOS.step(name="sync charge")
    def charge(order: Fields) -> Fields:
        return {"charged": _done("charged", order["order_id"])}

    @DBOS.step(name="sync pack")
    def pack(order: Fields) -> Fields:
        return {"packed": _done("packed", order["order_id"])}

    @DBOS.step(name="sync ship")
    def ship(order: Fields) -> Fields:
        return {"shipped": _done("shipped", order["order_id"])}

    @DBOS.step(name="sync thank")
    def thank(order: Fields) -> Fields:
        return {"thanked": _done("thanked", order["order_id"])}

    @DBOS.workflow(name="sync by hand")
    def by_hand(order: Fields) -> Fields:
        order |= reserve(order)
        order |= charge(order)
        order |= pack(order)
        order |= ship(order)
        order |= thank(order)
        return order

    @DBOS.workflow(name="long sync by hand")
    def long_by_hand(order: Fields) -> Fields:
        for _ in range(LONG):
            order |= reserve(order)
            order |= charge(order)
            order |= pack(order)
            order |= ship(order)
            order |= thank(order)
        return order

    return by_hand, long_by_hand
