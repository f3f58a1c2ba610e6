"""Handlers of changes in other ways than the page shows: match, a table, mixins, a generic base, properties."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any, Generic, NamedTuple, TypeVar

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler

AggregateT = TypeVar("AggregateT", bound=Aggregate)
RowsT = TypeVar("RowsT", bound=tuple[Any, ...])


@dataclass(kw_only=True)
class Stock(Aggregate):
    stock_id: int

    @dataclass(frozen=True, kw_only=True)
    class In(AggregateEvent):
        sku: str

    @dataclass(frozen=True, kw_only=True)
    class Out(AggregateEvent):
        sku: str


class Rows(NamedTuple):
    delta: dict[str, int]
    size: int
    source: str = "stock"


class ByMatch(ChangesHandler[Stock, Rows]):
    result_type = Rows

    def _clear_state(self) -> None:
        self.delta, self.size = Counter[str](), 0

    def handle_changes(self, event: object, aggregate: Stock) -> None:
        self.size += 1
        match event:
            case Stock.In(sku=sku):
                self.delta[sku] += 1
            case Stock.Out(sku=sku):
                self.delta[sku] -= 1
            case _:
                raise TypeError(event)


class ByTable(ChangesHandler[Stock, Rows]):
    result_type = Rows

    def __init__(self) -> None:
        self._table: dict[type, Callable[[Any, Any], None]] = {Stock.In: ByTable._in, Stock.Out: ByTable._out}

    def _clear_state(self) -> None:
        self.delta: dict[str, int] = defaultdict(int)

    @property
    def size(self) -> int:
        return len(self.delta)

    def _in(self, event: Stock.In) -> None:
        self.delta[event.sku] += 1

    def _out(self, event: Stock.Out) -> None:
        self.delta[event.sku] -= 1

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, stock: Stock) -> None:
        self._table[type(event)](self, event)


class Counting:
    size: int

    def _clear_state(self) -> None:
        self.size = 0
        super()._clear_state()  # type: ignore[misc]


class Base(ChangesHandler[AggregateT, RowsT], ABC, Generic[AggregateT, RowsT]):
    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, aggregate: AggregateT) -> None:
        self.unknown(event)

    @abstractmethod
    def unknown(self, event: AggregateEvent) -> None: ...


class FromBase(Counting, Base[Stock, Rows]):
    result_type = Rows

    def _clear_state(self) -> None:
        super()._clear_state()
        self.delta = dict[str, int]()

    def unknown(self, event: AggregateEvent) -> None:
        self.size += 1


class Child(ByTable):
    source = "child"

    def _out(self, event: Stock.Out) -> None:
        self.delta[event.sku] = 0


stock = Stock(stock_id=1)


def fold(handler: ChangesHandler[Stock, Rows]) -> Rows:
    for event in (Stock.In(sku="a"), Stock.Out(sku="a"), Stock.In(sku="b")):
        stock.add_event(event)
    return handler(stock)


assert fold(ByMatch()) == ({"a": 0, "b": 1}, 3, "stock")
assert fold(ByTable()) == ({"a": 0, "b": 1}, 2, "stock")
assert fold(FromBase()) == ({}, 3, "stock")
assert fold(Child()).source == "child"
