"""Whatever an event says, it says the same when its message has been sent and read."""

from __future__ import annotations

import dataclasses
import enum
import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, NewType
from uuid import UUID

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.messages import EventCatalog, Message

OrderId = NewType("OrderId", int)


class Colour(enum.Enum):
    RED = "red"
    GREEN = 2


@dataclass(frozen=True, kw_only=True)
class Price(dddkit.dataclasses.ValueObject):
    amount: Decimal
    currency: Literal["EUR", "USD"] = "EUR"


class Line(dddkit.pydantic.ValueObject):
    sku: UUID
    price: Price
    count: int = 1
    tags: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class Order(dddkit.dataclasses.Aggregate):
    order_id: OrderId

    @dataclass(frozen=True, kw_only=True)
    class Placed(dddkit.dataclasses.AggregateEvent):
        order_id: OrderId
        lines: tuple[Line, ...]
        note: str | None = None
        weights: dict[str, float] = dataclasses.field(default_factory=dict[str, float])

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Weighed(dddkit.dataclasses.AggregateEvent):
        id: int  # business data
        weight: float
        label: bytes
        colour: Colour


class Basket(dddkit.pydantic.Aggregate):
    basket_id: UUID

    class Filled(dddkit.pydantic.AggregateEvent):
        prices: list[Price]
        best: Line | None
        on: date
        at: time
        within: timedelta
        signature: bytes


@dataclass(frozen=True, kw_only=True)
class Paid(dddkit.dataclasses.DomainEvent):
    version: int = 3
    prices: tuple[Price, int]
    refund: bool = False


class Shipped(dddkit.pydantic.DomainEvent):
    version: int = 2
    to: str
    stops: set[int]
    weight: float


EVENTS: list[type[Any]] = [Order.Placed, Order.Weighed, Basket.Filled, Paid, Shipped]
CATALOG = EventCatalog("/shop")
for number, event_class in enumerate(EVENTS):
    CATALOG.add(event_class, f"event.{number}")

ZONES = st.sampled_from([timezone.utc, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8))])
AWARE = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=ZONES)

# hypothesis passes what stands for the default of a field on to pydantic, which rejects it: so each field is named.
for event_class in EVENTS:
    made: dict[str, Any] = dict.fromkeys(event_class.__annotations__, ...)
    st.register_type_strategy(event_class, st.builds(event_class, **made, occurred_on=AWARE))
st.register_type_strategy(
    Price, st.builds(Price, amount=st.decimals(allow_nan=False, allow_infinity=False), currency=...)
)


def ways_to_send(message: Message) -> dict[str, Message]:
    """Return the message as it is received, by the way on which it was sent."""
    return {
        "in one process": message,
        "as JSON": Message.from_json(message.to_json()),
        **{
            prefix: Message.read(message.headers(prefix), message.body(), prefix)
            for prefix in ("ce-", "ce_", "cloudEvents:")
        },
    }


def assert_same(one: Any, other: Any) -> None:
    kind: type[Any] = one.__class__
    assert type(other) is kind
    if issubclass(kind, pydantic.BaseModel):
        assert_same(dict(one), dict(other))
    elif dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif issubclass(kind, dict):
        assert_same([*one.items()], [*other.items()])
    elif issubclass(kind, (list, tuple)):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif issubclass(kind, float) and math.isnan(one):
        assert math.isnan(other)
    else:
        assert one == other


def check(event: Any, subject: str | None, extension: str) -> None:
    encoded = CATALOG.encode(event, subject)
    message = dataclasses.replace(encoded, extensions={"traceparent": extension})
    for way, received in ways_to_send(message).items():
        assert received == message, way
        assert_same(CATALOG.decode(received), event)
    assert message.time == event.occurred_on


each_event = pytest.mark.parametrize("event_class", EVENTS, ids=lambda event_class: event_class.__qualname__)
word = st.text(min_size=1)


@each_event
def test_an_event_is_the_same_when_its_message_has_been_sent_and_read(event_class: type[Any]) -> None:
    @settings(max_examples=20)
    @given(st.from_type(event_class), st.none() | word, word)
    def each(event: Any, subject: str | None, extension: str) -> None:
        check(event, subject, extension)

    each()


@pytest.mark.slow
@each_event
def test_an_event_is_the_same_whatever_it_says(event_class: type[Any]) -> None:
    @settings(max_examples=1000)
    @given(st.from_type(event_class), st.none() | word, word)
    def each(event: Any, subject: str | None, extension: str) -> None:
        check(event, subject, extension)

    each()
