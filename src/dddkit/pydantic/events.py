"""Events as frozen pydantic models, and the broker that brings them to their handlers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from dddkit._core.broker import EventBroker
from dddkit._core.events import Recordable, current_time, new_event_id

__all__ = ["AggregateEvent", "DomainEvent", "EventBroker"]


class AggregateEvent(Recordable, BaseModel):
    """What has happened to one aggregate: recorded with `add_event`, named in the past tense.

    Declare yours best inside its aggregate.

    Attributes:
        occurred_on: when; aware, in UTC.
    """

    model_config = ConfigDict(frozen=True)

    occurred_on: datetime = Field(default_factory=current_time)


class DomainEvent(BaseModel):
    """What has happened in the domain, for whoever is interested: published by an EventBroker.

    Attributes:
        id: which one; a UUIDv7, so ids sort by the millisecond they were made in.
        version: of the event's shape; raise the default when a field changes its meaning.
        occurred_on: when; aware, in UTC.
    """

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(default_factory=new_event_id)
    version: int = 1
    occurred_on: datetime = Field(default_factory=current_time)
