"""A changes handler and a repository that stores what it has folded and publishes what has happened."""

import asyncio
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any, NamedTuple, NewType

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler, DomainEvent, EventBroker, Repository

ShelfId = NewType("ShelfId", int)


@dataclass(kw_only=True)
class Shelf(Aggregate):
    shelf_id: ShelfId
    name: str = ""

    class Created(AggregateEvent):
        """A shelf has been put up."""

    @dataclass(frozen=True, kw_only=True)
    class Renamed(AggregateEvent):
        name: str

    class Removed(AggregateEvent):
        """A shelf has been taken down."""


class Rows(NamedTuple):
    created_fields: dict[str, Any] = {}
    updated_fields: dict[str, Any] = {}
    removed_ids: list[ShelfId] = []
    domain_events: list[DomainEvent] = []


class ShelfChanges(ChangesHandler[Shelf, Rows]):
    __slots__ = ("created_fields", "domain_events", "removed_ids", "updated_fields")

    result_type = Rows

    def _clear_state(self) -> None:
        self.created_fields = {}
        self.updated_fields = {}
        self.removed_ids = []
        self.domain_events = []

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, shelf: Shelf) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, _: Shelf.Created, shelf: Shelf) -> None:
        self.created_fields["id"] = shelf.shelf_id
        self.domain_events.append(DomainEvent())

    @handle_changes.register
    def _(self, event: Shelf.Renamed, _: Shelf) -> None:
        self.updated_fields["name"] = event.name

    @handle_changes.register
    def _(self, _: Shelf.Removed, shelf: Shelf) -> None:
        self.removed_ids.append(shelf.shelf_id)


broker = EventBroker()


@broker.instance(DomainEvent)
async def tell(event: DomainEvent):
    print("told")


class Shelves(Repository[Shelf, ShelfId]):
    def __init__(self, changes: ShelfChanges):
        self.stored: dict[ShelfId, Shelf] = {}
        self.changes = changes

    async def save(self, shelf: Shelf) -> None:
        with self.changes as changes:
            rows = changes(shelf)
            print(rows.created_fields, rows.updated_fields, rows.removed_ids)
            if rows.created_fields or rows.updated_fields:
                self.stored[shelf.shelf_id] = shelf
            for shelf_id in rows.removed_ids:
                self.stored.pop(shelf_id, None)
            for event in rows.domain_events:
                await broker(event)

    async def get(self, shelf_id: ShelfId) -> "Shelf | None":
        return self.stored.get(shelf_id)

    async def delete(self, shelf: Shelf) -> None:
        self.stored.pop(shelf.shelf_id, None)


async def main():
    shelves = Shelves(ShelfChanges())
    shelf = Shelf(shelf_id=ShelfId(1))
    shelf.add_event(Shelf.Created())
    shelf.add_event(Shelf.Renamed(name="teas"))
    await shelves.save(shelf)
    print(await shelves.get(ShelfId(1)) is shelf, shelf.get_events())
    shelf.add_event(Shelf.Removed())
    await shelves.save(shelf)
    print(await shelves.get(ShelfId(1)))


asyncio.run(main())
