"""The values without parts that JSON holds whole, and which of them it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path, PurePath
from types import NoneType
from typing import Any, Final
from uuid import UUID

from dddkit._json.forms import Form
from dddkit._json.mismatch import class_text
from dddkit._json.shapes import Scalar

__all__ = ["KEYS", "enum_of", "literal_of", "scalar_of"]

_UTC: Final = timezone.utc
_MINUTE: Final = timedelta(minutes=1)
_NO_OFFSET: Final = timedelta()


def scalar_of(declared: Any) -> Scalar | None:
    """Return the shape of a class of the standard library; None for any other type."""
    if getattr(declared, "__module__", "").startswith("freezegun"):  # stands in for the class it derives from
        declared = next(base for base in declared.__mro__ if base.__module__ == "datetime")
    return _SCALARS.get(declared)


def enum_of(cls: type[Enum]) -> Scalar | str:
    """Return the shape of an Enum, or why there is none."""
    values: list[object] = [member.value for member in cls.__members__.values()]
    if not values:
        return "has no members"
    if any(type(value) not in (int, str) for value in values):
        return f"the members of {class_text(cls)} have values that JSON does not hold; give them str or int values"
    if any(map(_is_beyond, values)):
        return f"the members of {class_text(cls)} have values that are not read; {_BEYOND}"
    # The members of a Flag are combined to further values.
    form = Form.of("int") if issubclass(cls, Flag) else Form.of_values(values)
    return Scalar(class_text(cls), form, cls)


def literal_of(values: tuple[object, ...]) -> Scalar | str:
    """Return the shape of a Literal, or why there is none."""
    plain: list[object] = []
    for value in values:
        if isinstance(value, Enum) and isinstance(value, (str, int)) and type(value.value) in (str, int):
            plain.append(value.value)
        elif value is None or type(value) in (str, int, bool):
            plain.append(value)
        else:
            return (
                f"the {class_text(type(value))} in its Literal does not read back; "
                f"use str and int values, or an Enum that is a str as well"
            )
    if any(map(_is_beyond, plain)):
        return f"the values of its Literal are not read; {_BEYOND}"
    known = {(type(value), value) for value in values}
    if len({(type(value), value) for value in plain}) < len(known):
        return "the values of its Literal are written alike; leave one of them out"
    declared = " | ".join(repr(value) for value in plain)  # from the program's text, so no secret

    def refusal(value: object) -> str | None:
        is_one = (type(value), value) in known
        return None if is_one else f"found another {class_text(type(value))}, where {declared} is declared"

    return Scalar(declared, _form_of_literal(plain), *{type(value) for value in values}, refusal=refusal)


def _form_of_literal(values: list[object]) -> Form:
    form = Form.of_values(values)
    equal = {(other, other(value)) for value in values if value in (0, 1) for other in (bool, int)}
    if not equal:
        return form
    # Literal[0] reads false, if no other member of a union does, since the two are equal.
    return replace(form, reads=form.reads | {"bool", "int"}, also=frozenset(equal))


def _is_beyond(value: object) -> bool:
    """Return whether it is one of the listed values that pydantic does not find again."""
    if isinstance(value, str):
        return _text(value) is not None
    return type(value) is int and not -(2**63) <= value < 2**63


_BEYOND: Final = "use ints of 64 bits, and texts without surrogates"


def _text(value: str) -> str | None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds a lone surrogate, which UTF-8 does not have; remove it"
    return None


def _whole_number(value: int) -> str | None:
    # What Python itself refuses to read by default, since it would take long.
    return None if abs(value) < _TOO_LONG else "has more than 4,000 digits, which would not be read; write it as text"


# Not 10**4000: mypy caches the value of that, and where orjson is installed, mypy 1.19 cannot read it again.
_TOO_LONG: Final = pow(10, 4000)


def _number(value: float) -> str | None:
    if isinstance(value, float):
        return None
    try:
        exact = float(value) == value
    except OverflowError:
        exact = False
    return None if exact else "is an int that a float does not hold; declare int"


def _decimal(value: Decimal) -> str | None:
    return None if value.is_finite() else "is not finite, and would not be read; declare float, or leave it out"


def _moment(value: Any) -> str | None:  # Any: a datetime or a time
    if value.tzinfo is None or value.tzinfo is _UTC:
        return None
    offset: timedelta | None = value.utcoffset()
    if offset is None:
        return "has a time zone without an offset, which would be lost; take it off, or write a timezone"
    if offset % _MINUTE != _NO_OFFSET:
        return "has an offset with seconds, which would be lost; convert it to UTC"
    return None


def _frozen(cls: type) -> Callable[[Any], bool]:
    """Return what tells the class that freezegun puts in the place of one: to the reader they are the same."""
    return lambda value: isinstance(value, cls) and type(value).__module__.startswith("freezegun")


def _is_uuid(value: object) -> bool:
    return isinstance(value, UUID)  # asyncpg has a class of its own, whose objects equal those of the standard library


def _same_moment(written: Any, read: Any) -> bool:  # Any: datetimes or times
    # `==` says no to every time of an hour that the clock goes through twice, if the zones are of two kinds.
    return _clock_and_offset(written) == _clock_and_offset(read)


def _clock_and_offset(value: Any) -> tuple[Any, timedelta | None]:
    return value.replace(tzinfo=None, fold=0), value.utcoffset()


def _same_decimal(written: Decimal, read: Decimal) -> bool:
    return str(written) == str(read)  # 1.0 == 1.00


_STR: Final = Form.of("str")
_DECIMAL: Final = Form.of("str", reads=("int", "float"))
_FLOAT: Final = Form.of("float", "int", "str")  # non-finite ones are texts

_SCALARS: Final[dict[object, Scalar]] = {
    None: Scalar("None", Form.of_values([None]), NoneType),
    NoneType: Scalar("None", Form.of_values([None]), NoneType),
    bool: Scalar("bool", Form.of("bool"), bool),
    int: Scalar("int", Form.of("int"), int, refusal=_whole_number, late=True),
    float: Scalar("float", _FLOAT, float, like=lambda value: type(value) is int, refusal=_number, late=True),
    str: Scalar("str", _STR, str, refusal=_text, late=True),
    bytes: Scalar("bytes", _STR, bytes),
    UUID: Scalar("UUID", _STR, UUID, like=_is_uuid),
    Decimal: Scalar("Decimal", _DECIMAL, Decimal, refusal=_decimal, same=_same_decimal),
    datetime: Scalar("datetime", _STR, datetime, like=_frozen(datetime), refusal=_moment, same=_same_moment),
    date: Scalar("date", _STR, date, like=_frozen(date)),
    time: Scalar("time", _STR, time, refusal=_moment, same=_same_moment),
    timedelta: Scalar("timedelta", _STR, timedelta),
    # Those of this system: a path of another one reads back as another path.
    Path: Scalar("Path", _STR, type(Path()), refusal=lambda value: _text(str(value)), late=True),
    PurePath: Scalar("PurePath", _STR, type(PurePath()), refusal=lambda value: _text(str(value)), late=True),
    **{
        cls: Scalar(cls.__name__, _STR, cls)
        for cls in (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)
    },
}

KEYS: Final = frozenset({str, int, UUID, Decimal, date, datetime, time, timedelta, Path, PurePath})
"""Which of them are keys of a mapping whose text reads back."""
