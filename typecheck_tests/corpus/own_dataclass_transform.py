"""A decorator, a base and a metaclass of one's own that make dataclasses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from typing_extensions import dataclass_transform

from dddkit.dataclasses import Aggregate, AggregateEvent, DomainEvent, Entity, ValueObject
from dddkit.stories import I, Story, StoryState

T = TypeVar("T")


@overload
def entity(cls: type[T], /) -> type[T]: ...
@overload
def entity(*, slots: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def entity(cls: Any = None, /, *, slots: bool = False) -> Any:
    return (lambda it: dataclass(kw_only=True, slots=slots)(it))(cls) if cls else dataclass(kw_only=True, slots=slots)


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    return dataclass(frozen=True)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class AutoEvent(DomainEvent):
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True, kw_only=True)(cls)


@dataclass_transform(frozen_default=True)
class HouseStory(Story):
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclass(frozen=True)(cls)


@value
class Size(ValueObject):
    width: int
    height: int = 1


@entity
class Box(Entity):
    box_id: int
    size: Size


@entity(slots=True)
class Truck(Aggregate):
    id: int
    boxes: list[Box] = field(default_factory=list)

    @value
    class Loaded(AggregateEvent):
        box_id: int


class Departed(AutoEvent):
    truck: int


class Load(HouseStory):
    I.load

    class State(StoryState):
        truck: Truck

    size: Size

    def load(self, state: State) -> None:
        box = Box(box_id=1, size=self.size)
        state.truck.boxes.append(box)
        state.truck.add_event(Truck.Loaded(box.box_id))


truck = Truck(id=1)
Load(Size(2))(Load.State(truck=truck))
assert truck.boxes == [Box(box_id=1, size=Size(3))]
assert len(truck.get_events()) == 1
assert Departed(truck=1).truck == 1
