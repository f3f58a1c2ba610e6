"""An aggregate, an entity and a repository of the dataclass flavour, without events."""

from dataclasses import dataclass, field
from typing import NewType

from dddkit.dataclasses import Aggregate, Entity, Repository

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

    @classmethod
    def new(cls, shelf_id: ShelfId):
        return cls(shelf_id=shelf_id)

    def weigh(self, box: Box):
        if known := self.boxes.get(box.box_id):
            known.weight = box.weight


class ShelfRepository(Repository[Shelf, ShelfId]):
    """Only declared, as the documentation does it."""


shelf = Shelf.new(ShelfId(1))
shelf.boxes[BoxId(7)] = Box(box_id=BoxId(7))
shelf.weigh(Box(box_id=BoxId(7), weight=2.5))
print(shelf.boxes[BoxId(7)].weight, ShelfRepository.__name__)
