"""The attributes of a CloudEvent: their names, and what each looks like as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final, TypeGuard

from dddkit._callables import kind_of

__all__ = [
    "ATTRIBUTES",
    "CONTENT_TYPE",
    "NAME",
    "SPEC_VERSION",
    "as_text",
    "is_json",
    "is_json_object",
    "is_mapping",
    "problem_of",
    "problem_of_content_type",
    "text_of_time",
    "time_of",
]

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"

ATTRIBUTES: Final = {
    "id": "id",
    "type": "type",
    "source": "source",
    "subject": "subject",
    "time": "time",
    "datacontenttype": "content_type",
    "correlationid": "correlation_id",
    "causationid": "causation_id",
}
"""What the fields of a Message are called in a CloudEvent. All other attributes are its extensions."""

NAME: Final = re.compile(r"[a-z0-9]+", re.ASCII)
"""What an attribute is called. Headers with other names are none."""

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII
)


def text_of_time(time: datetime) -> str:
    """Return a time in UTC as RFC 3339 writes it."""
    return time.isoformat()[: -len("+00:00")] + "Z"


def time_of(text: str) -> datetime:
    """Return the time in UTC that the text of RFC 3339 means.

    Python 3.10 reads neither `Z` nor nanoseconds; no Python reads a leap second, which becomes the second after it.

    Raises:
        ValueError: it is no such text.
        OverflowError: it is outside of what a datetime holds.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("not RFC 3339")
    year, month, day, hour, minute, second = (int(found[group]) for group in range(1, 7))
    microsecond = int((found[7] or "0").ljust(6, "0")[:6])
    is_leap = second == 60
    time = datetime(year, month, day, hour, minute, second - is_leap, microsecond, timezone.utc)
    offset = timedelta(0) if found[8] else timedelta(hours=int(found[10]), minutes=int(found[11]))
    return time + timedelta(seconds=is_leap) + (offset if found[9] == "-" else -offset)


def as_text(value: object) -> str | None:
    """Return the text that CloudEvents gives a value; None for what is not set.

    Raises:
        ValueError: a value of this type is no attribute.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (bytes, bytearray)):  # the headers of Kafka
        return str(value, "utf-8")
    if isinstance(value, datetime) and value.utcoffset() is not None:  # the properties of AMQP
        return text_of_time(value.astimezone(timezone.utc))
    raise ValueError(f"text is needed, not {kind_of(value)}")


def problem_of_content_type(value: Any) -> str | None:
    """Return what is wrong with a media type: it is a header as it is, so a line break in it would begin another."""
    if (wrong := problem_of(value)) is not None:
        return wrong
    return None if value.isascii() and value.isprintable() else "no media type, as in application/json"


def is_json(content_type: str) -> bool:
    """Return whether data of this media type is JSON."""
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type.endswith(("/json", "+json"))


def is_json_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether it is what `json.loads` makes of an object."""
    return isinstance(value, dict)


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Return whether it is a mapping, of whatever."""
    return isinstance(value, Mapping)


def problem_of(value: Any) -> str | None:
    """Return what is wrong with the text of an attribute; None if nothing is."""
    if not isinstance(value, str):
        return f"text is needed, not {kind_of(value)}" if value is not None else "missing"
    if not value:
        return "empty"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "half of a surrogate pair is no character"
    return None
