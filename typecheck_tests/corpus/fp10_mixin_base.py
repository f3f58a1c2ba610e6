"""The nested base serves several aggregates' events; children nested in other classes and in a function's result."""

from dataclasses import dataclass
from functools import singledispatchmethod
from typing import NamedTuple

from dddkit.dataclasses import Aggregate, AggregateEvent, ChangesHandler


@dataclass(kw_only=True)
class Room(Aggregate):
    room_id: str

    @dataclass(frozen=True, kw_only=True)
    class Event(AggregateEvent):
        by: str = "system"


class Events:
    """A namespace, as in Elm: all events of the module."""

    @dataclass(frozen=True, kw_only=True)
    class Booked(Room.Event):
        nights: int

    @dataclass(frozen=True, kw_only=True)
    class Cancelled(Room.Event):
        pass


class Nights(NamedTuple):
    nights: int
    log: tuple[str, ...]


class RoomNights(ChangesHandler[Room, Nights]):
    result_type = Nights
    nights: int
    log: tuple[str, ...]

    def _clear_state(self) -> None:
        self.nights = 0
        self.log = ()

    @singledispatchmethod
    def handle_changes(self, event: Room.Event, room: Room) -> None:
        raise NotImplementedError

    @handle_changes.register
    def booked(self, event: Events.Booked, room: Room) -> None:
        self.nights += event.nights
        self.log += (event.by,)

    @handle_changes.register
    def cancelled(self, event: Events.Cancelled, room: Room) -> None:
        self.nights = 0
        self.log += (event.by,)


room = Room(room_id="1a")
room.add_event(Events.Booked(nights=2, by="ada"))
room.add_event(Events.Cancelled())
room.add_event(Events.Booked(nights=3))
assert RoomNights()(room) == Nights(3, ("ada", "system", "system"))
