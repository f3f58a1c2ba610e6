"""Compensations that come from mixins, generic ones and abstract ones too, and from bases that list nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import attrs

from dddkit.stories import I, Story, StoryState, compensates

S = TypeVar("S", bound="HasLog", contravariant=True)


class Failed(Exception):
    pass


class HasLog(Protocol):
    log: list[str]


class Order(StoryState):
    number: int
    log: list[str] = []


class Charging(Generic[S]):
    def charge(self, state: S) -> None:
        state.log.append("charge")

    @compensates(charge)
    def refund(self, state: S) -> None:
        state.log.append("refund")

    @compensates("what no story lists")
    def other(self) -> None: ...


class Holding(ABC):
    @abstractmethod
    def hold(self, state: Order) -> None: ...

    @compensates(hold)
    @abstractmethod
    def let_go(self, state: Order) -> None: ...


class House(Story, ABC):
    @compensates("ship")
    def call_back(self, state: HasLog) -> None:
        state.log.append("call back")

    def fail(self, state: object) -> None:
        raise Failed


@attrs.frozen
class Checkout(Charging[Order], Holding, House):
    I.hold
    I.charge
    I.ship
    I.fail

    State = Order
    carrier: str

    def hold(self, state: Order) -> None:
        state.log.append("hold")

    def let_go(self, state: Order) -> None:
        state.log.append("let go")

    def ship(self, state: Order) -> None:
        state.log.append(self.carrier)


class Quick(Checkout):
    I.hold
    I.fail

    @compensates("hold")
    def drop(self, state: Order) -> None:
        self.let_go(state)
        state.log.append("drop")


def make(name: str) -> type[Story]:
    class Local(Charging[Order], House):
        I.charge
        I.fail

        @compensates("fail", even_if_failed=True)
        def unfail(self, state: Order) -> None:
            state.log.append(name)

    return Local


state = Order(number=1)
with suppress(Failed):
    Checkout("mail")(state)
assert state.log == ["hold", "charge", "mail", "call back", "refund", "let go"]
state = Order(number=2)
with suppress(Failed):
    Quick("mail")(state)
assert state.log == ["hold", "let go", "drop"]
state = Order(number=3)
with suppress(Failed):
    make("here")()(state)
assert state.log == ["charge", "here", "refund"]
