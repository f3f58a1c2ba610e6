"""A message is a CloudEvent: in JSON, and as headers beside its data."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dddkit.messages import Message, MessageRejectedError
from tests.blocks.flavours import needs_a_deep_stack

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
PAID = Message(
    id="01a2",
    type="order.paid.v2",
    source="/shop",
    subject="orders/17",
    time=NOON,
    data={"cents": 250},
    correlation_id="01a0",
    causation_id="01a1",
    extensions={"traceparent": "00-4bf9-00f0-01"},
)
LEAST = {"specversion": "1.0", "id": "1", "source": "/others", "type": "com.github.push"}


def from_json(**members: Any) -> Message:
    """Read a CloudEvent that has the required attributes, and these members."""
    return Message.from_json(json.dumps({**LEAST, **members}))


def test_the_json_format_is_that_of_cloudevents() -> None:
    assert json.loads(PAID.to_json()) == {
        "specversion": "1.0",
        "id": "01a2",
        "type": "order.paid.v2",
        "source": "/shop",
        "subject": "orders/17",
        "time": "2026-03-01T12:00:00Z",
        "datacontenttype": "application/json",
        "correlationid": "01a0",
        "causationid": "01a1",
        "traceparent": "00-4bf9-00f0-01",
        "data": {"cents": 250},
    }
    assert Message.from_json(PAID.to_json()) == PAID


def test_what_is_not_set_is_left_out() -> None:
    message = Message(id="1", source="/shop", type="order.paid.v1")
    assert json.loads(message.to_json()).keys() == {"specversion", "id", "source", "type", "datacontenttype"}
    assert Message.from_json(message.to_json()) == message


def test_the_headers_of_http_are_those_of_cloudevents() -> None:
    assert PAID.headers("ce-") == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "01a2",
        "ce-type": "order.paid.v2",
        "ce-source": "/shop",
        "ce-subject": "orders/17",
        "ce-time": "2026-03-01T12:00:00Z",
        "ce-correlationid": "01a0",
        "ce-causationid": "01a1",
        "ce-traceparent": "00-4bf9-00f0-01",
    }
    assert PAID.body() == b'{"cents":250}'


@pytest.mark.parametrize("prefix", ["ce-", "ce_", "cloudEvents:", "cloudEvents_", ""])
def test_headers_and_data_are_read_as_the_message_that_wrote_them(prefix: str) -> None:
    assert Message.read(PAID.headers(prefix), PAID.body(), prefix) == PAID


def test_the_names_of_headers_are_read_in_any_case_and_others_are_no_part_of_it() -> None:
    headers = {"Content-Type": "application/json; charset=utf-8", "Host": "shop", "X-Ce-Id": "9", "ce-id-2": "9"}
    headers |= {f"Ce-{name.title()}": value for name, value in LEAST.items()}
    message = Message.read(headers, b"{}", "ce-")
    assert (message.id, message.extensions, message.data) == ("1", {}, {})
    assert message.content_type == "application/json; charset=utf-8"


# From the HTTP binding of CloudEvents; and what it has older senders do.
@pytest.mark.parametrize(
    "written",
    [
        "Euro%20%E2%82%AC%20%F0%9F%98%80",
        "Euro%20%e2%82%ac%20%f0%9f%98%80",
        "%45uro%20€%20😀",
        '"Euro € 😀"',
        r'"E\uro € 😀"',
    ],
)
def test_the_values_of_http_are_percent_encoded(written: str) -> None:
    headers = {f"ce-{name}": value for name, value in LEAST.items()}
    message = Message.read({**headers, "ce-subject": written}, b"", "ce-")
    assert message.subject == "Euro € 😀"
    assert message.headers("ce-")["ce-subject"] == "Euro%20%E2%82%AC%20%F0%9F%98%80"


def test_all_that_is_printable_stands_for_itself_in_http_but_the_space_the_quote_and_percent() -> None:
    printable = "".join(map(chr, range(0x20, 0x7F)))
    message = Message(id=printable, source="/shop", type="t")
    written = message.headers("ce-")["ce-id"]
    assert written == printable.replace("%", "%25").replace(" ", "%20").replace('"', "%22")
    assert Message.read(message.headers("ce-"), b"", "ce-") == message


def test_kafka_and_amqp_take_values_as_they_are_as_bytes_or_as_types_of_their_own() -> None:
    headers: dict[str, Any] = {f"ce_{name}": value.encode() for name, value in LEAST.items()}
    headers |= {"ce_subject": "100%25 €".encode(), "ce_time": NOON, "ce_attempt": 3, "ce_last": True, "ce_gone": None}
    message = Message.read(headers, b"", "ce_")
    assert (message.subject, message.time) == ("100%25 €", NOON)
    assert message.extensions == {"attempt": "3", "last": "true"}
    assert message.headers("ce_")["ce_subject"] == "100%25 €"


def test_the_time_of_amqp_may_be_a_number_of_milliseconds() -> None:
    headers: dict[str, Any] = {f"cloudEvents:{name}": value for name, value in LEAST.items()}
    assert Message.read({**headers, "cloudEvents:time": 1772366400000}, b"", "cloudEvents:").time == NOON
    with pytest.raises(MessageRejectedError, match="time: no time of RFC 3339"):
        Message.read({**headers, "cloudEvents:time": 10**30}, b"", "cloudEvents:")


def test_the_two_separators_of_amqp_are_one() -> None:
    assert Message.read(PAID.headers("cloudEvents_"), PAID.body(), "cloudEvents:") == PAID


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", "Application/CloudEvents+JSON; charset=UTF-8"]
)
def test_a_message_whose_headers_say_that_it_is_in_json_is_read_from_its_data(content_type: str) -> None:
    assert Message.read({"content-type": content_type}, PAID.to_json(), "ce-") == PAID


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01t12:00:00z", NOON),
        ("2026-03-01T14:00:00+02:00", NOON),
        ("2026-03-01T06:30:00-05:30", NOON),
        ("2026-03-01T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
        ("2026-03-01T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=timezone.utc)),
    ],
)
def test_every_time_of_rfc_3339_is_read_on_every_python(text: str, time: datetime) -> None:
    read = from_json(time=text).time
    assert read == time
    assert read is not None
    assert read.tzinfo is timezone.utc


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-13-01T12:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "2026-03-01T12:00:61Z",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+01:60",
    ],
)
def test_other_times_are_rejected(text: str) -> None:
    with pytest.raises(MessageRejectedError) as rejected:
        from_json(time=text)
    assert str(rejected.value) == (
        "com.github.push: this is no CloudEvent: time: no time of RFC 3339, as in 2026-03-01T12:00:00Z"
    )


def test_a_media_type_is_sent_and_read_as_it_is() -> None:
    message = Message(id="1", source="s", type="t", data=b"1", content_type='text/csv; header="%41"')
    assert Message.read(message.headers("ce-"), message.body(), "ce-") == message


# Messages of others.


@pytest.mark.parametrize("data", [None, [], [1], "text", "", 5, 0, False, {}, {"ref": None}])
def test_others_may_send_any_json(data: object) -> None:
    message = from_json(data=data)
    assert message.data == data
    assert Message.from_json(message.to_json()) == message
    assert Message.read(message.headers("ce-"), message.body(), "ce-") == message


def test_others_may_send_any_bytes() -> None:
    message = from_json(datacontenttype="image/png", data_base64="iVBORw==")
    assert (message.data, message.content_type) == (b"\x89PNG", "image/png")
    assert message.body() == b"\x89PNG"
    assert json.loads(message.to_json())["data_base64"] == "iVBORw=="
    assert Message.from_json(message.to_json()) == message
    assert Message.read(message.headers("ce-"), message.body(), "ce-") == message


def test_bytes_that_are_json_are_read_as_json() -> None:
    message = from_json(datacontenttype="application/vnd.shop+json", data_base64="eyJhIjoxfQ==")
    assert message.data == {"a": 1}


def test_bytes_of_an_unknown_type_are_called_so() -> None:
    assert from_json(data_base64="AA==").content_type == "application/octet-stream"


def test_text_that_is_no_json_is_sent_as_it_is() -> None:
    message = from_json(datacontenttype="application/xml", data="<ä/>")
    assert message.data == "<ä/>"
    assert message.body() == "<ä/>".encode()
    assert Message.from_json(message.to_json()) == message


def test_attributes_of_others_are_kept_as_text_and_sent_on() -> None:
    message = from_json(traceparent="00-1", attempt=3, last=True, dataschema="https://s", unset=None, Not_A_Name=1)
    assert message.extensions == {"traceparent": "00-1", "attempt": "3", "last": "true", "dataschema": "https://s"}
    assert json.loads(message.to_json())["attempt"] == "3"


def test_an_optional_attribute_that_is_empty_is_not_set() -> None:
    message = from_json(subject="", time=None, correlationid="", causationid=None)
    assert (message.subject, message.time, message.correlation_id, message.causation_id) == (None, None, None, None)


NO_MESSAGES = {
    b"": "this is no CloudEvent: it is no JSON (Expecting value, line 1, column 1)",
    b"\xff\xfe\xfd": "this is no CloudEvent: it is no JSON (not in UTF-8)",
    b'{"a": NaN}': "this is no CloudEvent: it is no JSON (NaN is no number there)",
    b"[" * 200_000: "this is no CloudEvent: it is no JSON (nested too deeply)",
    b"[]": "a CloudEvent is a JSON object, and this is a list, of which each is to be read on its own",
    b"null": "a CloudEvent is a JSON object, and this is None",
    b"{}": "this is no CloudEvent: specversion: missing; id: missing; source: missing; type: missing",
    b'{"type": "order.paid.v1", "data": {}}': (
        "order.paid.v1: this is no CloudEvent: specversion: missing; id: missing; source: missing"
    ),
    b'{"specversion": "0.3", "id": 5, "source": "", "type": "t", "subject": ["secret"]}': (
        "t: this is no CloudEvent: specversion: '0.3' is not read here, but '1.0'; source: empty; "
        "subject: text is needed, not a list"
    ),
    rb'{"specversion": "1.0", "id": "\ud800", "source": "s", "type": "t"}': (
        "t: this is no CloudEvent: id: half of a surrogate pair is no character"
    ),
    b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": 1, "data_base64": "AA=="}': (
        "t: this is no CloudEvent: data_base64: it comes together with `data`"
    ),
    b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": "c2Vj!cmV0"}': (
        "t: this is no CloudEvent: data_base64: no base64"
    ),
    b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data_base64": 1}': (
        "t: this is no CloudEvent: data_base64: text is needed, not 1"
    ),
}


@pytest.mark.parametrize(
    "data",
    [pytest.param(data, marks=needs_a_deep_stack if data.startswith(b"[[") else ()) for data in NO_MESSAGES],
    ids=range(len(NO_MESSAGES)),
)
def test_what_is_no_cloudevent_says_what_is_missing(data: bytes) -> None:
    with pytest.raises(MessageRejectedError) as rejected:
        Message.from_json(data)
    assert str(rejected.value) == NO_MESSAGES[data]
    assert pickle.loads(pickle.dumps(rejected.value)).problems == rejected.value.problems


def test_an_integer_of_5000_digits_is_rejected_as_json() -> None:
    with pytest.raises(MessageRejectedError, match=r"it is no JSON \(a number has too many digits\)"):
        Message.from_json(b"9" * 5000)


NO_HEADERS: dict[str, tuple[dict[str, Any], bytes, str]] = {
    "none": ({}, b"{}", "this is no CloudEvent: specversion: missing; id: missing; source: missing; type: missing"),
    "the prefix of another protocol": (
        {"ce_id": "1", "ce_type": "t", "ce_source": "s", "ce_specversion": "1.0"},
        b"{}",
        "this is no CloudEvent: specversion: missing; id: missing; source: missing; type: missing",
    ),
    "percent-encoding of no UTF-8": (
        {"ce-id": "%C0%A0", "ce-type": "t", "ce-source": "s", "ce-specversion": "1.0"},
        b"{}",
        "t: this is no CloudEvent: id: not in UTF-8",
    ),
    "an object": (
        {"ce-id": {}, "ce-type": "t", "ce-source": "s", "ce-specversion": "1.0"},
        b"{}",
        "t: this is no CloudEvent: id: text is needed, not a dict",
    ),
    "data that is no JSON": (
        {"ce-id": "1", "ce-type": "t", "ce-source": "s", "ce-specversion": "1.0"},
        b"secret",
        "t: this is no CloudEvent: data: it is no JSON (Expecting value, line 1, column 1)",
    ),
    "a media type that is no text": (
        {"content-type": b"\xff"},
        b"{}",
        "this is no CloudEvent: datacontenttype: not in UTF-8",
    ),
    "a media type that is an object": (
        {"content-type": {}},
        b"{}",
        "this is no CloudEvent: datacontenttype: text is needed, not a dict",
    ),
    "a batch": (
        {"content-type": "application/cloudevents-batch+json"},
        b"[]",
        "a CloudEvent as 'application/cloudevents-batch+json' is not read here; send application/cloudevents+json",
    ),
}


@pytest.mark.parametrize("name", NO_HEADERS)
def test_headers_that_are_no_cloudevent_say_what_is_missing(name: str) -> None:
    headers, data, text = NO_HEADERS[name]
    with pytest.raises(MessageRejectedError) as rejected:
        Message.read(headers, data, "ce-")
    assert str(rejected.value) == text


# Made by hand.

made_of: Any = Message  # mistakes are what a checker rejects


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"id": ""}, "t: this is no CloudEvent: id: empty"),
        ({"id": 5}, "t: this is no CloudEvent: id: text is needed, not 5"),
        ({"type": ""}, "this is no CloudEvent: type: empty"),
        ({"subject": ""}, "t: this is no CloudEvent: subject: empty"),
        ({"subject": "\ud800"}, "t: this is no CloudEvent: subject: half of a surrogate pair is no character"),
        ({"time": "noon"}, "t: this is no CloudEvent: time: a datetime is needed, not a str"),
        ({"extensions": None}, "t: this is no CloudEvent: extensions: a mapping of texts is needed, not None"),
        (
            {"extensions": {1: "1"}},
            "t: this is no CloudEvent: 1: no name of an extension, which has lower-case letters and digits alone",
        ),
        (
            {"content_type": "text/plain\r\nset-cookie: a"},
            "t: this is no CloudEvent: datacontenttype: no media type, as in application/json",
        ),
        ({"content_type": None}, "t: this is no CloudEvent: datacontenttype: missing"),
        ({"time": datetime(2026, 3, 1)}, "t: this is no CloudEvent: time: naive; write datetime.now(timezone.utc)"),
        (
            {"extensions": {"b-c": "1"}},
            "t: this is no CloudEvent: b-c: no name of an extension, which has lower-case letters and digits alone",
        ),
        (
            {"extensions": {"id": "1"}},
            "t: this is no CloudEvent: id: no name of an extension, which has lower-case letters and digits alone",
        ),
    ],
)
def test_a_message_that_would_be_no_cloudevent_cannot_be_made(attributes: dict[str, Any], text: str) -> None:
    with pytest.raises(MessageRejectedError) as rejected:
        made_of(**{"id": "1", "source": "/shop", "type": "t", **attributes})
    assert str(rejected.value) == text


def test_the_time_of_a_message_made_by_hand_is_in_utc() -> None:
    message = Message(id="1", source="s", type="t", time=NOON.astimezone(timezone(timedelta(hours=2))))
    assert message.time == NOON
    assert json.loads(message.to_json())["time"] == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"a": object()}, "Object of type object is not JSON serializable"),
        ({"a": float("nan")}, "it holds a number that is not finite, or itself"),
        ({"a": "\ud800"}, "half of a surrogate pair is no character"),
    ],
)
def test_data_that_is_no_json_is_not_written(data: object, why: str) -> None:
    message = Message(id="1", source="s", type="t", data=data)
    for write in (message.to_json, message.body):
        with pytest.raises(MessageRejectedError) as rejected:
            write()
        assert str(rejected.value) == f"t: its data is no JSON: {why}"


def test_a_message_is_a_value() -> None:
    for copied in (deepcopy(PAID), pickle.loads(pickle.dumps(PAID))):
        assert copied == PAID
        assert hash(copied) == hash(PAID)
    assert Message(id="01a2", source="/shop", type="order.paid.v2") != PAID
    with pytest.raises(AttributeError):
        setattr(PAID, "id", "2")  # noqa: B010  # what a checker rejects


def test_the_repr_of_a_message_leaves_out_its_data() -> None:
    assert "01a2" in repr(PAID)
    assert "250" not in repr(PAID)
