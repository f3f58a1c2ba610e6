"""Handlers of a web framework: dependencies, background tasks, a story as the endpoint's work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Annotated, NamedTuple

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from pydantic import BaseModel

from dddkit.pydantic import Aggregate, AggregateEvent, ChangesHandler, DomainEvent, EventBroker, InMemoryRepository
from dddkit.stories import I, Story, StoryState, variable


class Booking(Aggregate):
    booking_id: int
    seats: int = 0

    class Booked(AggregateEvent):
        seats: int

    def book(self, seats: int) -> None:
        self.seats += seats
        self.add_event(self.Booked(seats=seats))


class SeatsBooked(DomainEvent):
    seats: int


class Changes(NamedTuple):
    events: list[DomainEvent]


class BookingChanges(ChangesHandler[Booking, Changes]):
    result_type = Changes

    def _clear_state(self) -> None:
        self.events: list[DomainEvent] = []

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, booking: Booking) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Booking.Booked, booking: Booking) -> None:
        self.events.append(SeatsBooked(seats=event.seats))


class Bookings(InMemoryRepository[Booking, int]):
    pass


@dataclass(frozen=True)
class Book(Story):
    I.load
    I.book
    I.save

    class State(StoryState):
        booking_id: int
        seats: int
        booking: Booking = variable()
        changes: Changes = variable()

    bookings: Bookings
    fold: BookingChanges

    async def load(self, state: State) -> None:
        found = await self.bookings.get(state.booking_id)
        if found is None:
            raise HTTPException(404)
        state.booking = found

    def book(self, state: State) -> None:
        state.booking.book(state.seats)

    async def save(self, state: State) -> None:
        with self.fold as changes_of:
            state.changes = changes_of(state.booking)
            await self.bookings.save(state.booking)


class Payload(BaseModel):
    seats: int


bookings = Bookings()
broker = EventBroker(unhandled="ignore")


def changes() -> Iterator[BookingChanges]:
    with BookingChanges() as handler:
        yield handler


def book_story(fold: Annotated[BookingChanges, Depends(changes)]) -> Book:
    return Book(bookings, fold)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await bookings.save(Booking(booking_id=1))
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/bookings/{booking_id}")
async def book(
    booking_id: int, payload: Payload, tasks: BackgroundTasks, story: Annotated[Book, Depends(book_story)]
) -> int:
    state = Book.State(booking_id=booking_id, seats=payload.seats)
    await story(state)
    for event in state.changes.events:
        tasks.add_task(broker, event)
        await broker(event)
    return state.booking.seats


async def main() -> None:
    async with lifespan(app):
        assert await book(1, Payload(seats=2), BackgroundTasks(), Book(bookings, BookingChanges())) == 2


asyncio.run(main())
