"""`frozen=True` prevents assignment to a field, but not changes of its value."""

from __future__ import annotations

from typing import Final

from mypy.nodes import TypeInfo

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.blocks.contents import Field, FieldReader, report_fields

CODE: Final = codes.MUTABLE_FIELD

_FROZEN: Final = (*names.EVENTS, *names.VALUE_OBJECTS)

_ADVICE: Final = {
    "builtins.bytearray": "hold bytes",
    "typing.MutableSequence": "hold a tuple",
    "typing.MutableSet": "hold a frozenset",
    "typing.MutableMapping": "hold a Mapping, or a tuple of pairs",
    "typing._TypedDict": "hold a value object",
    names.IDENTIFIED: "hold its id",
}


def check(ctx: ClassContext) -> None:
    """Report the fields that contain a list, a dict, a set or an entity, directly or in a container."""
    report_fields(ctx, _FROZEN, CODE, _message)


def _message(reader: FieldReader, info: TypeInfo, field: Field) -> str | None:
    is_event = any(info.has_base(base) for base in names.EVENTS)
    kind = "an event" if is_event else "a value object"
    for found in reader.contents(field.type):
        for base, advice in _ADVICE.items():
            if base == names.IDENTIFIED and not is_event:
                continue  # dddkit-value-object-entity reports it
            if found.info.has_base(base):
                what = found.name
                if found.variable is None:
                    what = f"{'an' if what[0] in 'AEIOU' else 'a'} {what}"
                return f"{info.name} is {kind}, but {field.name} holds {what}, which can change; {advice}"
    return None


RULE: Final = Rule(
    code=CODE,
    reason=(
        "A frozen object that holds a list is frozen in name only: one handler can append to what the next one reads, "
        "and an object with a list, dict or set in it has no hash. This rule is for projects that want them frozen "
        "all the way down."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.dataclasses import DomainEvent


@dataclass(frozen=True, kw_only=True)
class OrderPaid(DomainEvent):
    order_id: int
    skus: list[str]
""",
    good="""\
from dataclasses import dataclass

from dddkit.dataclasses import DomainEvent


@dataclass(frozen=True, kw_only=True)
class OrderPaid(DomainEvent):
    order_id: int
    skus: tuple[str, ...]
""",
    checks=(OnClass(_FROZEN, check),),
)
