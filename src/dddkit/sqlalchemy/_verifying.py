"""Reading back what was written, in tests: every field has to be what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from dddkit._core.copying import OUR_SLOTS
from dddkit.exceptions import UnitError
from dddkit.sqlalchemy._document_table import Row
from dddkit.sqlalchemy._tracking import Tracked
from sqlalchemy import Connection

__all__ = ["verify"]


def verify(connection: Connection, unit: str, tracked: Tracked) -> None:
    """Raise UnitError where the stored row does not come back as the aggregate is, naming the field."""
    row = connection.execute(tracked.table.one, {"the_key": tracked.key}).first()
    if row is None:
        return
    path = difference(tracked.aggregate, tracked.table.load(unit, Row._make(row)))
    if path is not None:
        raise UnitError(
            unit,
            f"{tracked.table.shown(tracked.key)} does not come back as it was: {path or 'it'} is another value when it "
            f"is read again; store it in another type, or write a validator that restores it",
        )


def difference(one: object, other: object) -> str | None:
    """Return the path of the first value that differs; None where all are the same."""
    if type(one) is not type(other):
        return ""
    if isinstance(one, datetime) and isinstance(other, datetime) and one.tzinfo is not None:
        return None if one == other else ""  # the instant; the zone is none of the document
    values: Any = one  # Any: what it is of is not known
    others: Any = other
    if isinstance(values, Mapping):
        return _first_of(values, others)
    if isinstance(values, Sequence) and not isinstance(values, (str, bytes, bytearray)):
        return _first_of(dict(enumerate(values)), dict(enumerate(others)))
    if isinstance(values, Set):
        # Entities are equal by their identities; look at both of those that are.
        there = {member: member for member in others}
        same = values == others and all(difference(member, there[member]) is None for member in values)
        return None if same else ""
    fields, others_fields = _fields(one), _fields(other)
    if fields is None or others_fields is None:
        return None if one == other or (one != one and other != other) else ""  # NaN
    return _first_of(fields, others_fields)


def _first_of(ones: Mapping[Any, Any], others: Mapping[Any, Any]) -> str | None:
    if list(ones) != list(others):
        return ""
    for name, value in ones.items():
        path = difference(value, others[name])
        if path is not None:
            return f"{name}.{path}" if path else str(name)
    return None


def _fields(value: object) -> dict[str, Any] | None:
    """Return the attributes of an object with fields; None for a value of another kind."""
    cls = type(value)
    if cls.__module__ == "builtins" or not (hasattr(cls, "__dataclass_fields__") or hasattr(cls, "model_fields")):
        return None
    fields: dict[str, Any] = dict(getattr(value, "__dict__", {}))
    fields.update(getattr(value, "__pydantic_private__", None) or {})
    for name in getattr(cls, "__dataclass_fields__", ()):
        if name not in OUR_SLOTS and hasattr(value, name):
            fields[name] = getattr(value, name)
    return dict(sorted(fields.items()))
