"""The same with models: a generic base, a discriminated union, a registered union of children."""

from functools import singledispatchmethod
from typing import Generic, Literal, NamedTuple, TypeVar

from dddkit.pydantic import Aggregate, AggregateEvent, ChangesHandler

T = TypeVar("T")


class Thermostat(Aggregate):
    id: int
    degrees: float = 20.0

    class Set(AggregateEvent, Generic[T]):
        value: T

    class Reported(AggregateEvent):
        kind: str


class DegreesSet(Thermostat.Set[float]):
    pass


class Heating(Thermostat.Reported):
    kind: Literal["heating"] = "heating"


class Cooling(Thermostat.Reported):
    kind: Literal["cooling"] = "cooling"


class Result(NamedTuple):
    degrees: float
    kinds: list[str]


class Fold(ChangesHandler[Thermostat, Result]):
    result_type = Result

    def _clear_state(self) -> None:
        self.degrees, self.kinds = 0.0, list[str]()

    @singledispatchmethod
    def handle_changes(self, event: AggregateEvent, aggregate: Thermostat) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: DegreesSet, aggregate: Thermostat) -> None:
        self.degrees = event.value

    @handle_changes.register(Heating)
    @handle_changes.register(Cooling)
    def _(self, event: Heating | Cooling, aggregate: Thermostat) -> None:
        self.kinds.append(event.kind)


thermostat = Thermostat(id=1)
thermostat.add_event(DegreesSet(value=21.5))
thermostat.add_event(Heating())
thermostat.add_event(Cooling())
assert Fold()(thermostat) == (21.5, ["heating", "cooling"])
