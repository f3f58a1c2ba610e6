"""Events as frozen pydantic models; the broker that publishes them is the same in both flavours."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from dddkit._awaitables import FINISHED
from dddkit._core.broker import EventBroker
from dddkit._core.events import AnyDomainEvent, current_time, new_event_id
from dddkit._core.subscriptions import Subscription
from dddkit.pydantic._aggregate_event import AggregateEvent

__all__ = ["FINISHED", "AggregateEvent", "DomainEvent", "EventBroker", "Subscription"]


class DomainEvent(AnyDomainEvent, BaseModel):
    """What has happened in the domain. Publish it with an EventBroker; name it in the past tense.

    Attributes:
        id: identifies the event; a UUIDv7, so that ids sort by the millisecond of their creation.
        version: the version of the event class; raise the default when a field changes its meaning.
        occurred_on: the time it happened; aware, in UTC.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings")

    id: UUID = Field(default_factory=new_event_id)
    version: int = 1
    occurred_on: datetime = Field(default_factory=current_time)
