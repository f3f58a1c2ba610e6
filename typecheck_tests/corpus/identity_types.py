"""Types of identities that are the same under two names."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NewType, Optional, TypeVar, Union
from uuid import UUID, uuid4

from pydantic import UUID4, Field, PositiveInt, StringConstraints
from typing_extensions import TypeAlias

from dddkit import dataclasses as dc
from dddkit import pydantic as pd

if TYPE_CHECKING:
    from decimal import Decimal

BasketId: TypeAlias = UUID
AnyId = Union[int, str]
Code = Annotated[str, StringConstraints(to_upper=True)]
Number = NewType("Number", int)
T = TypeVar("T", bound=AnyId)


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Basket(dc.Aggregate):
    id: BasketId


@dataclass
class Either(dc.Aggregate):
    id: AnyId


@dataclass
class Account(dc.Aggregate):
    account_id: "Number | None" = None


class Model(pd.Aggregate):
    id: PositiveInt


class Coded(pd.Aggregate):
    code: pd.Identity[Code]


class Uuid(pd.Aggregate):
    id: UUID4 = Field(default_factory=uuid4)


class Coloured(pd.Aggregate):
    id: Literal[Colour.RED] | Colour = Colour.RED


@dataclass
class Priced(dc.Aggregate):
    id: Decimal


@dataclass
class Generalised(dc.Aggregate, Generic[T]):
    id: T


@dataclass
class Tupled(dc.Aggregate):
    id: tuple[int, ...] = ()


class Baskets(dc.InMemoryRepository["Basket", "UUID"]): ...


class Eithers(dc.InMemoryRepository[Either, "str | int"]): ...


class Accounts(dc.InMemoryRepository[Account, Optional[Number]]): ...


class Models(pd.InMemoryRepository[Model, int]): ...


class Codeds(pd.InMemoryRepository[Coded, str]): ...


class Uuids(pd.InMemoryRepository[Uuid, UUID]): ...


class Coloureds(pd.InMemoryRepository[Coloured, Colour]): ...


class Priceds(dc.InMemoryRepository[Priced, "Decimal"]): ...


class Ints(dc.InMemoryRepository[Generalised[int], int]): ...


class All(dc.InMemoryRepository[Generalised[T], T]): ...


class Tupleds(dc.InMemoryRepository[Tupled, tuple[int, ...]]): ...


class Anything(dc.InMemoryRepository[Any, Any]): ...


direct = dc.InMemoryRepository[Basket, BasketId]()
assert Basket(uuid4()) != Basket(uuid4())
assert Generalised(1) == Generalised(1)
assert Model(id=1) == Model(id=1)
assert Coded(code="a").code == "A"
assert all([Baskets(), Eithers(), Accounts(), Models(), Codeds(), Uuids(), Coloureds(), Ints(), All[str](), Tupleds()])
assert all([direct, Priceds(), Anything()])
