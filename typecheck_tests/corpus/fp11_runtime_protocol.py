"""Inside `isinstance(state, RuntimeProtocol)` the attribute is there."""

from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

from typing_extensions import TypeGuard

from dddkit.stories import I, Story


@runtime_checkable
class HasCoupon(Protocol):
    coupon: str


@runtime_checkable
class HasGift(HasCoupon, Protocol):
    gift: str


def has_rebate(state: Any) -> TypeGuard["Discounted"]:
    return "rebate" in state.__dict__


class Discounted(Protocol):
    rebate: int


class Checkout(Story):
    I.redeem
    I.wrap
    I.guard
    I.early

    class State(SimpleNamespace):
        order_id: int
        log: tuple[str, ...] = ()

    def redeem(self, state: State) -> None:
        if isinstance(state, HasCoupon):
            state.log += (state.coupon,)

    def wrap(self, state: State) -> None:
        if isinstance(state, (HasGift, HasCoupon)) and state.coupon:
            assert isinstance(state, HasGift)
            state.log += (state.gift,)

    def guard(self, state: State) -> None:
        if has_rebate(state):
            print(end=str(state.rebate)[:0])

    def early(self, state: State) -> None:
        if not isinstance(state, HasGift):
            return
        state.gift = state.gift.upper()


plain = Checkout.State(order_id=1)
Checkout()(plain)
assert plain.log == ()
with_gift = Checkout.State(order_id=2, **{"coupon": "c", "gift": "g", "rebate": 3})
Checkout()(with_gift)
assert with_gift.log == ("c", "g")
assert vars(with_gift)["gift"] == "G"
