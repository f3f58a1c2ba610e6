"""A changes handler; its stub has neither the handlers called `_` nor what `_clear_state` sets."""

from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler


@dataclass(kw_only=True)
class Shelf(Aggregate):
    shelf_id: int

    @dataclass(frozen=True, kw_only=True)
    class Filled(AggregateEvent):
        sku: str

    @dataclass(frozen=True, kw_only=True)
    class Cleared(AggregateEvent):
        pass


class Rows(NamedTuple):
    filled: list[str]
    cleared: int


class ShelfRows(ChangesHandler[Shelf, Rows]):
    result_type = Rows

    def _clear_state(self) -> None:
        self.filled: list[str] = []
        self.cleared = 0

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, shelf: Shelf) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Shelf.Filled, shelf: Shelf) -> None:
        self.filled.append(event.sku)

    @handle_changes.register
    def _(self, event: Shelf.Cleared, shelf: Shelf) -> None:
        self.cleared += 1
