"""Events as frozen dataclasses, and the broker that brings them to their handlers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dddkit._core.broker import EventBroker
from dddkit._core.events import Recordable, current_time, new_event_id
from dddkit.dataclasses._declared import Frozen, instance_class_of

__all__ = ["AggregateEvent", "DomainEvent", "EventBroker"]


@dataclass(frozen=True)
class AggregateEvent(Recordable, Frozen):
    """What has happened to one aggregate: recorded with `add_event`, named in the past tense.

    Declare yours, best inside its aggregate, with `@dataclass(frozen=True, kw_only=True)`.

    Attributes:
        occurred_on: when; aware, in UTC.
    """

    __slots__ = ()

    occurred_on: datetime = field(default_factory=current_time, kw_only=True)


@dataclass(frozen=True)
class DomainEvent(Frozen):
    """What has happened in the domain, for whoever is interested: published by an EventBroker.

    Declare yours with `@dataclass(frozen=True, kw_only=True)`.

    Attributes:
        id: which one; a UUIDv7, so ids sort by the millisecond they were made in.
        version: of the event's shape; raise the default when a field changes its meaning.
        occurred_on: when; aware, in UTC.
    """

    __slots__ = ()

    id: UUID = field(default_factory=new_event_id, kw_only=True)
    version: int = field(default=1, kw_only=True)
    occurred_on: datetime = field(default_factory=current_time, kw_only=True)


@instance_class_of(AggregateEvent)
class BareAggregateEvent(AggregateEvent):
    """The class of `AggregateEvent()`."""


@instance_class_of(DomainEvent)
class BareDomainEvent(DomainEvent):
    """The class of `DomainEvent()`."""
