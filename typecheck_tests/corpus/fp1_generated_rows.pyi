from dataclasses import dataclass
from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler
from functools import singledispatchmethod
from typing import NamedTuple

@dataclass(kw_only=True)
class Shelf(Aggregate):
    shelf_id: int
    @dataclass(frozen=True, kw_only=True)
    class Filled(AggregateEvent):
        sku: str
    @dataclass(frozen=True, kw_only=True)
    class Cleared(AggregateEvent): ...

class Rows(NamedTuple):
    filled: list[str]
    cleared: int

class ShelfRows(ChangesHandler[Shelf, Rows]):
    result_type = Rows
    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, shelf: Shelf) -> None: ...
