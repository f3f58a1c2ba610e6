"""A value is compared by its fields and shared; an entity among them makes it change under everybody's hands."""

from __future__ import annotations

from typing import Final

from mypy.nodes import TypeInfo

from dddkit_mypy import _holding as holding
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnClass, Rule, new_code

_TITLE: Final = "No value object holds an entity"
CODE: Final = new_code("dddkit-value-object-entity", _TITLE)


def check(ctx: ClassContext) -> None:
    """Report the fields that hold an entity or an aggregate, also by way of other value objects."""
    holding.report_fields(ctx, names.VALUE_OBJECTS, CODE, _what)


def _what(reader: holding.Reader, info: TypeInfo, field: holding.Field) -> str | None:
    for held in reader.held(field.type, _is_value_object):
        if held.info.has_base(names.IDENTIFIED):
            kind = "aggregate" if held.info.has_base(names.RECORDING) else "entity"
            way = "".join(f", by way of {step.name}" for step in held.through)
            return (
                f"{info.name}.{field.name} holds the {kind} {held.info.name}{way}, but {info.name} is a value object; "
                f"hold the id of the {kind} instead, or make {info.name} an entity"
            )
    return None


def _is_value_object(info: TypeInfo) -> bool:
    return any(info.has_base(base) for base in names.VALUE_OBJECTS)


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
    reason=(
        "A value object is never changed, so it may be shared, cached and compared by its fields. An entity changes, "
        "wherever it is held, and equals another one by its identity alone: the value would change with it, or equal "
        "one that looks different. It counts at any depth of containers and of other value objects."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.dataclasses import Entity, ValueObject


@dataclass(kw_only=True)
class Customer(Entity):
    id: int
    name: str


@dataclass(frozen=True)
class Address(ValueObject):
    street: str
    residents: tuple[Customer, ...]
""",
    good="""\
from dataclasses import dataclass

from dddkit.dataclasses import Entity, ValueObject


@dataclass(kw_only=True)
class Customer(Entity):
    id: int
    name: str


@dataclass(frozen=True)
class Address(ValueObject):
    street: str
    residents: tuple[int, ...]
""",
    checks=(OnClass(names.VALUE_OBJECTS, check),),
)
