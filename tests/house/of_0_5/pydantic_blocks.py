"""An aggregate, an entity and a repository of the pydantic flavour; an event that is imported with them."""

from typing import NewType

from pydantic import Field

from dddkit.pydantic import Aggregate, AggregateEvent, Entity, Repository

ShelfId = NewType("ShelfId", int)
BoxId = NewType("BoxId", int)


class Box(Entity):
    box_id: BoxId
    weight: float = 0


class Shelf(Aggregate):
    shelf_id: ShelfId
    boxes: dict[BoxId, Box] = Field(default_factory=dict)

    class Weighed(AggregateEvent):
        box_id: BoxId

    @classmethod
    def new(cls, shelf_id: ShelfId):
        return cls(shelf_id=shelf_id)

    def weigh(self, box: Box):
        if known := self.boxes.get(box.box_id):
            known.weight = box.weight
            self.add_event(self.Weighed(box_id=box.box_id))


class ShelfRepository(Repository[Shelf, ShelfId]):
    """Only declared, as the documentation does it."""


shelf = Shelf.new(ShelfId(1))
shelf.boxes[BoxId(7)] = Box(box_id=BoxId(7))
shelf.weigh(Box(box_id=BoxId(7), weight=2.5))
print(shelf.boxes[BoxId(7)].weight, [type(event).__name__ for event in shelf.get_events()], ShelfRepository.__name__)
