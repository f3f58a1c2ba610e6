"""Events made by a function, in an aggregate that declares no field at all."""

from dataclasses import make_dataclass
from typing import Any

from dddkit.dataclasses import Aggregate, AggregateEvent, Entity


def make_event(name: str, *fields: str) -> type[AggregateEvent]:
    bases: tuple[type[Any], ...] = (AggregateEvent,)
    made: type[AggregateEvent] = make_dataclass(name, fields, bases=bases, frozen=True, kw_only=True)
    return made


class Door(Aggregate):
    Opened = make_event("Opened")
    Closed = make_event("Closed")

    def open(self) -> None:
        self.add_event(self.Opened())


class Gate(Door):
    Locked = make_event("Locked")


class Hinge(Entity):
    made_of = "steel"


door = Door()
door.open()
assert [type(event).__name__ for event in door.get_events()] == ["Opened"]
assert Gate() != Gate()
assert Hinge().made_of == "steel"
