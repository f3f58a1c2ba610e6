"""What the JSON of a type looks like, as far as it tells the members of a union apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ANY", "ARRAY", "NOTHING", "OBJECT", "Form", "can_read"]


@dataclass(frozen=True)
class Form:
    """What a type writes, and what its reader takes: kinds of JSON, or certain values of them."""

    writes: frozenset[str]
    reads: frozenset[str]
    values: frozenset[tuple[type, object]] | None = None
    """All values there are, with their classes, since `1 == True`; None where they are not a few."""
    also: frozenset[tuple[type, object]] = frozenset()
    """Further values that its reader takes."""

    @classmethod
    def of(cls, *kinds: str, reads: tuple[str, ...] = ()) -> Form:
        return cls(frozenset(kinds), frozenset((*kinds, *reads)))

    @classmethod
    def of_values(cls, values: list[object]) -> Form:
        kinds = frozenset(_KINDS[type(value)] for value in values)
        return cls(kinds, kinds, frozenset((type(value), value) for value in values))

    def __or__(self, other: Form) -> Form:
        both = None if self.values is None or other.values is None else self.values | other.values
        return Form(self.writes | other.writes, self.reads | other.reads, both, self.also | other.also)


def can_read(reader: Form, writer: Form) -> bool:
    """Return whether one type could take what the other has written."""
    if not reader.reads & writer.writes:
        return False
    return reader.values is None or writer.values is None or bool((reader.values | reader.also) & writer.values)


_KINDS: Final[dict[type, str]] = {type(None): "null", bool: "bool", int: "int", str: "str"}

NOTHING: Final = Form(frozenset(), frozenset(), frozenset())
ARRAY: Final = Form.of("array")
OBJECT: Final = Form.of("object")
ANY: Final = Form.of("bool", "int", "float", "str", "array", "object")  # the null of an Optional stays apart
