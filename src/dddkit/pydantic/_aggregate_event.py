"""The model that aggregates record, which their methods name as well as the module of the events."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from dddkit._core.events import AnyAggregateEvent, current_time

__all__ = ["WHOLE", "AggregateEvent"]

WHOLE: Final = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="strings")
"""With this all models of the kit are written whole: bytes that are no text as well, NaN and infinity."""


class AggregateEvent(AnyAggregateEvent, BaseModel):
    """What has happened to one aggregate. Record it with `add_event`; name it in the past tense.

    Declare yours best inside its aggregate.

    Attributes:
        occurred_on: the time it happened; aware, in UTC.
    """

    model_config = ConfigDict(frozen=True, **WHOLE)

    occurred_on: datetime = Field(default_factory=current_time)
