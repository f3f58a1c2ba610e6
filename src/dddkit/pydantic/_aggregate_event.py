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

    # All models of the kit are written whole: bytes that are no text as well, NaN and infinity. Each says it itself,
    # since the plugins of checkers read a `ConfigDict` only where it is written out.
    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings")

    occurred_on: datetime = Field(default_factory=current_time)
