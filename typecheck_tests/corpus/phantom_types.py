"""Typed references: a type parameter that names an entity, and holds none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from dddkit.dataclasses import Aggregate, Entity, Identity, InMemoryRepository, ValueObject

E = TypeVar("E", bound=Entity)
A_co = TypeVar("A_co", covariant=True, bound=Aggregate)


@dataclass(frozen=True)
class Ref(ValueObject, Generic[E]):
    """The identity of an entity of the class."""

    number: int

    def is_of(self, entity: E) -> bool:
        return bool(hash(entity))


class Named(Protocol):
    name: str


@dataclass
class Customer(Aggregate):
    customer_id: int
    name: str = ""


class Query(Generic[A_co]):
    """A plain class: what it holds is its own affair."""

    def __init__(self, text: str) -> None:
        self.text = text


@dataclass(frozen=True)
class Filter(ValueObject):
    customer: Ref[Customer]
    others: tuple[Ref[Customer], ...] = ()
    query: Query[Customer] | None = None
    sort: Callable[[Iterable[Customer]], list[Customer]] = list
    kind: type[Customer] | None = None
    anything: Any = None
    thing: object = field(default=None)
    named: Named | None = None


@dataclass
class Order(Aggregate):
    number: Identity[Ref[Order]]
    customer: Ref[Customer]


class Orders(InMemoryRepository[Order, Ref[Order]]):
    pass


ada = Customer(1)
chosen = Filter(Ref(1), query=Query("q"))
assert chosen == Filter(Ref(1), query=chosen.query)
assert Ref[Customer](1).is_of(ada)
assert Order(Ref(1), Ref(2)) == Order(Ref(1), Ref(3))
assert Orders()
