"""The model that aggregates record, which their methods name as well as the module of the events."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from dddkit._core.events import AnyAggregateEvent, current_time

__all__ = ["AggregateEvent"]


class AggregateEvent(AnyAggregateEvent, BaseModel):
    """What has happened to one aggregate. Record it with `add_event`; name it in the past tense.

    Declare yours best inside its aggregate.

    Attributes:
        occurred_on: the time it happened; aware, in UTC.
    """

    model_config = ConfigDict(frozen=True)

    occurred_on: datetime = Field(default_factory=current_time)
