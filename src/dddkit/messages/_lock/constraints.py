"""Which of two values of a JSON schema's keyword is the stricter one."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

# A greater one is stricter, a lower one is stricter; any other keyword only tells the same from another.
_LOWER: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER: Final = frozenset(
    {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxDigits", "decimalPlaces"}
)


def is_as_strict(keyword: str, one: object, other: object) -> bool:
    """Whether one value of a keyword accepts nothing that the other rejects; None is a keyword left out."""
    if one == other:
        return True
    if one is None or other is None:
        return other is None
    if keyword == "bits":
        return isinstance(one, int) and isinstance(other, int) and one & ~other == 0
    if not are_ordered(keyword, one, other):
        return False
    return (number(one) >= number(other)) is (keyword in _LOWER)


def are_ordered(keyword: str, *values: object) -> bool:
    return keyword in _LOWER | _UPPER and all(map(_is_number, values))


def number(value: object) -> Decimal:
    return Decimal(str(value))


def _is_number(value: object) -> bool:
    try:
        return number(value).is_finite()
    except ArithmeticError:  # a date
        return False
