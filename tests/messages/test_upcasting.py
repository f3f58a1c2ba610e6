"""Messages of an older version become events of the newest one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import pytest

from dddkit.messages import EventCatalog, Message, MessageRejectedError, UnknownMessageError
from tests.blocks.flavours import Dataclasses, Flavour, in_both_flavours, needs_a_deep_stack

Json = dict[str, Any]


def old(version: int, **data: object) -> Message:
    return Message(id="1", source="/shop", type=f"order.paid.v{version}", data=data)


def catalog_at(version: int, flavour: type[Flavour] = Dataclasses) -> EventCatalog:
    """Return a catalog in which an event with `cents` and `currency` has this version."""
    catalog = EventCatalog("/shop")
    paid = flavour.declare("AggregateEvent", "Paid", cents=int, currency=str)
    catalog.add(paid, "order.paid", version=version)
    return catalog


@in_both_flavours
def test_a_message_goes_through_the_upcasters_from_its_version_on(flavour: type[Flavour]) -> None:
    catalog = catalog_at(3, flavour)

    @catalog.upcast("order.paid", to=3)
    def _(data: Json) -> Json:
        return {**data, "currency": "EUR"}

    @catalog.upcast("order.paid", to=2)
    def _(data: Json) -> Json:
        data["cents"] = data.pop("euros") * 100
        return data

    catalog.check()
    events: list[Any] = [
        catalog.decode(message) for message in (old(1, euros=2), old(2, cents=200), old(3, cents=200, currency="EUR"))
    ]
    assert [(event.cents, event.currency) for event in events] == [(200, "EUR")] * 3


def test_an_upcaster_may_change_what_it_is_given_and_the_message_stays_as_it_is() -> None:
    catalog = catalog_at(2)

    @catalog.upcast("order.paid", to=2)
    def _(data: Json) -> Json:
        data["money"]["currency"] = "EUR"
        return {**data["money"]}

    message = old(1, money={"cents": 1})
    assert catalog.decode(message) is not None
    assert message.data == {"money": {"cents": 1}}


@needs_a_deep_stack
def test_fn4_data_that_is_nested_too_deeply_is_rejected() -> None:
    catalog = catalog_at(2)
    catalog.upcast("order.paid", to=2)(dict)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(MessageRejectedError, match=r"^order\.paid\.v1: its data is nested too deeply$"):
        catalog.decode(old(1, deep=deep))


@in_both_flavours
def test_an_upcaster_may_return_values_that_json_does_not_have(flavour: type[Flavour]) -> None:
    catalog = EventCatalog("/shop")
    catalog.add(flavour.declare("AggregateEvent", "Signed", seal=bytes, on=date), "order.paid", version=2)

    @catalog.upcast("order.paid", to=2)
    def _(data: Json) -> Json:
        return {**data, "seal": b"\xffseal", "on": date(2026, 3, 1)}

    event: Any = catalog.decode(old(1))
    assert (event.seal, event.on) == (b"\xffseal", date(2026, 3, 1))


@in_both_flavours
def test_an_upcast_domain_event_has_the_newest_version(flavour: type[Flavour]) -> None:
    catalog = EventCatalog("/shop")
    paid = flavour.declare("DomainEvent", "Paid", version=(int, 2))
    catalog.add(paid, "order.paid")
    catalog.upcast("order.paid", to=2)(dict)
    for written, read in ((1, 2), (7, 7)):
        event: Any = catalog.decode(Message(id="1", source="/shop", type="order.paid.v1", data={"version": written}))
        assert event.version == read


def test_an_upcaster_can_be_given_before_the_name() -> None:
    catalog = EventCatalog("/shop")
    catalog.upcast("order.placed", to=2)(dict)
    catalog.add(Dataclasses.declare("AggregateEvent", "Placed"), "order.placed", version=2)
    catalog.check()


def test_a_version_that_nothing_leads_to_is_rejected_by_check_and_when_it_is_read() -> None:
    catalog = catalog_at(3)
    catalog.upcast("order.paid", to=3)(dict)
    line = 'order.paid: nothing leads to version 2; write @catalog.upcast("order.paid", to=2)'
    with pytest.raises(ValueError, match="nothing leads to") as rejected:
        catalog.check()
    assert str(rejected.value) == line
    with pytest.raises(UnknownMessageError) as unknown:
        catalog.decode(old(1))
    assert str(unknown.value) == line.replace("order.paid:", "order.paid.v1:")
    assert unknown.value.known_version == 3
    assert catalog.decode(old(2, cents=1, currency="EUR")) is not None


def test_check_names_each_upcaster_that_leads_nowhere() -> None:
    catalog = catalog_at(1)

    def renamed(data: Json) -> Json:
        return data

    catalog.upcast("order.paid", to=2)(renamed)
    catalog.upcast("order.payed", to=2)(renamed)
    catalog.upcast("teapot", to=2)(renamed)
    with pytest.raises(ValueError, match="leads to version 2") as rejected:
        catalog.check()
    name = renamed.__qualname__
    assert str(rejected.value).splitlines() == [
        f"order.paid: {name} leads to version 2, and the newest is 1; raise the version of the event to 2",
        f'order.payed: {name} leads to version 2, and no event has this name; did you mean "order.paid"?',
        f"teapot: {name} leads to version 2, and no event has this name",
    ]


def raising(data: Json) -> Json:
    raise KeyError(data["secret"])


def returning(value: object, data: Json) -> Any:
    return value


@pytest.mark.parametrize(
    ("upcaster", "text"),
    [
        (raising, "order.paid.v1: its upcaster to version 2, raising, raised KeyError"),
        (
            partial(returning, None),
            "order.paid.v1: its upcaster to version 2, returning, returned None; return the JSON object",
        ),
        (
            partial(returning, [1]),
            "order.paid.v1: its upcaster to version 2, returning, returned a list; return the JSON object",
        ),
    ],
)
def test_a_message_whose_upcaster_fails_is_rejected(upcaster: Callable[[Json], Json], text: str) -> None:
    catalog = catalog_at(2)
    catalog.upcast("order.paid", to=2)(upcaster)
    with pytest.raises(MessageRejectedError) as rejected:
        catalog.decode(old(1, secret="s3cret"))
    assert str(rejected.value) == text
    assert rejected.value.message_type == "order.paid.v1"


def test_what_an_upcaster_makes_is_validated_under_the_type_of_the_message() -> None:
    catalog = catalog_at(2)
    catalog.upcast("order.paid", to=2)(dict)
    with pytest.raises(MessageRejectedError, match=r"^order\.paid\.v1: .*data\.currency"):
        catalog.decode(old(1, cents=1))


@pytest.mark.parametrize("value", [object(), float("nan")], ids=["object", "nan"])
def test_an_upcaster_that_returns_no_json_is_a_rejected_message(value: object) -> None:
    catalog = catalog_at(2)
    catalog.upcast("order.paid", to=2)(partial(returning, {"cents": value, "currency": "EUR"}))
    with pytest.raises(MessageRejectedError, match=r"^order\.paid\.v1: "):
        catalog.decode(old(1))


async def later(data: Json) -> Json:
    return data


def bare() -> Json:
    return {}


REFUSALS: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (
        lambda catalog: catalog.upcast("order.paid", to=2)(later),
        TypeError,
        "later is async; an upcaster is called while a message is read: write def",
    ),
    (
        lambda catalog: catalog.upcast("order.paid", to=2)(bare),
        TypeError,
        "bare is called with the JSON of the event alone; write def bare(data: dict[str, Any]) -> dict[str, Any]",
    ),
    (
        lambda catalog: catalog.upcast("order.paid", to=2)(None),
        TypeError,
        "an upcaster takes the JSON of an event and returns JSON, and this is None",
    ),
    (
        lambda catalog: [catalog.upcast("order.paid", to=2)(upcaster) for upcaster in (raising, dict)],
        ValueError,
        "raising leads to version 2 of 'order.paid' already; keep one of the two",
    ),
    (
        lambda catalog: catalog.upcast("order.paid", to=1),
        ValueError,
        "an upcaster leads to a version from 2 on, and not to 1",
    ),
    (
        lambda catalog: catalog.upcast("order.paid.v2", to=2),
        ValueError,
        '"order.paid.v2" ends in a version; write "order.paid" and to=2',
    ),
]


@pytest.mark.parametrize(
    ("add", "error", "text"),
    REFUSALS,
    ids=["async", "no argument", "no function", "two to one version", "to 1", "a version in the name"],
)
def test_what_is_no_upcaster_is_refused_and_leaves_no_trace(
    add: Callable[[EventCatalog], object], error: type[Exception], text: str
) -> None:
    catalog = catalog_at(1)
    with pytest.raises(error) as raised:
        add(catalog)
    assert str(raised.value) == text
    if "already" not in text:
        catalog.check()
