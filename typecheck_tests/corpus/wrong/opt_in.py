# mypy: enable-error-code="dddkit-repeated-step, dddkit-unlisted-step, dddkit-mutable-field, dddkit-aggregate-reference"
"""What only the rules for stricter projects report."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from dddkit import dataclasses as dc
from dddkit import pydantic as pd
from dddkit.stories import I, Story, StoryState

T = TypeVar("T")


def kept(function: Callable[[Any, Sell.State], None]) -> Callable[[Any, Sell.State], None]:
    return function


class Sell(Story):
    I.check
    I.sell
    I.check  # E: dddkit-repeated-step

    class State(StoryState):
        n: int

    def check(self, state: State) -> None: ...

    def sell(self, state: State) -> None: ...

    def forgotten(self, state: State) -> None: ...  # E: dddkit-unlisted-step

    async def later(self, order: Sell.State) -> None: ...  # E: dddkit-unlisted-step

    @kept  # E: dddkit-unlisted-step
    def decorated(self, state: State) -> None: ...

    @classmethod  # E: dddkit-unlisted-step
    def klass(cls, state: State) -> None: ...


class OfTuple(Story):
    I.go

    class State(NamedTuple):
        n: list[int]

    def go(self, state: State) -> None: ...

    def stop(self, state: State) -> None: ...  # E: dddkit-unlisted-step


class Sort(Story, Generic[T]):
    I.sort

    class State(StoryState):
        items: list[int]

    def sort(self, state: State) -> None: ...

    def shuffle(self, state: State) -> None: ...  # E: dddkit-unlisted-step


@dataclass(frozen=True)
class Tags(dc.ValueObject):
    tags: list[str]  # E: dddkit-mutable-field
    queue: tuple[deque[int], ...] = ()  # E: dddkit-mutable-field


class Sold(pd.DomainEvent):
    prices: dict[str, int] | None = None  # E: dddkit-mutable-field
    seen: set[int] = set()  # E: dddkit-mutable-field


class Customer(pd.Aggregate):
    id: int


@dataclass(kw_only=True)
class Shop(dc.Aggregate):
    id: int
    customers: dict[int, Customer] = field(default_factory=dict)  # E: dddkit-aggregate-reference
    best: Customer | None = None  # E: dddkit-aggregate-reference


@dataclass(kw_only=True)
class Line(dc.Entity):
    id: int
    shops: tuple[Shop, ...] = ()  # E: dddkit-aggregate-reference
