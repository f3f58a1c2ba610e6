"""Reads that a guard does not save, and names that nobody asks for: silence must not spread."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

from dddkit.stories import I, Story, StoryState, variable


class Unrelated(Story):
    I.by_other_flag
    I.by_own_field
    I.by_early_return
    I.by_plain_with
    I.by_finally
    I.by_wrong_except
    I.set

    class State(StoryState):
        verbose: bool
        ready: bool = False
        a: int = variable()
        b: int = variable()
        c: int = variable()
        d: int = variable()
        e: int = variable()
        f: int = variable()

    level: int = 3

    def by_other_flag(self, state: State) -> None:
        if state.verbose:  # no step raises it
            print(state.a)  # E: dddkit-state-order

    def by_own_field(self, state: State) -> None:
        if self.level > 1:
            print(state.b)  # E: dddkit-state-order

    def by_early_return(self, state: State) -> None:
        if self.level:
            return
        print(state.c)  # E: dddkit-state-order

    def by_plain_with(self, state: State) -> None:
        with open("/dev/null") as file:
            file.write(f"{state.d}")  # E: dddkit-state-order

    def by_finally(self, state: State) -> None:
        try:
            print(end="")
        finally:
            print(state.e)  # E: dddkit-state-order

    def by_wrong_except(self, state: State) -> None:
        try:
            print(state.f)  # E: dddkit-state-order
        except ValueError:
            pass

    def set(self, state: State) -> None:
        state.a = state.b = state.c = state.d = state.e = state.f = 1
        state.ready = True


class AfterTheGuard(Story):
    I.read
    I.set

    class State(StoryState):
        ready: bool = False
        a: int = variable()
        b: int = variable()

    def read(self, state: State) -> None:
        if state.ready:
            print(state.a)
        print(state.b)  # E: dddkit-state-order

    def set(self, state: State) -> None:
        state.a = state.b = 1
        state.ready = True


@runtime_checkable
class HasCoupon(Protocol):
    coupon: str


class Names(Story):
    I.other_name
    I.outside
    I.wrong_except
    I.not_has

    class State(SimpleNamespace):
        total: int = 0

    def other_name(self, state: State) -> None:
        if isinstance(state, HasCoupon):
            print(state.coupon)
        print(state.totl)  # E: dddkit-undeclared-state

    def outside(self, state: State) -> None:
        try:
            print(state.first)
        except AttributeError:
            print(state.second)  # E: dddkit-undeclared-state

    def wrong_except(self, state: State) -> None:
        try:
            print(state.third)  # E: dddkit-undeclared-state
        except KeyError:
            pass
        with contextlib.suppress(OSError):
            state.fourth = 4  # E: dddkit-undeclared-state

    def not_has(self, state: State) -> None:
        if "fifth" in vars(state):
            print(state.fifth)
        state.fith = 5  # E: dddkit-undeclared-state


class Outer(Story):
    I.start
    I.inner
    I.finish

    class State(StoryState):
        x: int = variable()
        y: int = variable()

    def start(self, state: State) -> None:
        print(state.y)  # E: dddkit-state-order

    def inner(self, state: State) -> None:
        state.x = 1

    def finish(self, state: State) -> None:
        state.y = state.x


class Late(Story):
    I.read
    I.write

    class State(StoryState):
        text: str
        n: int = variable()

        @property
        def title(self) -> str:
            return self.text.title()

    def read(self, state: State) -> None:
        print(state.n)  # E: dddkit-state-order

    def write(self, state: State) -> None:
        state.n = 1


@dataclass(frozen=True)
class Comprehensions(Story):
    I.all
    I.some
    I.late
    I.set

    class State(StoryState):
        prices: list[int]
        rate: int = variable()
        tax: int = variable()
        name: str = variable()

    def all(self, state: State) -> None:
        assert all(price > state.rate for price in state.prices)  # E: dddkit-state-order

    def some(self, state: State) -> None:
        print({price: state.tax for price in state.prices})  # E: dddkit-state-order

    def late(self, state: State) -> None:
        print(", ".join(sorted(f"{state.name}{price}" for price in state.prices)))  # E: dddkit-state-order

    def set(self, state: State) -> None:
        state.rate = state.tax = 1
        state.name = "n"


def report(state: Names.State, anything: Any) -> None:
    if hasattr(anything, "sixth"):
        print(state.total)
    print(state.seventh)  # E: dddkit-undeclared-state
