from types import SimpleNamespace
from dddkit.dataclasses import AggregateEvent, DomainEvent, Entity, ValueObject
from dddkit.stories import Story

class Money(ValueObject):
    cents: int
    def __init__(self, cents: int) -> None: ...

class Paid(DomainEvent):
    cents: int
    def __init__(self, cents: int) -> None: ...

class Seen(AggregateEvent): ...

class Guest(Entity):
    guest_id: int
    name: str
    def __init__(self, *, guest_id: int, name: str = ...) -> None: ...

class Add(Story):
    class State(SimpleNamespace):
        items: list[str] = ...
    def add(self, state: State) -> None: ...
