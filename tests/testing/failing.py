"""Five assertions that fail, one for each kind; `test_failures.py` pins what a user sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NewType

from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, Entity, EventBroker, ValueObject
from dddkit.testing import assert_events, assert_same, given, recorded

RoomId = NewType("RoomId", int)


class TakenError(Exception):
    pass


@dataclass(frozen=True, kw_only=True)
class Price(ValueObject):
    cents: int
    currency: str = "EUR"


@dataclass(kw_only=True)
class Night(Entity):
    id: int
    guest: str | None = None
    price: Price = Price(cents=90_00)


@dataclass(frozen=True, kw_only=True)
class BookingFailed(DomainEvent):
    guest: str


@dataclass(kw_only=True)
class Room(Aggregate):
    room_id: RoomId
    nights: list[Night] = field(default_factory=list[Night])

    @dataclass(frozen=True, kw_only=True)
    class Booked(AggregateEvent):
        guest: str
        nights: int

    def book(self, guest: str, nights: int) -> None:
        for night in self.nights[:nights]:
            if night.guest is not None:
                raise TakenError(f"night {night.id} is taken")
            night.guest = guest
        self.add_event(self.Booked(guest=guest, nights=nights))


def room(*guests: str | None) -> Room:
    return Room(room_id=RoomId(7), nights=[Night(id=number, guest=guest) for number, guest in enumerate(guests, 1)])


def then_other_events() -> None:
    given(room(None, None)).when(Room.book, "Ann", 2).then(Room.Booked(guest="Ann", nights=1))


def then_refused_after_a_change() -> None:
    given(room(None, "Bob")).when(Room.book, "Ann", 2).then_refused(TakenError)


def then_refused_what_is_allowed() -> None:
    given(room(None)).when(Room.book, "Ann", 1).then_refused(TakenError)


def events_of_a_broker() -> None:
    broker = EventBroker()
    with recorded(broker) as events:
        broker(BookingFailed(guest="Ann"))
    assert_events(events, BookingFailed(guest="Bob"), BookingFailed(guest="Ann"))


def aggregates_that_equal_each_other() -> None:
    cheap = room("Ann", None)
    cheap.nights[0].price = Price(cents=45_00)
    assert_same(cheap, room("Ann", "Bob"))


FAILING = (
    then_other_events,
    then_refused_after_a_change,
    then_refused_what_is_allowed,
    events_of_a_broker,
    aggregates_that_equal_each_other,
)
