from __future__ import annotations

from dataclasses import dataclass

import shopkit.common as kit
from shopkit.common import I

from . import order as _order

__all__ = ["Add", "Pay"]


@dataclass(frozen=True)
class Add(kit.Story):
    I.load
    I.apply
    I.save

    class State(kit.StoryState):
        order_id: kit.OrderId
        sku: kit.SkuText
        order: _order.Order = kit.variable()

    orders: _order.Orders

    async def load(self, state: State) -> None:
        found = await self.orders.get(state.order_id)
        state.order = found or _order.Order(order_id=state.order_id)

    def apply(self, state: State) -> None:
        state.order.apply(state)

    async def save(self, state: State) -> None:
        await self.orders.save(state.order)


@dataclass(frozen=True)
class Pay(Add):
    I.load
    I.pay

    def pay(self, state: Add.State) -> None:
        state.order.skus.clear()
