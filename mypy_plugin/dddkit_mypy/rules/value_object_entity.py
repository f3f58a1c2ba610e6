"""A value object is shared and compared by its fields; an entity in it can change it at any time."""

from __future__ import annotations

from typing import Final

from mypy.nodes import TypeInfo

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.blocks.contents import Field, FieldReader, report_fields
from dddkit_mypy.blocks.search import Search

CODE: Final = codes.VALUE_OBJECT_ENTITY


def check(ctx: ClassContext) -> None:
    """Report the fields that contain an entity or an aggregate, also through other value objects."""
    report_fields(ctx, names.VALUE_OBJECTS, CODE, _message)


def _message(reader: FieldReader, info: TypeInfo, field: Field) -> str | None:
    found = _ENTITIES.first_in(field.type, reader)
    if found is None:
        return None
    kind = "aggregate" if found.info.has_base(names.RECORDING) else "entity"
    is_any = mypy_api.is_ours(found.info) and found.variable is None
    what = f"an {found.name}" if is_any else f"the {kind} {found.name}"
    way = "".join(f", by way of {step.name}" for step in found.through)
    return (
        f"{info.name}.{field.name} holds {what}{way}, but {info.name} is a value object; "
        f"hold the id of the {kind} instead, or make {info.name} an entity"
    )


def _is_value_object(info: TypeInfo) -> bool:
    return any(info.has_base(base) for base in names.VALUE_OBJECTS)


def _is_entity(info: TypeInfo) -> bool:
    return info.has_base(names.IDENTIFIED)


_ENTITIES: Final = Search(_is_value_object, _is_entity)


RULE: Final = Rule(
    code=CODE,
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
