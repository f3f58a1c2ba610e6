"""Events as frozen dataclasses; the broker that publishes them is the same in both flavours."""

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
    """What has happened to one aggregate. Record it with `add_event`; name it in the past tense.

    Declare yours with `@dataclass(frozen=True, kw_only=True)`, best inside its aggregate.

    Attributes:
        occurred_on: the time it happened; aware, in UTC.
    """

    __slots__ = ()

    occurred_on: datetime = field(default_factory=current_time, kw_only=True)


@dataclass(frozen=True)
class DomainEvent(Frozen):
    """What has happened in the domain. Publish it with an EventBroker; name it in the past tense.

    Declare yours with `@dataclass(frozen=True, kw_only=True)`.

    Attributes:
        id: identifies the event; a UUIDv7, so that ids sort by the millisecond of their creation.
        version: the version of the event class; raise the default when a field changes its meaning.
        occurred_on: the time it happened; aware, in UTC.
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
