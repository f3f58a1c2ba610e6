"""A stub by hand: defaults are dots, decorators and bodies are left out, `__init__` is spelt."""

from types import SimpleNamespace
from typing import Any

from dddkit.dataclasses import AggregateEvent, DomainEvent, Entity, ValueObject
from dddkit.stories import I, Story


class Money(ValueObject):
    def __init__(self, cents: int) -> None:
        object.__setattr__(self, "cents", cents)


class Paid(DomainEvent):
    def __init__(self, cents: int) -> None:
        object.__setattr__(self, "cents", cents)
        super().__init__()


class Seen(AggregateEvent):
    pass


class Guest(Entity):
    def __init__(self, **columns: Any) -> None:
        self.__dict__.update(columns)


class Add(Story):
    I.add

    class State(SimpleNamespace):
        items: list[str]

        def __init__(self) -> None:
            super().__init__(items=[])

    def add(self, state: Any) -> None:
        state.items.append("x")
