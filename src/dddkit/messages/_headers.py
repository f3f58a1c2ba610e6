"""The binary mode of CloudEvents: a message as headers beside its data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote_to_bytes

from dddkit.exceptions import MessageRejectedError
from dddkit.messages import _json_format
from dddkit.messages._attributes import CONTENT_TYPE, as_text, is_json

if TYPE_CHECKING:
    from dddkit.messages.message import Message

__all__ = ["read", "write"]

_CONTENT_TYPE_HEADER: Final = "content-type"
_STRUCTURED: Final = "application/cloudevents"
_JSON_FORMAT: Final = "application/cloudevents+json"

_UNQUOTED: Final = "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""What stands for itself: of the printable ASCII all but space, `"` and `%`."""


def write(message: Message, prefix: str) -> dict[str, str]:
    """Return the headers of the message."""
    attributes = _json_format.attributes_of(message)
    content_type = attributes.pop("datacontenttype")
    if _are_quoted(prefix):
        attributes = {name: quote(value, safe=_UNQUOTED) for name, value in attributes.items()}
    return {_CONTENT_TYPE_HEADER: content_type, **{prefix + name: value for name, value in attributes.items()}}


def read(headers: Mapping[str, Any], data: bytes | bytearray | str, prefix: str) -> dict[str, Any]:
    """Return the arguments of the Message that the headers and the data say."""
    attributes: dict[str, Any] = {}
    content_type = None
    prefixes = _prefixes(prefix)
    for header, value in headers.items():
        name = header.lower()
        if name == _CONTENT_TYPE_HEADER:
            content_type = _content_type(value)
        elif name.startswith(prefixes):
            attribute = name[len(prefix) :]
            attributes[attribute] = _time(value) if attribute == "time" and type(value) is int else value
    if content_type and content_type.strip().lower().startswith(_STRUCTURED):
        if content_type.partition(";")[0].strip().lower() != _JSON_FORMAT:
            raise MessageRejectedError(f"a CloudEvent as {content_type[:60]!r} is not read here; send {_JSON_FORMAT}")
        return _json_format.read(data)
    if content_type:  # as it is: unlike the attributes it is not percent-encoded
        attributes.pop("datacontenttype", None)
    decode = _unquoted if _are_quoted(prefix) else str
    arguments, problems = _json_format.arguments_of(attributes, content_type or CONTENT_TYPE, decode)
    try:
        arguments["data"] = _data(data, arguments["content_type"])
    except ValueError as error:
        problems.append(("data", str(error)))
    _json_format.reject(arguments, problems)
    return arguments


def _content_type(value: object) -> str | None:
    try:
        return as_text(value)
    except UnicodeError:
        problem = "not in UTF-8"
    except ValueError as error:
        problem = str(error)
    raise MessageRejectedError("this is no CloudEvent", None, [("datacontenttype", problem)])


def _time(milliseconds: int) -> datetime | int:
    """Return the time that AMQP has as a number; the number itself where it is none."""
    try:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return milliseconds


def _data(data: bytes | bytearray | str, content_type: str) -> Any:
    if not is_json(content_type):
        return data if isinstance(data, str) else bytes(data)
    return _json_format.parsed(data) if data else None


def _prefixes(prefix: str) -> tuple[str, ...]:
    """Return how names may begin, in lower case: of the two separators over AMQP either one is read."""
    lower = prefix.lower()
    return ("cloudevents:", "cloudevents_") if lower in ("cloudevents:", "cloudevents_") else (lower,)


def _unquoted(text: str) -> str:
    """Return what the header of HTTP says; older senders put it between double quotes.

    Raises:
        ValueError: it is not in UTF-8.
    """
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return unquote_to_bytes(text).decode()


def _are_quoted(prefix: str) -> bool:
    """Return whether values are percent-encoded, as HTTP wants it; Kafka and AMQP take UTF-8."""
    return prefix.lower() == "ce-"
