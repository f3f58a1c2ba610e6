"""The catalog gives events names and versions; it writes them as messages and reads messages as events."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from time import sleep
from typing import Any, Generic, TypeVar
from uuid import UUID

import pytest

import dddkit.dataclasses
import dddkit.pydantic
from dddkit.messages import (
    EventCatalog,
    Message,
    MessageRejectedError,
    UnknownMessageError,
    UnnamedEventError,
)
from tests.blocks.flavours import Dataclasses, Flavour, in_both_flavours, needs_threads

T = TypeVar("T")


def shop(flavour: type[Flavour]) -> EventCatalog:
    catalog = EventCatalog("/shop")
    catalog.add(flavour.Basket.ItemAdded, "basket.item_added")
    catalog.add(flavour.Placed, "order.placed")
    return catalog


@in_both_flavours
def test_an_aggregate_event_becomes_a_message_and_the_event_again(flavour: type[Flavour]) -> None:
    catalog, event = shop(flavour), flavour.Basket.ItemAdded(item="teapot")
    message = catalog.encode(event, "baskets/17")
    assert (message.type, message.source, message.subject) == ("basket.item_added.v1", "/shop", "baskets/17")
    assert message.time == event.occurred_on
    assert message.data["item"] == "teapot"
    assert set(message.data) == {"occurred_on", "item"}
    assert (message.correlation_id, message.causation_id, message.content_type) == (None, None, "application/json")
    read = catalog.decode(Message.from_json(message.to_json()))
    assert type(read) is flavour.Basket.ItemAdded
    assert read == event


@in_both_flavours
def test_a_domain_events_own_id_is_the_messages_and_the_whole_event_is_its_data(flavour: type[Flavour]) -> None:
    catalog, event = shop(flavour), flavour.Placed(order=5)
    message = catalog.encode(event)
    assert message.id == str(event.id) == message.data["id"]
    assert (message.type, message.subject) == ("order.placed.v1", None)
    assert catalog.encode(event).id == message.id
    assert catalog.decode(message) == event


@in_both_flavours
def test_fn2_the_id_field_of_an_aggregate_event_is_business_data(flavour: type[Flavour]) -> None:
    seen = flavour.declare("AggregateEvent", "Seen", id=int)
    catalog = EventCatalog("/shop")
    catalog.add(seen, "thing.seen")
    first, second = catalog.encode(seen(id=5)), catalog.encode(seen(id=5))
    assert first.id != second.id
    assert UUID(first.id).version == 7
    assert first.data["id"] == 5


@pytest.mark.parametrize("hours", [0, 2, -5])
@in_both_flavours
def test_the_time_of_a_message_is_in_utc(flavour: type[Flavour], hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    event = flavour.Placed(occurred_on=datetime(2026, 3, 1, 12, tzinfo=zone))
    message = shop(flavour).encode(event)
    assert message.time is not None
    assert message.time.tzinfo is timezone.utc
    assert message.time == event.occurred_on


@in_both_flavours
def test_a_naive_time_is_rejected(flavour: type[Flavour]) -> None:
    event = flavour.Placed(occurred_on=datetime(2026, 3, 1))
    with pytest.raises(
        MessageRejectedError, match=r"^order.placed.v1: .*: data.occurred_on: naive; write datetime.now"
    ):
        shop(flavour).encode(event)


@in_both_flavours
def test_an_event_that_is_of_both_kinds_has_the_id_of_the_domain_event(flavour: type[Flavour]) -> None:
    blocks: Any = flavour.blocks
    both = flavour.declare("DomainEvent", "Both", blocks.AggregateEvent)
    catalog = EventCatalog("/shop")
    catalog.add(both, "thing.done")
    event = both()
    assert catalog.encode(event).id == str(event.id)


# Versions.


@in_both_flavours
def test_the_version_is_that_of_the_domain_event_or_else_1(flavour: type[Flavour]) -> None:
    paid = flavour.declare("DomainEvent", "Paid", version=(int, 3))
    catalog = shop(flavour)
    catalog.add(paid, "order.paid")
    assert catalog.encode(paid()).type == "order.paid.v3"
    assert catalog.encode(flavour.Placed()).type == "order.placed.v1"
    catalog.add(flavour.Basket.Created, "basket.created", version=2)
    assert catalog.encode(flavour.Basket.Created()).type == "basket.created.v2"


def test_a_dataclass_with_slots_has_its_version_too() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Paid(dddkit.dataclasses.DomainEvent):
        version: int = 2

    catalog = EventCatalog("/shop")
    catalog.add(Paid, "order.paid")
    assert catalog.encode(Paid()).type == "order.paid.v2"


@in_both_flavours
def test_an_event_keeps_a_version_of_its_own(flavour: type[Flavour]) -> None:
    catalog = shop(flavour)
    message = catalog.encode(flavour.Placed(version=7))
    assert message.type == "order.placed.v1"
    read: Any = catalog.decode(message)
    assert read.version == 7


# What is rejected. A table of what a user does, the error and its text.

Refusal = Callable[[Any], object]  # Any: mistakes are what a checker rejects


@dataclass(frozen=True, kw_only=True)
class Cancelled(dddkit.dataclasses.DomainEvent):
    version: int = 2


@dataclass(frozen=True, kw_only=True)
class SoldOut(dddkit.dataclasses.AggregateEvent):
    pass


class Hidden(dddkit.pydantic.AggregateEvent):
    pass


class Shown(Hidden):
    pass


@dataclass(frozen=True, kw_only=True)
class Later(Cancelled):
    version: int = 2


@dataclass(frozen=True, kw_only=True)
class Changed(dddkit.dataclasses.AggregateEvent, Generic[T]):
    pass


class Plain:
    pass


REFUSALS: dict[str, tuple[Refusal, type[Exception], str]] = {
    "an event without a name": (
        lambda catalog: catalog.encode(SoldOut()),
        UnnamedEventError,
        (
            'SoldOut has no name in the catalog; write catalog.add(SoldOut, "sold_out"), '
            "or catalog.private(SoldOut) if it stays in the process"
        ),
    ),
    "an event whose base has a name": (
        lambda catalog: catalog.encode(Later()),
        UnnamedEventError,
        (
            "Later has no name in the catalog (that of its base Cancelled is for that class alone); "
            'write catalog.add(Later, "later"), or catalog.private(Later) if it stays in the process'
        ),
    ),
    "a private event": (
        lambda catalog: catalog.encode(Hidden()),
        ValueError,
        "Hidden is private in this catalog: it stays in the process",
    ),
    "a class in place of an event": (
        lambda catalog: catalog.encode(Cancelled),
        TypeError,
        "an event is an instance, and Cancelled is a class; encode Cancelled(...)",
    ),
    "a name taken twice": (
        lambda catalog: catalog.add(SoldOut, "order.cancelled"),
        ValueError,
        '"order.cancelled" is Cancelled already; give SoldOut another name',
    ),
    "a class taken twice": (
        lambda catalog: catalog.add(Cancelled, "order.revoked"),
        ValueError,
        'Cancelled is "order.cancelled" already; a class has one name',
    ),
    "a private class gets a name": (
        lambda catalog: catalog.add(Hidden, "hidden"),
        ValueError,
        "Hidden is private; take it out of catalog.private(...), or give it no name",
    ),
    "a named class becomes private": (
        lambda catalog: catalog.private(SoldOut, Cancelled),
        ValueError,
        'Cancelled is named "order.cancelled"; it is private or has a name, not both',
    ),
    "a version that is not the event's": (
        lambda catalog: catalog.add(Later, "later", version=3),
        ValueError,
        (
            "Later has version 2, and the catalog gives it 3; "
            "write catalog.add(Later, 'later'), and change the default of its field"
        ),
    ),
    "a version below 1": (
        lambda catalog: catalog.add(SoldOut, "sold_out", version=0),
        ValueError,
        "the version of SoldOut is a number from 1 on, and not 0",
    ),
    "a version that is no number": (
        lambda catalog: catalog.add(SoldOut, "sold_out", version="2"),
        ValueError,
        "the version of SoldOut is a number from 1 on, and not a str",
    ),
    "a name that ends in a version": (
        lambda catalog: catalog.add(SoldOut, "sold_out.v2"),
        ValueError,
        '"sold_out.v2" ends in a version; write "sold_out" and version=2',
    ),
    "a name of two words": (
        lambda catalog: catalog.add(SoldOut, "sold out"),
        ValueError,
        "the name of a message is one word, as in 'order.cancelled'",
    ),
    "no name": (
        lambda catalog: catalog.add(SoldOut, ""),
        ValueError,
        "the name of a message is one word, as in 'order.cancelled'",
    ),
    "no class": (
        lambda catalog: catalog.add(SoldOut(), "sold_out"),
        TypeError,
        "a catalog names the classes of events, and got an instance of SoldOut",
    ),
    "an alias of a generic dataclass": (
        lambda catalog: catalog.add(Changed[int], "changed"),
        TypeError,
        "a catalog names the classes of events, and got Changed[int]",
    ),
    "an aggregate": (
        lambda catalog: catalog.add(Dataclasses.Basket, "basket"),
        TypeError,
        "Dataclasses.Basket has an identity, and is no event; name the events it records",
    ),
    "a class without fields": (
        lambda catalog: catalog.private(Plain),
        TypeError,
        "Plain is no event; derive it from DomainEvent or AggregateEvent",
    ),
}


@pytest.mark.parametrize("mistake", REFUSALS)
def test_what_is_refused_says_what_to_do_and_leaves_no_trace(mistake: str) -> None:
    catalog = EventCatalog("/shop")
    catalog.add(Cancelled, "order.cancelled")
    catalog.private(Hidden)
    refused, error, text = REFUSALS[mistake]
    with pytest.raises(error) as raised:
        refused(catalog)
    assert type(raised.value) is error
    assert str(raised.value) == text
    catalog.add(SoldOut, "product.sold_out")
    assert catalog.encode(SoldOut()).type == "product.sold_out.v1"
    assert catalog.encode(Cancelled()).type == "order.cancelled.v2"


@pytest.mark.parametrize("source", ["", "my shop", "/shop\n"])
def test_the_source_of_a_catalog_is_one_word(source: str) -> None:
    with pytest.raises(ValueError, match=r"EventCatalog\(\"/shop\"\)"):
        EventCatalog(source)


def test_the_exact_class_is_private() -> None:
    catalog = EventCatalog("/shop")
    catalog.private(SoldOut, Hidden, Hidden)
    catalog.private()
    for event in (SoldOut(), Hidden()):
        with pytest.raises(ValueError, match="is private in this catalog"):
            catalog.encode(event)
    catalog.add(Shown, "shown")
    assert catalog.encode(Shown()).type == "shown.v1"


@in_both_flavours
def test_a_class_with_a_field_that_would_not_come_back_is_rejected_by_field(flavour: type[Flavour]) -> None:
    noted = flavour.declare("DomainEvent", "Noted", note=Any)
    catalog = EventCatalog("/shop")
    with pytest.raises(TypeError, match=r"(?s)Noted.*note"):
        catalog.add(noted, "noted")
    with pytest.raises(UnnamedEventError):
        catalog.encode(noted(note=1))


@in_both_flavours
def test_a_value_that_does_not_fit_its_field_is_rejected_by_path_and_not_shown(flavour: type[Flavour]) -> None:
    catalog = shop(flavour)
    event = flavour.Placed(order=5)
    object.__setattr__(event, "order", "secret")
    with pytest.raises(MessageRejectedError) as rejected:
        catalog.encode(event)
    assert rejected.value.message_type == "order.placed.v1"
    assert [path for path, _ in rejected.value.problems] == ["data.order"]
    assert str(rejected.value).startswith(
        f"order.placed.v1: the data does not fit {flavour.Placed.__qualname__}: data.order: "
    )
    assert "secret" not in str(rejected.value)


# Reading.


def read(catalog: EventCatalog, type_: str, data: object) -> object:
    return catalog.decode(Message(id="1", source="/elsewhere", type=type_, data=data))


@in_both_flavours
def test_a_payload_that_does_not_fit_names_the_message_and_the_field(flavour: type[Flavour]) -> None:
    with pytest.raises(MessageRejectedError) as rejected:
        read(shop(flavour), "basket.item_added.v1", {"item": ["secret"]})
    assert isinstance(rejected.value, ValueError)
    assert rejected.value.message_type == "basket.item_added.v1"
    assert [path for path, _ in rejected.value.problems] == ["data.item"]
    assert str(rejected.value).startswith("basket.item_added.v1: the data does not fit ")
    assert "data.item: " in str(rejected.value)
    assert "secret" not in str(rejected.value)


@pytest.mark.parametrize(
    ("data", "what"), [(None, "nothing"), ([], "a list"), ("text", "a str"), (b"bytes", "a bytes"), (5, "5")]
)
def test_data_that_is_no_object_is_rejected(data: object, what: str) -> None:
    with pytest.raises(MessageRejectedError) as rejected:
        read(shop(Dataclasses), "order.placed.v1", data)
    assert str(rejected.value) == f"order.placed.v1: its data is {what}, and that of an event is a JSON object"


@in_both_flavours
def test_fields_that_are_not_known_yet_are_ignored_and_new_ones_have_their_default(flavour: type[Flavour]) -> None:
    event: Any = read(shop(flavour), "order.placed.v1", {"colour": "green"})
    assert event.order == 0


NAME_OR_IGNORE = (
    'name its event with catalog.add(...), or ignore what is not there with Consumer(..., unknown="ignore")'
)
UNKNOWN = {
    "com.github.push": (
        f"com.github.push is not in the catalog; {NAME_OR_IGNORE}",
        None,
    ),
    "order.paid.v1": (
        f"order.paid.v1 is not in the catalog; {NAME_OR_IGNORE}",
        None,
    ),
    "order.placed": ("order.placed: the type of a message ends in its version, as in order.placed.v1", None),
    "order.placed.v2": (
        "order.placed.v2 is newer than version 1, the newest that is known here; deploy its readers before its writers",
        1,
    ),
    "order.placed.v0": (
        f"order.placed.v0 is not in the catalog; {NAME_OR_IGNORE}",
        None,
    ),
}


@pytest.mark.parametrize("type_", UNKNOWN)
def test_a_message_that_no_event_stands_for_is_unknown(type_: str) -> None:
    text, version = UNKNOWN[type_]
    with pytest.raises(UnknownMessageError) as unknown:
        read(shop(Dataclasses), type_, {})
    assert str(unknown.value) == text
    assert (unknown.value.message_type, unknown.value.known_version) == (type_, version)


def test_what_is_no_message_is_not_decoded() -> None:
    decode: Any = shop(Dataclasses).decode
    with pytest.raises(TypeError, match=r"^decode takes a Message, and got a bytes; read it with Message.from_json"):
        decode(b"{}")


def test_a_version_may_be_a_date() -> None:
    catalog = EventCatalog("/shop")
    catalog.add(Dataclasses.Basket.Created, "basket.created", version=20_260_301_120_000)
    created = Dataclasses.Basket.Created()
    assert catalog.decode(catalog.encode(created)) == created


@pytest.mark.parametrize("version", ["9" * 5000, "٣", "1 "])
def test_a_version_that_is_no_number_is_unknown(version: str) -> None:
    with pytest.raises(UnknownMessageError):
        read(shop(Dataclasses), f"order.placed.v{version}", {})


@in_both_flavours
def test_fn1_an_event_of_others_has_the_id_and_the_time_of_its_message(flavour: type[Flavour]) -> None:
    catalog, id_ = shop(flavour), "018dfa5e-0000-7000-8000-000000000007"
    noon = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    placed: Any = catalog.decode(Message(id=id_, source="/hub", type="order.placed.v1", time=noon, data={}))
    assert (str(placed.id), placed.occurred_on) == (id_, noon)
    added = Message(id=id_, source="/hub", type="basket.item_added.v1", time=noon, data={"item": "pot"})
    assert catalog.decode(added) == flavour.Basket.ItemAdded(item="pot", occurred_on=noon)
    data = {"id": str(UUID(int=7)), "occurred_on": "2026-03-02T12:00:00Z"}
    own: Any = catalog.decode(Message(id=id_, source="/hub", type="order.placed.v1", time=noon, data=data))
    assert (own.id, own.occurred_on) == (UUID(int=7), noon + timedelta(days=1))


@in_both_flavours
def test_an_id_that_is_no_uuid_and_a_field_of_ones_own_are_not_taken_from_the_message(flavour: type[Flavour]) -> None:
    catalog = shop(flavour)
    catalog.add(flavour.declare("AggregateEvent", "Stamped", id=(str, ""), occurred_on=(str, "")), "stamped")
    assert catalog.decode(Message(id="A-17", source="/hub", type="order.placed.v1", data={})) is not None
    stamped: Any = catalog.decode(
        Message(id=str(UUID(int=7)), source="/hub", type="stamped.v1", time=datetime.now(timezone.utc), data={})
    )
    assert (stamped.id, stamped.occurred_on) == ("", "")


def test_messages_of_other_sources_are_read() -> None:
    assert read(shop(Dataclasses), "order.placed.v1", {"order": 3}) is not None


def test_a_generic_model_with_parameters_is_a_class_of_its_own() -> None:
    class Moved(dddkit.pydantic.AggregateEvent, Generic[T]):
        to: T

    catalog = EventCatalog("/shop")
    catalog.add(Moved[int], "moved.int")
    catalog.add(Moved[str], "moved.str")
    assert [catalog.encode(event).type for event in (Moved[int](to=1), Moved[str](to="a"))] == [
        "moved.int.v1",
        "moved.str.v1",
    ]
    assert catalog.decode(catalog.encode(Moved[int](to=1), "x")).__class__ is Moved[int]
    with pytest.raises(UnnamedEventError):
        catalog.encode(Moved(to=1))


def test_both_flavours_live_in_one_catalog_and_inside_each_other() -> None:
    class Wrapped(dddkit.pydantic.DomainEvent):
        inner: Cancelled

    catalog = EventCatalog("/shop")
    catalog.add(Cancelled, "order.cancelled")
    catalog.add(Wrapped, "wrapped")
    event = Wrapped(inner=Cancelled())
    assert catalog.decode(catalog.encode(event)) == event


@needs_threads
def test_of_threads_that_give_one_name_one_succeeds() -> None:
    class SlowlyFound(type):
        def __hash__(cls) -> int:
            sleep(0.001)  # another thread goes on while the catalog looks for the class
            return super().__hash__()

    def declared(number: int) -> type[Any]:
        class Event(dddkit.dataclasses.AggregateEvent, metaclass=SlowlyFound):
            pass

        return dataclass(frozen=True, kw_only=True)(Event)

    catalog = EventCatalog("/shop")
    classes = [declared(number) for number in range(4)]

    def add(event_class: type[Any]) -> bool:
        try:
            catalog.add(event_class, "taken")
        except ValueError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        added = list(threads.map(add, classes))
    assert sorted(added) == [False, False, False, True]
    assert catalog.encode(classes[added.index(True)]()).type == "taken.v1"
