"""The dataclass that aggregates record, which their methods name as well as the module of the events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from dddkit._core.events import AnyAggregateEvent, current_time
from dddkit.dataclasses._declared import Frozen, instance_class_of

__all__ = ["AggregateEvent"]


@dataclass(frozen=True)
class AggregateEvent(AnyAggregateEvent, Frozen):
    """What has happened to one aggregate. Record it with `add_event`; name it in the past tense.

    Declare yours with `@dataclass(frozen=True, kw_only=True)`, best inside its aggregate.

    Attributes:
        occurred_on: the time it happened; aware, in UTC.
    """

    __slots__ = ()

    occurred_on: datetime = field(default_factory=current_time, kw_only=True)


@instance_class_of(AggregateEvent)
class BareAggregateEvent(AggregateEvent):
    """The class of `AggregateEvent()`."""
