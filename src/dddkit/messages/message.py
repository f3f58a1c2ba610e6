"""The message that an event is outside of the process: a CloudEvent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Final, final

from dddkit._callables import kind_of
from dddkit._typing import Self
from dddkit.exceptions import MessageRejectedError
from dddkit.messages import _headers, _json_format
from dddkit.messages._attributes import ATTRIBUTES, CONTENT_TYPE, NAME, is_mapping, problem_of, problem_of_content_type

__all__ = ["Message"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """An event as other processes see it: a CloudEvent, version 1.0 of <https://cloudevents.io>.

    `EventCatalog.encode` makes one of an event, and `decode` the event of one. Messages of other people can be read
    too. Treat `data` and `extensions` as read-only: a message is sent more than once.

    Raises:
        MessageRejectedError: by its attribute, what no CloudEvent has: an empty id, a naive time.

    Attributes:
        id: identifies the message, together with its source; a receiver that has seen both has seen the message.
        type: what has happened, with the version of what is said about it: `order.cancelled.v2`.
        source: who says so; a URI or a part of one.
        subject: the aggregate, as in `orders/17`. Messages with one subject are delivered in order.
        time: when it happened; aware, in UTC. Those of an EventCatalog have one.
        data: what is said about it, as parsed JSON; those of an EventCatalog have a JSON object. Any other media type
            is bytes or text. None where nothing is said.
        content_type: the media type of the data.
        correlation_id: the first message of all that led to this one.
        causation_id: the id of the message that this one is an effect of.
        extensions: further attributes by name, as in `traceparent`; their values are text.
    """

    id: str
    type: str
    source: str
    subject: str | None = None
    time: datetime | None = None
    data: Any = field(default=None, repr=False)  # JSON is Any, as `json.loads` has it; not shown, as it may be secret
    content_type: str = CONTENT_TYPE
    correlation_id: str | None = None
    causation_id: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if self.time is not None and getattr(self.time, "tzinfo", None) is not timezone.utc:
            try:
                object.__setattr__(self, "time", _in_utc(self.time))
            except (ValueError, OverflowError) as error:
                problems.append(("time", str(error)))
        if problems:
            named = self.type if problem_of(self.type) is None else None
            raise MessageRejectedError("this is no CloudEvent", named, problems)

    def __hash__(self) -> int:
        return hash((self.source, self.id))

    def to_json(self) -> bytes:
        """Return the whole message in UTF-8, as the JSON format of CloudEvents has it.

        Its media type is `application/cloudevents+json`.

        Raises:
            MessageRejectedError: the data is no JSON.
        """
        return _json_format.write(self)

    @classmethod
    def from_json(cls, data: bytes | bytearray | str) -> Self:
        """Return the message that the JSON format of CloudEvents says.

        Raises:
            MessageRejectedError: it says none, with what is missing or wrong.
        """
        return cls(**_json_format.read(data))

    def headers(self, prefix: str) -> dict[str, str]:
        """Return the message without its data, as the headers of what carries the data as its body.

        Args:
            prefix: what the names begin with: `ce-` over HTTP and NATS, which have the values percent-encoded,
                `cloudEvents:` over AMQP, `ce_` over Kafka.
        """
        return _headers.write(self, prefix)

    def body(self) -> bytes:
        """Return the data alone, as what goes with `headers`.

        Raises:
            MessageRejectedError: the data is no JSON.
        """
        return _json_format.body(self)

    @classmethod
    def read(cls, headers: Mapping[str, Any], data: bytes | bytearray | str, prefix: str) -> Self:
        """Return the message that came as headers and data.

        Headers that do not begin with the prefix are no part of it. Where the content type of the headers is that of
        the JSON format, the message is read from the data alone.

        Raises:
            MessageRejectedError: it is no message, with what is missing or wrong.
        """
        return cls(**_headers.read(headers, data, prefix))


_RESERVED: Final = frozenset({*ATTRIBUTES, "specversion", "data"})


def _problems(message: Message) -> Iterator[tuple[str, str]]:
    """Return what is wrong with the texts of the message, by attribute."""
    for name, text in (
        ("id", message.id),
        ("type", message.type),
        ("source", message.source),
    ):
        if wrong := problem_of(text):
            yield name, wrong
    if wrong := problem_of_content_type(message.content_type):
        yield "datacontenttype", wrong
    for name, optional in (
        ("subject", message.subject),
        ("correlationid", message.correlation_id),
        ("causationid", message.causation_id),
    ):
        if optional is not None and (wrong := problem_of(optional)):
            yield name, wrong
    yield from _problems_of_extensions(message.extensions)


def _problems_of_extensions(extensions: Any) -> Iterator[tuple[str, str]]:  # Any: mistakes of who makes one by hand
    if not is_mapping(extensions):
        yield "extensions", f"a mapping of texts is needed, not {kind_of(extensions)}"
        return
    for name, text in extensions.items():
        if not isinstance(name, str) or NAME.fullmatch(name) is None or name in _RESERVED:
            yield str(name), "no name of an extension, which has lower-case letters and digits alone"
        elif wrong := problem_of(text):
            yield name, wrong


def _in_utc(time: Any) -> datetime:  # Any: as above
    if not isinstance(time, datetime):
        raise ValueError(f"a datetime is needed, not {kind_of(time)}")  # one of several problems
    if time.utcoffset() is None:
        raise ValueError("naive; write datetime.now(timezone.utc)")
    return time.astimezone(timezone.utc)
