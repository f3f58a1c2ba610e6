"""The catalog: what events are called outside of the process, and in which version."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple, TypeGuard, TypeVar

from pydantic_core import from_json

from dddkit._callables import kind_of
from dddkit._core.events import AnyDomainEvent, current_time, new_event_id
from dddkit._core.typing_objects import is_class
from dddkit._json import JsonCodec, JsonMismatchError
from dddkit._locks import new_lock
from dddkit._markers import EntityMark
from dddkit.exceptions import MessageRejectedError, UnknownMessageError, UnnamedEventError
from dddkit.messages._attributes import is_json_object, problem_of, text_of_time
from dddkit.messages._json_format import write_event
from dddkit.messages.causation import current_cause
from dddkit.messages.message import Message
from dddkit.messages.upcasting import Upcaster, Upcasters

__all__ = ["CatalogEntry", "EncodedMessage", "EventCatalog"]

U = TypeVar("U", bound=Upcaster)

_TYPE: Final = re.compile(r"(.+)\.v([1-9][0-9]{0,99})", re.DOTALL)
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_VERSION_AT_END: Final = re.compile(r"\.v[0-9]+$")


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """What the catalog knows of one event class."""

    name: str
    version: int
    event_class: type[Any]
    codec: JsonCodec[Any]
    own_version: int | None
    """The version that the class gives its events; None for a class that has none."""
    in_message: frozenset[str] = frozenset()
    """The fields that the kit sets when an event is made, and that a message has among its attributes."""

    @property
    def type(self) -> str:
        """The type of its messages: the name with the version."""
        return f"{self.name}.v{self.version}"


class EncodedMessage(NamedTuple):
    """A message as JSON, beside what a reader of it needs to know first."""

    id: str
    type: str
    subject: str | None
    text: str


class EventCatalog:
    """Names the events that leave the process; writes them as messages, and reads messages as events.

    The domain does not know that it is published: the names are here, so that a class can be renamed and moved. An
    additive change (a field with a default) keeps the version. Another one raises it, and brings an upcaster, by which
    messages of the older version can still be read.

    It may be used from several threads.

    Args:
        source: says where the messages come from, as CloudEvents have it: a URI or a part of one, `/shop`.

    Raises:
        ValueError: the source is empty, or holds spaces.
    """

    def __init__(self, source: str) -> None:
        if not _is_one_word(source):
            raise ValueError('the source of a catalog is a URI or a part of one, as in EventCatalog("/shop")')
        self._source: Final = source
        self._by_name: Final[dict[str, CatalogEntry]] = {}
        self._by_class: Final[dict[type[Any], CatalogEntry]] = {}
        self._private: Final[set[type[Any]]] = set()
        self._upcasters: Final = Upcasters()
        self._lock: Final = new_lock()

    @property
    def source(self) -> str:
        """Where the messages come from."""
        return self._source

    def add(self, event_class: type[Any], name: str, *, version: int | None = None) -> None:
        """Give the events of a class a name.

        It counts for this class alone: an event of a subclass has no name before the subclass gets one.

        Args:
            event_class: an AggregateEvent or a DomainEvent; Any, as it is of either flavour, or of none.
            name: what has happened, as in `order.cancelled`. It is for good: readers and stored messages know it.
            version: from 1 on. A DomainEvent has it as the default of its field `version`; others are in version 1.

        Raises:
            TypeError: it is no class with fields, or a field would not come back from JSON as it was.
            ValueError: the name or the class has been added before, the class is private, the version is another than
                that of the DomainEvent, or the name ends in one.
        """
        _require_event_class(event_class)
        _require_name(name, event_class)
        own_version = _own_version(event_class)
        made = CatalogEntry(
            name,
            _version(event_class, name, version, own_version),
            event_class,
            JsonCodec(event_class),
            own_version,
            _in_message(event_class),
        )
        shown = event_class.__qualname__
        with self._lock:
            if present := self._by_class.get(event_class):
                raise ValueError(f'{shown} is "{present.name}" already; a class has one name')
            if present := self._by_name.get(name):
                raise ValueError(f'"{name}" is {present.event_class.__qualname__} already; give {shown} another name')
            if event_class in self._private:
                raise ValueError(f"{shown} is private; take it out of catalog.private(...), or give it no name")
            self._by_name[name] = made
            self._by_class[event_class] = made

    def private(self, *event_classes: type[Any]) -> None:
        """Say of events that they stay in the process: an outbox leaves them out.

        It counts for these classes alone, as a name does.

        Raises:
            TypeError: something is no class with fields.
            ValueError: one of them has a name.
        """
        for event_class in event_classes:
            _require_event_class(event_class)
        with self._lock:
            for event_class in event_classes:
                if present := self._by_class.get(event_class):
                    shown = event_class.__qualname__
                    raise ValueError(f'{shown} is named "{present.name}"; it is private or has a name, not both')
            self._private.update(event_classes)

    def upcast(self, name: str, *, to: int) -> Callable[[U], U]:
        """Decorate what makes the JSON of this version out of that of the version before.

            @catalog.upcast("order.cancelled", to=2)
            def _(data: dict[str, Any]) -> dict[str, Any]:
                return {**data, "reason": "unknown"}

        It may change what it is given. Messages of older versions go through all upcasters from theirs on.

        Raises:
            TypeError: the function is async, or cannot be called with the JSON alone.
            ValueError: `to` is below 2, or there is another upcaster to this version.
        """
        _require_name(name, None)
        if type(to) is not int or to < 2:
            raise ValueError(f"an upcaster leads to a version from 2 on, and not to {kind_of(to)}")

        def add(function: U) -> U:
            with self._lock:
                self._upcasters.add(name, to, function)
            return function

        return add

    def check(self) -> None:
        """Check that each older version can be read; call it in a test, or where the application starts.

        Raises:
            ValueError: with a line for each version that no upcaster leads to, and each upcaster that leads nowhere.
        """
        with self._lock:
            problems = list(self._upcasters.problems({entry.name: entry.version for entry in self._by_name.values()}))
        if problems:
            raise ValueError("\n".join(problems))

    def encode(self, event: object, subject: str | None = None) -> Message:
        """Return the message that says what the event says.

        A DomainEvent's id is the message's. An AggregateEvent gets a new one each time, so encode it once.

        Args:
            event: an event whose class has a name.
            subject: the aggregate that it happened to, as in `orders/17`.

        Raises:
            UnnamedEventError: its class has no name.
            MessageRejectedError: a value does not fit its field or would not come back as it is, by the path of the
                field; or the event does not know in which zone `occurred_on` is.
            ValueError: its class is private.
        """
        entry, id_, time, data = self._written(event)
        cause = current_cause()
        return Message(
            id=id_,
            type=entry.type,
            source=self._source,
            subject=subject,
            time=time,
            data=from_json(data),
            correlation_id=(cause.correlation_id or cause.id) if cause else None,
            causation_id=cause.id if cause else None,
        )

    def _written(self, event: object) -> tuple[CatalogEntry, str, datetime, bytes]:
        """Return what the catalog knows of its class, the id and the time of its message, and its data as JSON."""
        entry = self._by_class.get(type(event))
        if entry is None:
            raise self._no_name(event)
        id_ = str(getattr(event, "id") if isinstance(event, AnyDomainEvent) else new_event_id())  # noqa: B009  # both flavours have it
        time = getattr(event, "occurred_on", None)
        if not isinstance(time, datetime):
            time = current_time()
        elif time.utcoffset() is None:
            naive = ("data.occurred_on", "naive; write datetime.now(timezone.utc)")
            raise MessageRejectedError(_misfit(entry), entry.type, [naive])
        try:
            return entry, id_, time, entry.codec.dump(event)
        except JsonMismatchError as error:
            raise _rejected(entry, entry.type, error) from None  # what pydantic says shows values

    def decode(self, message: Message) -> object:
        """Return the event that the message says; one in an older version goes through the upcasters first.

        The source of the message does not matter: a catalog may name the events of other services too. Where their
        data has no `occurred_on`, that is the time of the message; a DomainEvent without `id` has that of the message
        if it is a UUID.

        Raises:
            UnknownMessageError: no event has its name, its version is newer than the known one, or nothing leads from
                its version to that.
            MessageRejectedError: its data does not fit the event, by path; or an upcaster failed.
        """
        if type(message) is not Message:
            raise TypeError(f"decode takes a Message, and got {kind_of(message)}; read it with Message.from_json(...)")
        entry, version = self._named(message.type)
        data: object = message.data
        if not is_json_object(data):
            what = "nothing" if data is None else kind_of(data)
            raise MessageRejectedError(f"its data is {what}, and that of an event is a JSON object", message.type)
        if version < entry.version:
            data = self._upcasters.apply(data, entry.name, version, entry.version)
            if entry.own_version is not None and data.get("version") == version:
                data = {**data, "version": entry.version}
        if not entry.in_message <= data.keys():  # else each reading would give it another id, and the current time
            data = {**_said_by(message, entry.in_message), **data}
        try:
            return entry.codec.load_object(data)
        except JsonMismatchError as error:
            raise _rejected(entry, message.type, error) from None  # what pydantic says shows values

    def _named(self, message_type: str) -> tuple[CatalogEntry, int]:
        """Return what the catalog knows of messages of this type, and their version."""
        found = _TYPE.fullmatch(message_type)
        entry = self._by_name.get(found[1]) if found else None
        if found is None or entry is None:
            if entry := self._by_name.get(message_type):
                raise UnknownMessageError(
                    f"{message_type}: the type of a message ends in its version, as in {entry.type}", message_type
                )
            raise UnknownMessageError(
                f"{message_type} is not in the catalog; name its event with catalog.add(...), or ignore what is not "
                f'there with Consumer(..., unknown="ignore")',
                message_type,
            )
        version = int(found[2])
        if version > entry.version:
            raise UnknownMessageError(
                f"{message_type} is newer than version {entry.version}, the newest that is known here; "
                f"deploy its readers before its writers",
                message_type,
                entry.version,
            )
        return entry, version

    def _no_name(self, event: object) -> Exception:
        if is_class(event):
            name = event.__qualname__
            return TypeError(f"an event is an instance, and {name} is a class; encode {name}(...)")
        event_class = type(event)
        if event_class in self._private:
            return ValueError(f"{event_class.__qualname__} is private in this catalog: it stays in the process")
        named_base = next((base for base in event_class.__mro__ if base in self._by_class), None)
        return UnnamedEventError((event_class,), named_base)

    # For the packages of the kit.

    def _encode_json(self, event: object, subject: str | None) -> EncodedMessage:
        """Return what `encode(event, subject).to_json()` does, in a third of the time: what is JSON is not read."""
        entry, id_, time, data = self._written(event)
        if problem_of(id_) or (subject is not None and problem_of(subject)) or time.tzinfo is not timezone.utc:
            # It says what is wrong, or converts the time.
            time = Message(id=id_, type=entry.type, source=self._source, subject=subject, time=time).time or time
        type_ = entry.type
        text = write_event(id_, type_, self._source, subject, time, current_cause(), data)
        return EncodedMessage(id_, type_, subject, text)

    def _entries(self) -> Sequence[CatalogEntry]:
        with self._lock:
            return list(self._by_name.values())

    def _name_of(self, event_class: type[Any]) -> CatalogEntry | None:
        return self._by_class.get(event_class)

    def _class_of(self, message_type: str) -> type[Any] | None:
        """Return the class whose name the type has, in whatever version; None for an unknown name."""
        found = _TYPE.fullmatch(message_type)
        entry = self._by_name.get(found[1] if found else message_type)
        return None if entry is None else entry.event_class

    def _is_private(self, event_class: type[Any]) -> bool:
        return event_class in self._private


def _require_event_class(event_class: Any) -> None:
    if not is_class(event_class):
        from dddkit._core.descriptions import described  # only errors need it

        raise TypeError(f"a catalog names the classes of events, and got {described(event_class)}")
    shown = event_class.__qualname__
    if issubclass(event_class, EntityMark):
        raise TypeError(f"{shown} has an identity, and is no event; name the events it records")
    if _fields_of(event_class) is None:
        raise TypeError(f"{shown} is no event; derive it from DomainEvent or AggregateEvent")


def _require_name(name: object, event_class: type[Any] | None) -> None:
    if not _is_one_word(name):
        raise ValueError("the name of a message is one word, as in 'order.cancelled'")
    if found := _VERSION_AT_END.search(name):
        given = "to" if event_class is None else "version"
        raise ValueError(f'"{name}" ends in a version; write "{name[: found.start()]}" and {given}={found[0][2:]}')


def _version(event_class: type[Any], name: str, version: int | None, own_version: int | None) -> int:
    shown = event_class.__qualname__
    if version is None:
        version = 1 if own_version is None else own_version
    elif own_version is not None and version != own_version:
        raise ValueError(
            f"{shown} has version {own_version}, and the catalog gives it {kind_of(version)}; "
            f"write catalog.add({shown}, {name!r}), and change the default of its field"
        )
    if type(version) is not int or version < 1:
        raise ValueError(f"the version of {shown} is a number from 1 on, and not {kind_of(version)}")
    return version


def _own_version(event_class: type[Any]) -> int | None:
    """Return the version that a class of domain events gives its events; None if it does not tell."""
    if not issubclass(event_class, AnyDomainEvent):
        return None
    default: object = getattr((_fields_of(event_class) or {}).get("version"), "default", None)
    return int(default) if isinstance(default, int) and not isinstance(default, bool) else None


def _in_message(event_class: type[Any]) -> frozenset[str]:
    fields = _fields_of(event_class) or {}
    made: dict[str, Callable[[], object]] = {"occurred_on": current_time}
    if issubclass(event_class, AnyDomainEvent):
        made["id"] = new_event_id
    return frozenset(name for name in made if getattr(fields.get(name), "default_factory", None) is made[name])


def _said_by(message: Message, names: frozenset[str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if "occurred_on" in names and message.time is not None:
        said["occurred_on"] = text_of_time(message.time)
    if "id" in names and _UUID.fullmatch(message.id):
        said["id"] = message.id
    return said


def _fields_of(event_class: Any) -> dict[str, Any] | None:
    """Return the fields of a model or a dataclass; None for what is neither."""
    fields: dict[str, Any] | None = getattr(event_class, "model_fields", None)
    return getattr(event_class, "__dataclass_fields__", None) if fields is None else fields


def _is_one_word(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and text != "" and text.isprintable() and " " not in text


def _misfit(entry: CatalogEntry) -> str:
    return f"the data does not fit {entry.event_class.__qualname__}"


def _rejected(entry: CatalogEntry, message_type: str, error: JsonMismatchError) -> MessageRejectedError:
    """Return the error about data by its path in the message."""
    problems = [(f"data.{path}" if path else "data", what) for path, what in error.problems]
    return MessageRejectedError(_misfit(entry), message_type, problems)
