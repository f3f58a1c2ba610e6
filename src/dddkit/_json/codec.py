"""Objects of one class to JSON, and back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, Final, Generic, Literal, Optional, TypeVar, get_origin

import typing_extensions
from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails, PydanticSerializationError, from_json, to_json

from dddkit._json.classes import BY_NAME, CONFIG, is_dataclass, is_model
from dddkit._json.definition import Definition
from dddkit._json.json_schema import schema_of
from dddkit._json.mismatch import JsonMismatchError, NoJsonError, Problem, class_text, mismatch
from dddkit._markers import AggregateMark

__all__ = ["JsonCodec"]

T = TypeVar("T")

# Any: parsed JSON, and the values that it stands for.

_DIGITS: Final = 4_000
"""An int of more digits is not read, so JSON of that length may contain one."""

_LIST: Final[Any] = list  # Any: else checkers believe to know what is in it
_DICT: Final[Any] = dict
_NOT_FINITE: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class JsonCodec(Generic[T]):
    """Writes objects of one class as JSON, and reads them: what is written reads back the same.

    The class is a dataclass or a pydantic model, of any flavour of the kit or of none, or a TypedDict. What its fields
    say decides when the codec is made; a value that does not fit its field is rejected when it is written. Pending
    events and versions of aggregates are no part of the JSON. Unknown fields are ignored when reading.

    Validators and `__post_init__` run when an object is read. Where there are any, and where fields have constraints,
    what is written is read once as well, since only that tells whether it comes back.

    A time comes back as the same instant with the same offset, and an int in a float as that float.
    """

    def __init__(
        self,
        cls: type[T],
        *,
        is_tolerant: bool | None = None,
        aware: Collection[str] = (),
        refusal: Callable[[Any], str | None] | None = None,
    ) -> None:
        """Look at the class.

        Args:
            cls: the class; a generic one with its arguments.
            is_tolerant: reject `extra="forbid"`, since a later version may write more fields; None for every class but
                aggregates.
            aware: the fields whose times need a time zone.
            refusal: why a type is not for what the codec is made for, whether it comes back or not; None where it is.

        Raises:
            NoJsonError: a field would not come back; names the class and each such field, and what to write instead.
        """
        self._aware = tuple(aware)
        origin: Any = get_origin(cls) or cls
        if not is_model(origin) and not is_dataclass(origin) and not typing_extensions.is_typeddict(origin):
            fault = "has no fields; give a dataclass or a pydantic model"
            raise NoJsonError(f"{class_text(cls)} {fault}", (("", fault),))
        if is_tolerant is None:
            is_tolerant = not issubclass(origin, AggregateMark)
        try:
            # A configuration is for what has none of its own. pydantic refuses one for a dataclass alone.
            optional: Any = Optional[cls]  # noqa: UP045  # `|` is not for every generic alias
            self._adapter: TypeAdapter[Any] = TypeAdapter(optional, config=CONFIG)
            unfit: Exception | None = None
        except Exception as error:  # pydantic raises many
            unfit = error
        definition = Definition(cls, is_tolerant=is_tolerant, refusal=refusal)
        if definition.problems or unfit is not None:
            raise _rejection(cls, definition.problems, unfit) from unfit
        self._shape = definition.shape
        self._needs_proof = definition.needs_proof
        self._has_nested_aggregates = definition.has_nested_aggregates
        self._is_aggregate = issubclass(origin, AggregateMark)
        self._to_json = partial(self._adapter.serializer.to_json, round_trip=True, by_alias=False, warnings="error")
        validate: Any = self._adapter.validator.validate_json
        self._validate = partial(validate, strict=True, **BY_NAME)

    def dump(self, value: T) -> bytes:
        """Return the object as JSON, in UTF-8.

        Raises:
            JsonMismatchError: a value does not fit its field, or would not come back.
        """
        written = self._written(value)
        if self._needs_proof:
            self._prove(value, written)
        return written

    def dump_and_load(self, value: T) -> tuple[bytes, T]:
        """Return the object as JSON, and the same as `load` makes it of that.

        Raises:
            JsonMismatchError: as `dump`.
        """
        written = self._written(value)
        return written, self._prove(value, written)

    def load(self, data: bytes | str) -> T:
        """Return the object; the events that it records while it is made are dropped.

        Raises:
            JsonMismatchError: the data is no JSON, or does not fit the class.
        """
        try:
            value = self._validate(data)
        except ValidationError as error:
            value = self._read_again(data, error)
        except Exception as error:  # of a `__post_init__`
            raise _raised(error) from error
        if value is None:
            raise mismatch([((), "found null, where an object is declared")])
        if self._is_aggregate and not self._has_nested_aggregates:
            value.clear_events()
        elif self._has_nested_aggregates:
            self._shape.drop_events(value)
        return value  # type: ignore[no-any-return]  # what the validator of the class has made

    def dump_object(self, value: T) -> dict[str, Any]:
        """Return what `dump` writes as parsed JSON.

        Raises:
            JsonMismatchError: as `dump`.
        """
        return self.parsed(self.dump(value))

    @staticmethod
    def parsed(written: bytes) -> dict[str, Any]:
        """Return what `dump` has written as parsed JSON."""
        parsed: dict[str, Any] = from_json(written)
        return parsed

    def load_object(self, data: object) -> T:
        """Return the object of parsed JSON.

        Raises:
            JsonMismatchError: as `load`; or it contains what no JSON does.
        """
        try:
            text = to_json(data, inf_nan_mode="constants", bytes_mode="base64")
        except (PydanticSerializationError, RecursionError, ValueError) as error:
            raise mismatch([((), "is no JSON")]) from error
        return self.load(text)

    def schema(
        self, mode: Literal["validation", "serialization"], generator: type[GenerateJsonSchema] | None = None
    ) -> dict[str, Any]:
        """Return the JSON schema that pydantic makes, as read or as written; by the names of the fields."""
        return schema_of(self._adapter, mode, generator)

    def differences(self, value: T, read: T) -> tuple[tuple[str, str], ...]:
        """Return the path of each field that is another value in what was read, with what is wrong."""
        return mismatch(self._shape.differences(value, read, ())).problems

    def _written(self, value: T) -> bytes:
        try:
            if not self._shape.fits(value) or (self._aware and not self._is_aware(value)):
                self._reject_unfit(value)
            written = self._to_json(value)
        except JsonMismatchError:
            raise
        except (PydanticSerializationError, RecursionError, ValueError) as error:
            raise self._unwritable(value) from error
        if len(written) > _DIGITS:
            self._reject_unread(value, written)
        return written

    def _reject_unfit(self, value: T) -> None:
        problems = list(self._problems(value))
        if problems:
            raise mismatch(problems)

    def _problems(self, value: T) -> Iterator[Problem]:
        yield from self._shape.problems(value, ())
        for name in self._aware:
            if _is_naive(getattr(value, name, None)):
                yield (name,), "has no time zone; use datetime.now(timezone.utc)"

    def _is_aware(self, value: T) -> bool:
        return not any(_is_naive(getattr(value, name)) for name in self._aware)

    def _unwritable(self, value: T) -> JsonMismatchError:
        try:
            problems = list(self._problems(value))
        except RecursionError:
            problems = []
        return mismatch(problems or [((), _UNWRITABLE)])

    def _reject_unread(self, value: T, written: bytes) -> None:
        # So many digits reach over one of these places; here they are found without looking at all of a large JSON.
        for at in range(_DIGITS, len(written), _DIGITS):
            if written[at - 40 : at].isdigit() or written[at : at + 40].isdigit():
                self._reject_unfit(value)
                return

    def _prove(self, value: T, written: bytes) -> T:
        """Return what is read; raise JsonMismatchError if that is not the same object."""
        try:
            read = self.load(written)
        except JsonMismatchError as error:
            problems = tuple((path, f"would not be read: {problem}") for path, problem in error.problems)
            raise JsonMismatchError(problems) from error
        differences = list(self._shape.differences(value, read, ()))
        if differences:
            raise mismatch(differences)
        return read

    def _read_again(self, data: bytes | str, error: ValidationError) -> Any:
        """Read JSON with numbers that are not finite: they are written as texts, which a strict reader rejects."""
        details = error.errors(include_url=False, include_context=False)
        texts = [one for one in details if one["type"] == "float_type" and _is_not_finite(one["input"])]
        if not texts:
            raise mismatch(map(_problem, details)) from error
        parsed = from_json(data)
        for one in texts:
            _replace(parsed, one)
        try:
            return self._validate(to_json(parsed, inf_nan_mode="constants"))
        except ValidationError as second:
            raise mismatch(map(_problem, second.errors(include_url=False, include_context=False))) from second
        except Exception as second:
            raise _raised(second) from second


_UNWRITABLE: Final = (
    "is not written: it contains itself, or is more than 200 levels deep, or contains a value that is not of its own "
    "declared type"
)


def _is_naive(value: object) -> bool:
    return getattr(value, "tzinfo", ...) is None


def _is_not_finite(value: object) -> bool:
    return isinstance(value, str) and value in _NOT_FINITE


def _replace(parsed: Any, error: ErrorDetails) -> None:
    """Put the number in the place of its text. The location also names members of unions, which are no places."""
    place: Any = parsed
    owner: Any = None
    key: Any = None
    for step in error["loc"]:
        if _contains(place, step):
            owner, key, place = place, step, place[step]
    if owner is not None and _is_not_finite(place):
        owner[key] = _NOT_FINITE[place]


def _contains(place: Any, step: str | int) -> bool:
    if isinstance(step, int):
        return type(place) is _LIST and step < len(place)
    return type(place) is _DICT and step in place


def _problem(error: ErrorDetails) -> Problem:
    return tuple(map(str, error["loc"])), error["msg"]


def _raised(error: Exception) -> JsonMismatchError:
    return mismatch([((), f"making the object raised {class_text(type(error))}")])


def _rejection(cls: Any, problems: list[tuple[str, str]], unfit: Exception | None) -> NoJsonError:
    return NoJsonError(_rejection_text(cls, problems, unfit), tuple(problems))


def _rejection_text(cls: Any, problems: list[tuple[str, str]], unfit: Exception | None) -> str:
    name = class_text(cls)
    lines = [f"{path}: {problem}" if path else problem for path, problem in problems]
    if not lines and "freezegun" in str(unfit):
        return (
            f"{name} declares times, and freezegun stands in for their class; make it known before the clock is frozen"
        )
    if not lines:
        return f"{name} has no JSON: {unfit}"
    if len(lines) == 1:
        return f"{name} would not come back from JSON as it was written: {lines[0]}"
    return "\n  ".join((f"{name} would not come back from JSON as it was written:", *lines))
