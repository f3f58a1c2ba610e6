"""An aggregate is loaded and saved as a whole: one inside another has two repositories, and no owner."""

from __future__ import annotations

from typing import Final

from mypy.nodes import TypeInfo

from dddkit_mypy import _holding as holding
from dddkit_mypy import _mypy_api as mypy_api
from dddkit_mypy import _names as names
from dddkit_mypy._rule import ClassContext, OnClass, Rule, new_code

_TITLE: Final = "Aggregates refer to each other by id"
CODE: Final = new_code("dddkit-aggregate-reference", _TITLE, opt_in=True)

_ENTITIES: Final = (names.IDENTIFIED,)


def check(ctx: ClassContext) -> None:
    """Report the fields that hold an aggregate which is neither the class itself nor the root it belongs to."""
    holding.report_fields(ctx, _ENTITIES, CODE, _what)


def _what(reader: holding.Reader, info: TypeInfo, field: holding.Field) -> str | None:
    for held in reader.held(field.type):
        if held.info.has_base(names.RECORDING) and not _is_own(reader, info, held.info):
            return (
                f"{info.name}.{field.name} holds the aggregate {held.info.name}; hold its id instead, and load it from "
                f"its own repository"
            )
    return None


def _is_own(reader: holding.Reader, info: TypeInfo, aggregate: TypeInfo) -> bool:
    """Whether an aggregate is the same one, of the same family, or the root of the entity."""
    if info.has_base(aggregate.fullname) or aggregate.has_base(info.fullname):
        return True
    if info.has_base(names.RECORDING):
        return False  # a root itself
    if info.fullname.startswith(f"{aggregate.fullname}."):
        return True  # declared inside
    return any(
        info.has_base(held.info.fullname) or held.info.has_base(info.fullname)
        for field in reader.fields(mypy_api.self_type(aggregate))
        for held in reader.held(field.type, _belongs_to_its_holder)
        if held.info.has_base(names.IDENTIFIED)
    )


def _belongs_to_its_holder(info: TypeInfo) -> bool:
    """Whether what a class holds is part of what holds it: of entities and value objects, not of other aggregates."""
    return (info.has_base(names.IDENTIFIED) and not info.has_base(names.RECORDING)) or any(
        info.has_base(base) for base in names.VALUE_OBJECTS
    )


RULE: Final = Rule(
    code=CODE,
    title=_TITLE,
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
