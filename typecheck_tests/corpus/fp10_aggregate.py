from dataclasses import dataclass

from dddkit.dataclasses import Aggregate, AggregateEvent


class Shelf(Aggregate):
    @dataclass(frozen=True, kw_only=True)
    class Changed(AggregateEvent):
        pass

    def __init__(self, shelf_id: int) -> None:
        self.shelf_id = shelf_id

    def record(self, *events: Changed) -> None:
        for event in events:
            self.add_event(event)


assert Shelf(1) == Shelf(1)
