"""`frozen=True` keeps a field from being assigned, not what it holds from being changed."""

from __future__ import annotations

from typing import Final

from mypy.nodes import TypeInfo

from dddkit_mypy import _holding as holding
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnClass, Rule, new_code

_TITLE: Final = "No event or value object holds what can be changed"
CODE: Final = new_code("dddkit-mutable-field", _TITLE, opt_in=True)

_FROZEN: Final = (*names.EVENTS, *names.VALUE_OBJECTS)

_ADVICE: Final = {
    "typing.MutableSequence": "hold a tuple",
    "typing.MutableSet": "hold a frozenset",
    "typing.MutableMapping": "hold a Mapping, or a tuple of pairs",
    "typing._TypedDict": "hold a value object",
    names.IDENTIFIED: "hold its id",
}


def check(ctx: ClassContext) -> None:
    """Report the fields that hold a list, a dict, a set or an entity, or a container of these."""
    holding.report_fields(ctx, _FROZEN, CODE, _what)


def _what(reader: holding.Reader, info: TypeInfo, field: holding.Field) -> str | None:
    is_event = any(info.has_base(base) for base in names.EVENTS)
    kind = "an event" if is_event else "a value object"
    for held in reader.held(field.type):
        for base, advice in _ADVICE.items():
            if base == names.IDENTIFIED and not is_event:
                continue  # said by default already: dddkit-value-object-entity
            if held.info.has_base(base):
                name = held.info.name
                article = "an" if name[0] in "AEIOU" else "a"
                return f"{info.name} is {kind}, but {field.name} holds {article} {name}, which can change; {advice}"
    return None


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
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
