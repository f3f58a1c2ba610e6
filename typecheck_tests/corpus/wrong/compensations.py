"""Compensations that undo nothing, that cannot be called, and that read what is not there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from dddkit.stories import I, Story, StoryState, compensates, variable

REFUND: Final = "chrage"


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any) -> Any:
        print(function)
        return function(*arguments)

    return call


def helper(state: object) -> None: ...


class Checkout(Story):
    I.reserve
    I.charge
    I.ship

    class State(StoryState):
        order_id: int
        hold: str = variable()
        receipt: str = variable()

    def reserve(self, state: State) -> None:
        state.hold = "h"

    @compensates(reserve)
    def release(self, state: State) -> None:
        print(state.receipt)  # E: dddkit-state-order

    def charge(self, state: State) -> None:
        state.receipt = "r"

    @compensates(charge, even_if_failed=True)
    def refund(self, state: State) -> None:
        print(state.receipt)  # E: dddkit-state-order

    @compensates("charge")  # E: dddkit-compensation
    def apologise(self, state: State) -> None: ...

    @compensates(REFUND)  # E: dddkit-compensation
    def give_back(self, state: State) -> None: ...

    @compensates(helper)  # E: dddkit-compensation
    def help(self, state: State) -> None: ...

    @compensates(refund)  # E: dddkit-compensation
    def charge_again(self, state: State) -> None: ...

    @compensates(I.ship)  # E: dddkit-compensation
    def call_back(self, state: State) -> None: ...

    @logged
    @compensates("ship")  # E: dddkit-compensation
    def ship_back(self, state: State) -> None: ...

    @property
    @compensates("ship")  # E: dddkit-compensation
    def shipped(self) -> int:
        return 1

    def ship(self, state: State) -> None: ...


class Calls(Checkout):
    @compensates("reserve")
    def forget(self) -> None: ...  # E: dddkit-compensation

    @compensates("charge")
    def repay(self, state: Checkout.State, cents: int) -> None: ...  # E: dddkit-compensation

    @compensates("ship")
    def return_it(self, state: str) -> str:  # E: dddkit-compensation
        return state


class Listing(Checkout):
    I.charge
    I.refund  # E: dddkit-compensation


class Mixin:
    @compensates("pay")
    def unpay(self, state: Checkout.State, reason: str) -> None: ...


class Mixed(Mixin, Story):  # E: dddkit-compensation
    I.pay

    def pay(self, state: Checkout.State) -> None: ...


class Awaited(Story):
    I.pay

    def pay(self, state: object) -> None: ...

    @compensates(pay)
    async def unpay(self, state: object) -> None: ...


Awaited()(1)  # E: unused-coroutine
