"""What the shop writes to its customers."""

from __future__ import annotations

from dataclasses import dataclass

from dddkit.dataclasses import Aggregate, AggregateEvent, Identity

from .order import OrderId


@dataclass(kw_only=True)
class Letters(Aggregate):
    """The letters about one order, in the order in which they were written."""

    order_id: Identity[OrderId]
    texts: tuple[str, ...] = ()

    @dataclass(frozen=True, kw_only=True)
    class Written(AggregateEvent):
        """A letter is ready for the post."""

        order_id: OrderId
        text: str

    def write(self, text: str) -> None:
        self.texts = (*self.texts, text)
        self.add_event(self.Written(order_id=self.order_id, text=text))
