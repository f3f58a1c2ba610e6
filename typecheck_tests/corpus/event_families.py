"""Event hierarchies, generic events, unions, registries of events, both flavours beside each other."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import ClassVar, Generic, Protocol, TypeVar, Union
from uuid import UUID, uuid4

from dddkit import dataclasses as dc
from dddkit import pydantic as pd

T = TypeVar("T")


class HasTopic(Protocol):
    topic: ClassVar[str]


@dataclass(frozen=True, kw_only=True)
class Integration(dc.DomainEvent, ABC):
    topic: ClassVar[str] = "all"
    correlation: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, kw_only=True)
class Changed(Integration, Generic[T]):
    before: T
    after: T
    version: int = 2


@dataclass(frozen=True, kw_only=True)
class PriceChanged(Changed[int]):
    topic: ClassVar[str] = "prices"

    @property
    def by(self) -> int:
        return self.after - self.before


class Empty(PriceChanged):
    """Adds no field, so needs no decorator."""

    def __str__(self) -> str:
        return f"{self.by}"


class Model(pd.DomainEvent):
    at: datetime = datetime(2020, 1, 1, tzinfo=timezone.utc)
    topic: ClassVar[str] = "models"


class Sub(Model):
    pass


AnyEvent = Union[PriceChanged, Model]


def topic(event: type[HasTopic] | AnyEvent) -> str:
    return event.topic


broker = dc.EventBroker()
topics: list[str] = []


@broker.handle(Integration, Model)
def note(event: Integration | Model) -> None:
    topics.append(event.topic)


@broker.instance((Sub, Empty))
def note_more(event: Sub | Empty) -> None:
    topics.append(str(event) if isinstance(event, Empty) else "sub")


for event in (Empty(before=1, after=3), Sub()):
    broker.publish(event)
assert topics == ["prices", "2", "models", "sub"]
assert topic(Model()) == "models"
