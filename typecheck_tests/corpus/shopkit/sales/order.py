from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shopkit.common import Aggregate, Event, OrderId, Repo, SkuText

if TYPE_CHECKING:
    from .stories import Add


@dataclass(kw_only=True)
class Order(Aggregate):
    order_id: OrderId
    skus: list[SkuText] = field(default_factory=list)

    @dataclass(frozen=True, kw_only=True)
    class Added(Event):
        sku: SkuText

    def apply(self, state: Add.State) -> None:
        self.skus.append(state.sku)
        self.add_event(self.Added(sku=state.sku))


class Orders(Repo[Order, OrderId]):
    _rows: dict[OrderId, Order]

    def __init__(self) -> None:
        self._rows = {}

    async def save(self, order: Order, /) -> None:
        self._rows[order.order_id] = order

    async def get(self, order_id: OrderId, /) -> Order | None:
        return self._rows.get(order_id)

    async def delete(self, order: Order, /) -> None:
        self._rows.pop(order.order_id)
