"""Identities that are computed: property, cached_property, an own property class, a decorator."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from dddkit.dataclasses import Aggregate, InMemoryRepository

S = TypeVar("S")
R = TypeVar("R")


class lazy(Generic[S, R]):
    def __init__(self, compute: Callable[[S], R]) -> None:
        self.compute = compute

    def __get__(self, instance: S, owner: Any) -> R:
        return self.compute(instance)

    def __set__(self, instance: S, value: R) -> None:
        raise AttributeError


@dataclass
class Meter(Aggregate):
    serial: str

    @property
    def id(self) -> str:
        return self.serial.upper()


@dataclass
class Sensor(Aggregate):
    maker: str
    number: int
    readings: list[float] = field(default_factory=list)

    @lazy
    def sensor_id(self) -> tuple[str, int]:
        return (self.maker, self.number)


@dataclass
class Probe(Aggregate):
    depth: int

    @cached_property
    def probe_id(self) -> int:
        return self.depth * 2


class Meters(InMemoryRepository[Meter, str]):
    pass


class Sensors(InMemoryRepository[Sensor, tuple[str, int]]):
    pass


class Probes(InMemoryRepository[Probe, int]):
    pass


assert Meter("a") == Meter("A")
assert Sensor("x", 1) == Sensor("x", 1, [2.0])
assert Probe(3).probe_id == 6
assert all([Meters(), Sensors(), Probes()])
