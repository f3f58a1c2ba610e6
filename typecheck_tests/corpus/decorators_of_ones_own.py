"""`dataclass` under other names, through functions and partials; what checkers see of them differs."""

import dataclasses as dc
import functools
from dataclasses import dataclass as record
from typing import Any, TypeVar

from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject
from dddkit.stories import I, Story, StoryState

T = TypeVar("T")
frozen: Any = record(frozen=True)
strict: Any = functools.partial(dc.dataclass, kw_only=True)


def identity(cls: type[T]) -> type[T]:
    return cls


def registered(registry: list[type]) -> Any:
    def decorate(cls: type[T]) -> type[T]:
        registry.append(cls)
        return cls

    return decorate


classes: list[type] = []


@frozen
class Size(ValueObject):
    width: int = 1


@strict(frozen=True)
class Shipped(DomainEvent):
    size: Size = Size()


@identity
@dc.dataclass(frozen=True)
class Weight(ValueObject):
    grams: int


@registered(classes)
@dc.dataclass(kw_only=True)
@identity
class Parcel(Aggregate):
    parcel_id: int

    @dc.dataclass(frozen=True, kw_only=True)
    class Weighed(AggregateEvent):
        weight: Weight

    def weigh(self, weight: Weight) -> None:
        self.add_event(self.Weighed(weight=weight))


@strict(slots=True)
class Label(Entity):
    label_id: int = 0


@registered(classes)
@record(frozen=True)
class Weigh(Story):
    I.weigh

    class State(StoryState):
        parcel: Parcel

    weight: Weight = Weight(3)

    def weigh(self, state: State) -> None:
        state.parcel.weigh(self.weight)


parcel = Parcel(parcel_id=1)
Weigh()(Weigh.State(parcel=parcel))
assert len(parcel.get_events()) == 1
assert Size() == Size()
assert Shipped().size == Size()
assert Label() == Label()
assert classes == [Parcel, Weigh]
