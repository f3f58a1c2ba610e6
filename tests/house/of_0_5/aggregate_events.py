"""Events that stand in their aggregate: one without fields, one with an entity, one that derives from another."""

from dataclasses import dataclass, field
from typing import NewType

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity

ShelfId = NewType("ShelfId", int)
BoxId = NewType("BoxId", int)


@dataclass(kw_only=True)
class Box(Entity):
    box_id: BoxId
    weight: float = 0


@dataclass(kw_only=True)
class Shelf(Aggregate):
    shelf_id: ShelfId
    boxes: dict[BoxId, Box] = field(default_factory=dict)

    @dataclass(frozen=True, kw_only=True)
    class Created(AggregateEvent):
        """A shelf has been put up."""

    class Changed(AggregateEvent):
        """Something about a shelf is different."""

    @dataclass(frozen=True, kw_only=True)
    class Weighed(Changed):
        box: Box

    @classmethod
    def new(cls, shelf_id: ShelfId):
        shelf = cls(shelf_id=shelf_id)
        shelf.add_event(cls.Created())
        return shelf

    def weigh(self, box: Box):
        if known := self.boxes.get(box.box_id):
            known.weight = box.weight
            self.add_event(self.Weighed(box=known))


shelf = Shelf.new(ShelfId(1))
shelf.boxes[BoxId(7)] = Box(box_id=BoxId(7))
shelf.weigh(Box(box_id=BoxId(7), weight=2.5))
created, weighed = shelf.get_events()
print(type(created).__name__, created.occurred_on.utcoffset(), weighed.box.weight, isinstance(weighed, Shelf.Changed))
shelf.clear_events()
print(shelf.get_events())
