"""Events as frozen dataclasses; the broker that publishes them is the same in both flavours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from dddkit._awaitables import FINISHED
from dddkit._core.broker import EventBroker
from dddkit._core.events import AnyDomainEvent, current_time, new_event_id
from dddkit._core.subscriptions import Subscription
from dddkit.dataclasses._aggregate_event import AggregateEvent
from dddkit.dataclasses._declared import Frozen, instance_class_of

__all__ = ["FINISHED", "AggregateEvent", "DomainEvent", "EventBroker", "Subscription"]


@dataclass(frozen=True)
class DomainEvent(AnyDomainEvent, Frozen):
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


@instance_class_of(DomainEvent)
class BareDomainEvent(DomainEvent):
    """The class of `DomainEvent()`."""
