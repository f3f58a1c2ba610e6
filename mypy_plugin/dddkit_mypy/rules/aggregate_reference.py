"""An aggregate is loaded and saved as a whole: one inside another is saved by two repositories."""

from __future__ import annotations

from typing import Final

from mypy.nodes import TypeInfo

from dddkit_mypy import _codes as codes
from dddkit_mypy import _names as names
from dddkit_mypy import mypy_api
from dddkit_mypy._rule import ClassContext, OnClass, Rule
from dddkit_mypy.blocks.contents import Field, FieldReader, report_fields

CODE: Final = codes.AGGREGATE_REFERENCE

_ENTITIES: Final = (names.IDENTIFIED,)


def check(ctx: ClassContext) -> None:
    """Report the fields that contain an aggregate which is neither the class itself nor its own root."""
    report_fields(ctx, _ENTITIES, CODE, _message)


def _message(reader: FieldReader, info: TypeInfo, field: Field) -> str | None:
    for found in reader.contents(field.type):
        if found.info.has_base(names.RECORDING) and not _is_own(reader, info, found.info):
            return (
                f"{info.name}.{field.name} holds the aggregate {found.name}; hold its id instead, and load it "
                f"from its own repository"
            )
    return None


def _is_own(reader: FieldReader, info: TypeInfo, aggregate: TypeInfo) -> bool:
    """Whether an aggregate is the class itself, a parent or child of it, or the root of the entity."""
    if info.has_base(aggregate.fullname) or aggregate.has_base(info.fullname):
        return True
    if info.has_base(names.RECORDING):
        return False  # a root itself
    if info.fullname.startswith(f"{aggregate.fullname}."):
        return True  # the class is declared inside the aggregate
    return any(
        info.has_base(found.info.fullname) or found.info.has_base(info.fullname)
        for field in reader.fields(mypy_api.self_type(aggregate))
        for found in reader.contents(field.type, _belongs_to_its_owner)
        if found.info.has_base(names.IDENTIFIED)
    )


def _belongs_to_its_owner(info: TypeInfo) -> bool:
    """Whether objects of a class belong to the object that contains them: entities and value objects do."""
    return (info.has_base(names.IDENTIFIED) and not info.has_base(names.RECORDING)) or any(
        info.has_base(base) for base in names.VALUE_OBJECTS
    )


RULE: Final = Rule(
    code=CODE,
    reason=(
        "An aggregate is what one transaction loads, changes and saves. One that another holds is loaded and saved "
        "with it, and again through its own repository, and whoever comes last wins. An entity may hold the root it "
        "belongs to, and an aggregate others of its own class. This rule is for projects that draw that line."
    ),
    bad="""\
from dataclasses import dataclass

from dddkit.dataclasses import Aggregate


@dataclass(kw_only=True)
class Customer(Aggregate):
    id: int


@dataclass(kw_only=True)
class Order(Aggregate):
    id: int
    customer: Customer
""",
    good="""\
from dataclasses import dataclass

from dddkit.dataclasses import Aggregate


@dataclass(kw_only=True)
class Customer(Aggregate):
    id: int


@dataclass(kw_only=True)
class Order(Aggregate):
    id: int
    customer_id: int
""",
    checks=(OnClass(_ENTITIES, check),),
)
