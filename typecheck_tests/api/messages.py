"""What checkers say about the catalog of events and its messages. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from typing_extensions import assert_type

import dddkit.pydantic
from dddkit.dataclasses import Aggregate, AggregateEvent
from dddkit.messages import EventCatalog, Message, caused_by


@dataclass(kw_only=True)
class Order(Aggregate):
    order_id: int

    @dataclass(frozen=True, kw_only=True)
    class Placed(AggregateEvent):
        cents: int


class Paid(dddkit.pydantic.DomainEvent):
    version: int = 2


catalog = EventCatalog("/shop")
catalog.add(Order.Placed, "order.placed")
catalog.add(Paid, "order.paid", version=2)
catalog.private(Order.Placed, Paid)
catalog.private()
catalog.check()
catalog.add("Paid", "order.paid")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
catalog.add(Paid, "order.paid", 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
catalog.add(Paid)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@catalog.upcast("order.paid", to=2)
def cents(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "cents": 0}


assert_type(cents({}), dict[str, Any])


def nothing(data: dict[str, Any]) -> None: ...


async def later(data: dict[str, Any]) -> dict[str, Any]:
    return data


catalog.upcast("order.paid", to=2)(nothing)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
catalog.upcast("order.paid", to=2)(later)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]

message = catalog.encode(Order.Placed(cents=1), subject="orders/1")
assert_type(message, Message)
assert_type(message.subject, str | None)
assert_type(message.time, datetime | None)
assert_type(message.to_json(), bytes)
assert_type(message.body(), bytes)
assert_type(message.headers("ce-"), dict[str, str])
assert_type(Message.from_json(b"{}"), Message)
assert_type(Message.from_json("{}"), Message)
assert_type(Message.read(message.headers("ce-"), message.body(), "ce-"), Message)
message.id = "2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
Message("1", "t", "/shop")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

with caused_by(message):
    catalog.encode(Paid())
caused_by("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def handle(received: Message) -> int:
    event = catalog.decode(received)
    assert_type(event, object)
    match event:
        case Order.Placed():
            assert_type(event.cents, int)
            return event.cents
        case Paid(version=version):
            assert_type(version, int)
            return version
        case _:
            return 0
