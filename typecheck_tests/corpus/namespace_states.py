"""SimpleNamespace States as people write them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from dddkit.stories import I, Story

if TYPE_CHECKING:
    from decimal import Decimal


class Common(SimpleNamespace):
    trace: list[str]
    LIMITS: ClassVar[dict[str, int]] = {"max": 3}
    KINDS: Final = ["a", "b"]

    def log(self, text: str) -> Common:
        self.trace.append(text)
        return self


class Order(Common):
    order_id: int
    total: Decimal | int = 0
    note: str | None = None

    @property
    def size(self) -> int:
        return len(self.trace)


class Process(Story):
    I.check
    I.add
    I.optional
    I.finish

    State = Order

    def check(self, state: Order) -> None:
        assert state.order_id <= state.LIMITS["max"]
        state.log(state.KINDS[0]).log("checked")

    def add(self, state: Order) -> None:
        state.total += 2
        name = "coupon"
        if hasattr(state, "coupon"):
            state.total -= state.coupon
        setattr(state, name, 1)

    def optional(self, state: Order) -> None:
        found: Any = getattr(state, "gift", None)
        state.note = "none" if found is None else str(found)

    def finish(self, state: Order) -> None:
        self._finish(state)

    def _finish(self, state: Common) -> None:
        state.trace += ["finished"]


class Open(SimpleNamespace):
    def __getattr__(self, name: str) -> int:
        return len(name)


class Anything(Story):
    I.use

    State = Open

    def use(self, state: Open) -> None:
        state.sum = state.abc + state.de


order = Order(order_id=3, trace=[])
Process()(order)
assert (order.total, order.note, order.size) == (2, "none", 3)
anything = Open()
Anything()(anything)
assert anything.sum == 5
