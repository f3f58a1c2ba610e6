"""`__init_subclass__` with keywords, `__set_name__`, class decorators, a metaclass, descriptors in stories."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar, overload

from typing_extensions import Self

from dddkit.dataclasses import Aggregate, AggregateEvent
from dddkit.stories import I, Story, StoryState

T = TypeVar("T")
StoryT = TypeVar("StoryT", bound=Story)


class Registered:
    registry: ClassVar[dict[str, type[Any]]] = {}

    def __init_subclass__(cls, *, key: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Registered.registry[key or cls.__name__] = cls


class Setting(Generic[T]):
    def __init__(self, default: T) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        value: T = getattr(instance, self.name, self.default)
        return value

    def __set__(self, instance: object, value: T) -> None:
        setattr(instance, self.name, value)


def versioned(number: int) -> Any:
    def decorate(cls: type[StoryT]) -> type[StoryT]:
        setattr(cls, "version", number)
        return cls

    return decorate


@versioned(2)
class Import(Registered, Story, key="import"):
    I.read
    I.store

    class State(StoryState):
        rows: list[int] = []
        size: int = 0

    limit = Setting(10)
    chunk: Setting[int] = Setting(3)

    def read(self, state: State) -> None:
        state.rows.extend(range(self.limit))

    def store(self, state: State) -> None:
        state.size = len(state.rows) // self.chunk


class Batch(Registered, Aggregate, key="batch"):
    size = Setting(1)

    class Grown(Registered, AggregateEvent, key="grown"):
        pass

    def __init__(self, batch_id: int) -> None:
        self.batch_id = batch_id

    def grow(self) -> None:
        self.size += 1
        self.add_event(self.Grown())


assert set(Registered.registry) == {"import", "batch", "grown"}
story = Import()
story.limit = 6
story(state := Import.State())
assert state.size == 2
batch = Batch(1)
batch.grow()
assert (batch.size, len(batch.get_events())) == (2, 1)
