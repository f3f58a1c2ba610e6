"""The JSON format of CloudEvents: a message as one JSON object."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

from dddkit._callables import kind_of
from dddkit.exceptions import MessageRejectedError
from dddkit.messages._attributes import (
    ATTRIBUTES,
    CONTENT_TYPE,
    NAME,
    SPEC_VERSION,
    as_text,
    is_json,
    is_json_object,
    problem_of,
    text_of_time,
    time_of,
)

if TYPE_CHECKING:
    from dddkit.messages.message import Message

__all__ = ["arguments_of", "attributes_of", "body", "parsed", "read", "reject", "write", "write_event"]

_CONSTANTS: Final = ("NaN", "Infinity", "-Infinity")  # Python reads them, and JSON does not have them
_REQUIRED: Final = ("specversion", "id", "source", "type")
_quoted: Final = json.JSONEncoder(ensure_ascii=False).encode


def write(message: Message) -> bytes:
    """Return the message as UTF-8."""
    written: dict[str, Any] = attributes_of(message)
    if isinstance(message.data, bytes):
        written["data_base64"] = b64encode(message.data).decode()
    elif message.data is not None:
        written["data"] = message.data
    return _dumped(message, written)


def write_event(
    message_id: str,
    message_type: str,
    source: str,
    subject: str | None,
    time: datetime,
    cause: Message | None,
    data: bytes,
) -> str:
    """Return what `write` makes of the message with these attributes, whose data is JSON already.

    Nothing is checked: the attributes are right, and the time is in UTC.
    """
    subject_ = f'"subject":{_quoted(subject)},' if subject is not None else ""
    cause_ = ""
    if cause is not None:
        correlation_id = _quoted(cause.correlation_id or cause.id)
        cause_ = f'"correlationid":{correlation_id},"causationid":{_quoted(cause.id)},'
    return (
        f'{{"specversion":"{SPEC_VERSION}","id":{_quoted(message_id)},{_origin(message_type, source)},'
        f'{subject_}"time":"{text_of_time(time)}","datacontenttype":"{CONTENT_TYPE}",{cause_}"data":{data.decode()}}}'
    )


@lru_cache(1000)
def _origin(message_type: str, source: str) -> str:
    """Return the attributes that the messages of one class have in common."""
    return f'"type":{_quoted(message_type)},"source":{_quoted(source)}'


def body(message: Message) -> bytes:
    """Return the data of the message in its media type."""
    if message.data is None:
        return b""
    if isinstance(message.data, bytes):
        return message.data
    if isinstance(message.data, str) and not is_json(message.content_type):
        return message.data.encode()
    return _dumped(message, message.data)


def attributes_of(message: Message) -> dict[str, str]:
    """Return the attributes that are set, by the names that they have in a CloudEvent."""
    written = {"specversion": SPEC_VERSION}
    for name, attribute in ATTRIBUTES.items():
        value = getattr(message, attribute)
        if value is not None:
            written[name] = text_of_time(value) if attribute == "time" else value
    return {**written, **message.extensions}


def _dumped(message: Message, value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        why = "half of a surrogate pair is no character"
    except ValueError:
        why = "it holds a number that is not finite, or itself"
    except (TypeError, RecursionError) as error:
        why = str(error)
    raise MessageRejectedError(f"its data is no JSON: {why}", message.type)


def read(data: bytes | bytearray | str) -> dict[str, Any]:
    """Return the arguments of the Message that the text says."""
    try:
        found = parsed(data)
    except ValueError as error:
        raise MessageRejectedError(f"this is no CloudEvent: {error}") from None
    if not is_json_object(found):
        what = "a list, of which each is to be read on its own" if isinstance(found, list) else kind_of(found)
        raise MessageRejectedError(f"a CloudEvent is a JSON object, and this is {what}")
    attributes = {name: value for name, value in found.items() if name not in ("data", "data_base64")}
    encoded = found.get("data_base64")
    arguments, problems = arguments_of(attributes, "application/octet-stream" if encoded is not None else CONTENT_TYPE)
    arguments["data"] = found.get("data")
    if encoded is not None:
        try:
            if arguments["data"] is not None:
                raise ValueError("it comes together with `data`")
            arguments["data"] = _decoded(encoded, arguments["content_type"])
        except ValueError as error:
            problems.append(("data_base64", str(error)))
    reject(arguments, problems)
    return arguments


def _decoded(encoded: object, content_type: str) -> Any:
    if not isinstance(encoded, str):
        raise ValueError(f"text is needed, not {kind_of(encoded)}")
    try:
        data = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("no base64") from None
    return parsed(data) if is_json(content_type) else data


def parsed(data: bytes | bytearray | str) -> Any:
    """Return the value that the JSON says.

    Raises:
        ValueError: it is no JSON, with where it ends to be.
    """
    try:
        return json.loads(data, parse_constant=_reject_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error.msg}, line {error.lineno}, column {error.colno})") from None
    except UnicodeDecodeError:
        raise ValueError("it is no JSON (not in UTF-8)") from None
    except RecursionError:
        raise ValueError("it is no JSON (nested too deeply)") from None
    except ValueError as error:
        why = f"{error} is no number there" if str(error) in _CONSTANTS else "a number has too many digits"
        raise ValueError(f"it is no JSON ({why})") from None


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


def arguments_of(
    attributes: dict[str, Any], content_type: str, decode: Callable[[str], str] = str
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the arguments of the Message with these attributes, and what is wrong with them, by name.

    Args:
        attributes: their values by the names that they have in a CloudEvent.
        content_type: the media type of data whose type the attributes do not tell.
        decode: what makes the value of the text of an attribute.
    """
    problems: list[tuple[str, str]] = []
    arguments: dict[str, Any] = {}
    extensions: dict[str, str] = {}
    values = {**dict.fromkeys(_REQUIRED), **attributes}
    for name, value in values.items():
        try:
            text = as_text(value)
            if text is not None:
                text = decode(text)
            if name in _REQUIRED and (wrong := problem_of(text)):
                raise ValueError(wrong)
            if not text:  # unset; others send an empty text for it
                continue
            if name == "specversion":
                _require_version(text)
            elif name == "time":
                arguments["time"] = _time(text)
            elif name in ATTRIBUTES:
                arguments[ATTRIBUTES[name]] = text
            elif NAME.fullmatch(name):
                extensions[name] = text
        except UnicodeError:
            problems.append((name, "not in UTF-8"))
        except ValueError as error:
            problems.append((name, str(error)))
    arguments.setdefault("content_type", content_type)
    return {**arguments, "extensions": extensions}, problems


def reject(arguments: dict[str, Any], problems: Iterable[tuple[str, str]]) -> None:
    """Raise MessageRejectedError if there are problems."""
    if listed := tuple(problems):
        raise MessageRejectedError("this is no CloudEvent", arguments.get("type"), listed)


def _require_version(version: str) -> None:
    if version != SPEC_VERSION:
        raise ValueError(f"{version[:20]!r} is not read here, but {SPEC_VERSION!r}")


def _time(text: str) -> Any:
    try:
        return time_of(text)
    except (ValueError, OverflowError):
        raise ValueError("no time of RFC 3339, as in 2026-03-01T12:00:00Z") from None
