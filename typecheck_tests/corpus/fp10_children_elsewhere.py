"""The base is in the aggregate's module, its children and the handler are in this one."""

from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple

from fp10_aggregate import Shelf

from dddkit.dataclasses import ChangesHandler


@dataclass(frozen=True, kw_only=True)
class Put(Shelf.Changed):
    sku: str


@dataclass(frozen=True, kw_only=True)
class Taken(Shelf.Changed):
    sku: str


class Stock(NamedTuple):
    delta: dict[str, int]


class ShelfStock(ChangesHandler[Shelf, Stock]):
    result_type = Stock

    def _clear_state(self) -> None:
        self.delta: dict[str, int] = {}

    def _add(self, sku: str, by: int) -> None:
        self.delta[sku] = self.delta.get(sku, 0) + by

    @singledispatchmethod
    def handle_changes(self, event: object, shelf: Shelf) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Put, shelf: Shelf) -> None:
        self._add(event.sku, 1)

    @handle_changes.register
    def _(self, event: Taken, shelf: Shelf) -> None:
        self._add(event.sku, -1)


shelf = Shelf(1)
shelf.record(Put(sku="a"), Put(sku="b"), Taken(sku="a"))
assert ShelfStock()(shelf).delta == {"a": 0, "b": 1}
