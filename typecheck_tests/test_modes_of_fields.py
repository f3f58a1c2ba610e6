"""What fields hold, and which of them is the identity, is edited in one module and used in others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from typecheck_tests.modes import Histories, check
from typecheck_tests.running import CONFIG

ENTITIES = """\
from abc import ABC
from dataclasses import dataclass
from dddkit import pydantic
from dddkit.dataclasses import Aggregate, AggregateEvent, Entity

class Base(Entity, ABC): ...

@dataclass(kw_only=True)
class Item(Base):
    id: int

class Model(pydantic.Entity):
    id: int

@dataclass(kw_only=True)
class Order(Aggregate):
    id: int

    class Paid(AggregateEvent): ...

Alias = int
"""
VALUES = """\
from dataclasses import dataclass
from typing import Generic, TypeVar
import entities
from dddkit import pydantic
from dddkit.dataclasses import ValueObject

T = TypeVar("T")

@dataclass(frozen=True)
class Inner(ValueObject, Generic[T]):
    content: T

@dataclass(frozen=True)
class Outer(ValueObject):
    number: entities.Alias

class InnerModel(pydantic.ValueObject):
    number: entities.Alias

class Paid(entities.Order.Paid): ...

@dataclass(frozen=True)
class Mixin:
    number: entities.Alias
"""
HOLDERS = """\
from dataclasses import dataclass
import values
from dddkit import pydantic
from dddkit.dataclasses import ValueObject

@dataclass(frozen=True)
class Holder(ValueObject):
    inner: values.Inner[values.Outer]
    outer: tuple[values.Outer, ...]

class HolderModel(pydantic.ValueObject):
    inner: tuple[values.InnerModel, ...]

@dataclass(frozen=True)
class Mixed(values.Mixin, ValueObject): ...

class MixedModel(pydantic.ValueObject):
    mixed: values.InnerModel | None
"""
AGGREGATES = """\
# mypy: enable-error-code="dddkit-aggregate-reference"
from __future__ import annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING
import values
from dddkit.dataclasses import Aggregate, AggregateEvent, Entity

if TYPE_CHECKING:
    from lines import Line

@dataclass(kw_only=True)
class Basket(Aggregate):
    id: int
    lines: list[Line]

    class Added(AggregateEvent): ...

    def add(self) -> None:
        self.add_event(Basket.Added())
        self.add_event(values.Paid())
"""
LINES = """\
# mypy: enable-error-code="dddkit-aggregate-reference"
from dataclasses import dataclass
from aggregates import Basket
from dddkit.dataclasses import Entity

@dataclass(kw_only=True)
class Line(Entity):
    id: int
    basket: Basket
"""
BLOCKS = {
    "entities.py": ENTITIES,
    "values.py": VALUES,
    "holders.py": HOLDERS,
    "aggregates.py": AGGREGATES,
    "lines.py": LINES,
}
EDITS_OF_BLOCKS: Mapping[str, Mapping[str, str | None]] = {
    "an alias stands for an entity": {"entities.py": ENTITIES.replace("Alias = int", "Alias = Item")},
    "an alias stands for a model": {"entities.py": ENTITIES.replace("Alias = int", "Alias = list[Model]")},
    "a value object holds an entity": {
        "entities.py": ENTITIES,
        "values.py": VALUES.replace("class Outer(ValueObject):", "class Outer(ValueObject):\n    item: entities.Item"),
    },
    "which is none any more": {"entities.py": ENTITIES.replace("Base(Entity, ABC)", "Base(ABC)")},
    "and everything is as it was": BLOCKS,
    "a value object is none any more": {
        "values.py": VALUES.replace("class Outer(ValueObject)", "class Outer"),
        "entities.py": ENTITIES.replace("Alias = int", "Alias = Item"),
    },
    "everything is as it was again": BLOCKS,
    "a line belongs to no basket": {"aggregates.py": AGGREGATES.replace("list[Line]", "list[int]")},
    "a basket is none": {"aggregates.py": AGGREGATES.replace("Basket(Aggregate)", "Basket(Entity)")},
    "a line is no entity": {"aggregates.py": AGGREGATES, "lines.py": LINES.replace("(Entity)", "")},
    "an event is declared inside another aggregate": {
        "values.py": VALUES.replace("class Paid(entities.Order.Paid): ...", "Paid = entities.Order.Paid")
    },
    "which is a child of the own one": {
        "entities.py": "from aggregates import Basket\n"
        + ENTITIES.replace("class Order(Aggregate)", "class Order(Basket)")
    },
    "the blocks are as they were": {**BLOCKS},
}


BLOCKS_SHOW: Final = {
    "dddkit-value-object-entity": "an alias stands for an entity",
    "dddkit-foreign-event": "an event is declared inside another aggregate",
    "dddkit-aggregate-reference": "a line belongs to no basket",
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS_OF_BLOCKS)
def test_every_mode_agrees_on_what_fields_hold(edit: str, histories: Histories) -> None:
    check(histories(CONFIG, BLOCKS, EDITS_OF_BLOCKS), edit, BLOCKS_SHOW)


IDS = "from typing import NewType\nNumber = int\nNew = NewType('New', int)\n"
ABSTRACT = """\
from abc import ABC
from dataclasses import dataclass
from dddkit import pydantic
from dddkit.dataclasses import Entity
from ids import New, Number

@dataclass(kw_only=True)
class Abstract(Entity, ABC):
    number: Number

class AbstractModel(pydantic.Entity, ABC):
    number: Number
"""
CONCRETE = """\
from dataclasses import dataclass
from abstract import Abstract, AbstractModel

@dataclass(kw_only=True)
class Concrete(Abstract):
    name: str

class ConcreteModel(AbstractModel):
    name: str
"""
BASES = {"ids.py": IDS, "abstract.py": ABSTRACT, "concrete.py": CONCRETE}
EDITS_OF_BASES: Mapping[str, Mapping[str, str | None]] = {
    "only a child is edited": {"concrete.py": CONCRETE.replace("name", "title")},
    "an alias is none any more": {"ids.py": IDS.replace("Number = int", "class Number: ...")},
    "the base names a class": {"ids.py": IDS, "abstract.py": ABSTRACT.replace("number: Number", "number: New")},
    "and an alias again": {"abstract.py": ABSTRACT},
}


BASES_SHOW: Final = {"dddkit-missing-identity": "an alias is none any more"}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS_OF_BASES)
def test_every_mode_agrees_on_which_base_has_an_identity(edit: str, histories: Histories) -> None:
    assert check(histories(CONFIG, BASES, EDITS_OF_BASES), edit, BASES_SHOW) <= set(BASES_SHOW)
