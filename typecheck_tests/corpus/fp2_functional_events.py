"""`type()`, `new_class` and a class decorator make the events; pydantic too."""

from collections.abc import Callable
from types import new_class
from typing import Any, TypeVar

from pydantic import create_model

from dddkit import dataclasses as dc
from dddkit import pydantic as pd

T = TypeVar("T")


def with_events(*names: str) -> Callable[[type[T]], type[T]]:
    def decorate(cls: type[T]) -> type[T]:
        for name in names:
            setattr(cls, name, new_class(name, (dc.AggregateEvent,)))
        return cls

    return decorate


@with_events("Started", "Stopped")
class Engine(dc.Aggregate):
    Failed = type("Failed", (dc.AggregateEvent,), {})
    Repaired = new_class("Repaired", (dc.AggregateEvent,))

    def fail(self) -> None:
        self.add_event(self.Failed())
        self.add_event(Engine.Repaired())


class Pump(pd.Aggregate):
    pump_id: int


Primed: Any = create_model("Primed", __base__=pd.AggregateEvent, litres=(int, ...))

engine = Engine()
engine.fail()
assert len(engine.get_events()) == 2
pump = Pump(pump_id=1)
pump.add_event(Primed(litres=3))
assert len(pump.pull_events()) == 1
