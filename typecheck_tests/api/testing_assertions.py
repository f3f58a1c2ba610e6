"""What checkers say about the assertions of the testing kit. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_type

import dddkit.pydantic
from dddkit.dataclasses import (
    Aggregate,
    AggregateEvent,
    DomainEvent,
    EventBroker,
    InMemoryRepository,
    SyncInMemoryRepository,
)
from dddkit.testing import assert_events, assert_same, given, recorded


class FullError(Exception):
    pass


@dataclass(frozen=True, kw_only=True)
class Boarded(AggregateEvent):
    seat: int


@dataclass(kw_only=True)
class Vehicle(Aggregate):
    id: int

    def stop(self, *, at: str) -> None: ...


class Bus(Vehicle):
    def board(self, name: str, seat: int = 0) -> bool:
        return bool(name) or bool(seat)


class Tram(dddkit.pydantic.Aggregate):
    id: int

    def ring(self, *times: float) -> None: ...


def paint(bus: Bus, colour: str) -> None: ...


bus = Bus(id=1)

# The arguments are those of the method, after the aggregate.

given(bus).when(Bus.board, "Ann").then(Boarded(seat=1), Boarded(seat=2))
given(bus).when(Bus.board, "Ann", seat=3).then()
given(bus).when(Bus.stop, at="market").then()
given(bus).when(Vehicle.stop, at="market").then()
given(bus).when(paint, "red").then()
given(Tram(id=1)).when(Tram.ring, 1, 2.5).then()
assert_type(given(bus).when(Bus.board, "Ann").then(), None)

given(bus).when(Bus.board, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a name is a text
given(bus).when(Bus.board)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # the name is missing
given(bus).when(Bus.board, "Ann", row=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # unknown
given(bus).when(Tram.ring, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of another class
given(bus).when(bus.board, "Ann")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of an object
given(None)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # a miss of `get`
given(Boarded(seat=1))  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # no aggregate

# The refusal is returned.

assert_type(given(bus).when(Bus.board, "Ann").then_refused(FullError), FullError)
assert_type(given(bus).when(Bus.board, "Ann").then_refused((FullError, FullError)), FullError)
given(bus).when(Bus.board, "Ann").then_refused(FullError())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # an object
given(bus).when(Bus.board, "Ann").then_refused(int)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # no exception

# Events and objects of any class.

assert_type(assert_events(bus.get_events(), Boarded(seat=1)), None)
assert_events([DomainEvent()], DomainEvent())
assert_events(bus, Boarded(seat=1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the aggregate
assert_type(assert_same(bus, Bus(id=1)), None)

broker = EventBroker()
with recorded(broker) as events:
    broker(DomainEvent())
assert_type(events, list[Any])
assert_events(events, DomainEvent())
recorded(EventBroker)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the class


# Everything that a repository in memory holds.


class Buses(InMemoryRepository[Bus, int]): ...


class SyncBuses(SyncInMemoryRepository[Bus, int]): ...


async def read(buses: Buses) -> None:
    assert_type(await buses.all(), list[Bus])
    assert_type(await buses.get(1), Bus | None)


assert_type(SyncBuses().all(), list[Bus])
assert_type(SyncBuses(broker).get(1), Bus | None)
assert_type(SyncBuses().save(bus), None)
SyncBuses().get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the identity is an int
SyncBuses(EventBroker)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the class
