"""Values that hold entities, entities without identity, repositories of the wrong type, handlers with gaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Annotated, ClassVar, Generic, NamedTuple, NewType, Optional, TypeVar, Union
from uuid import UUID

import attrs

from dddkit import dataclasses as dc
from dddkit import pydantic as pd

BasketId = NewType("BasketId", int)
T = TypeVar("T")
EntityT = TypeVar("EntityT", bound=dc.Entity)


@dataclass
class Customer(dc.Entity):
    customer_id: int


@dataclass(frozen=True)
class Direct(dc.ValueObject):
    customer: Customer  # E: dddkit-value-object-entity


@attrs.frozen
class Deep(dc.ValueObject):
    customers: Mapping[str, Optional[tuple[Annotated[Customer, "c"], ...]]]  # E: dddkit-value-object-entity


@dataclass(frozen=True)
class Through(dc.ValueObject):
    wrapped: Direct | None = None  # E: dddkit-value-object-entity


@dataclass(frozen=True)
class Holds(dc.ValueObject, Generic[EntityT]):
    one: EntityT  # E: dddkit-value-object-entity


class Model(pd.ValueObject):
    customers: dict[int, Union[int, Customer]] = {}  # E: dddkit-value-object-entity


@dataclass
class Nameless(dc.Aggregate):  # E: dddkit-missing-identity
    name: str


@attrs.define(eq=False)
class WrongName(dc.Entity):  # E: dddkit-missing-identity
    customer_id: int


class OnlyClassVar(pd.Entity):  # E: dddkit-missing-identity
    id: ClassVar[int] = 1
    name: str


class Method(pd.Aggregate):  # E: dddkit-missing-identity
    name: str

    def id(self) -> str:
        return self.name


@dataclass
class Basket(dc.Aggregate):
    basket_id: BasketId

    @dataclass(frozen=True, kw_only=True)
    class Added(dc.AggregateEvent):
        item: str

    class Emptied(dc.AggregateEvent):
        pass

    class Base(dc.AggregateEvent):
        pass


class Other(Basket.Base):
    pass


class Model2(pd.Aggregate):
    id: UUID


class ByUuid(dc.Repository[Basket, UUID]): ...  # E: dddkit-repository-parameters


class ByInt(dc.InMemoryRepository[Basket, str]): ...  # E: dddkit-repository-parameters


class OfEntity(dc.SyncRepository[Customer, int]): ...  # E: dddkit-repository-parameters, type-var


class OfModel(pd.InMemoryRepository[Model2, "str"]): ...  # E: dddkit-repository-parameters


class Bare(dc.Repository): ...  # E: dddkit-repository-parameters, type-arg


class Rows(NamedTuple):
    added: list[str]
    size: int
    note: str = ""


class Gaps(dc.ChangesHandler[Basket, Rows]):  # E: dddkit-unhandled-event, dddkit-changes-result
    result_type = Rows

    def _clear_state(self) -> None:
        self.added = list[str]()
        self.siez = 0

    @singledispatchmethod
    def handle_changes(self, event: dc.AggregateEvent, basket: Basket) -> None:
        raise NotImplementedError

    @handle_changes.register
    def _(self, event: Basket.Added, basket: Basket) -> None:
        self.added.append(event.item)


class ByChild(Gaps):
    size = 0


class Loop(NamedTuple):
    one: int
    two: int


class NotSet(dc.ChangesHandler[Basket, Loop]):  # E: dddkit-changes-result
    result_type = Loop

    def _clear_state(self) -> None:
        for self.one in range(3):
            two = self.one
        del two

    def handle_changes(self, event: object, basket: Basket) -> None: ...
