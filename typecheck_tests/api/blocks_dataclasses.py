"""What checkers say about the building blocks as dataclasses. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NewType
from uuid import UUID

from typing_extensions import assert_type

from dddkit.dataclasses import (
    Aggregate,
    AggregateEvent,
    DomainEvent,
    Entity,
    Identity,
    InMemoryRepository,
    Repository,
    SyncRepository,
    ValueObject,
    evolve,
)

ProductName = NewType("ProductName", str)
ProductId = NewType("ProductId", int)
BasketId = NewType("BasketId", int)


@dataclass(kw_only=True)
class Product(Entity):
    product_id: ProductId
    name: ProductName
    amount: float = 0


@dataclass(frozen=True, kw_only=True)
class Money(ValueObject):
    amount: int


class Cents(ValueObject, int):
    """A number that is a value of the domain."""


@dataclass(frozen=True)
class Unit(ValueObject):
    code: str


class Units(Unit, Enum):
    gram = "g"


assert_type(Cents(7), Cents)
assert_type(Units.gram.code, str)


@dataclass(kw_only=True)
class Basket(Aggregate):
    basket_id: Identity[BasketId]
    items: dict[ProductId, Product] = field(default_factory=dict[ProductId, Product])

    @dataclass(frozen=True, kw_only=True)
    class Created(AggregateEvent):
        """Somebody has taken a basket."""

    @dataclass(frozen=True, kw_only=True)
    class AddedItem(AggregateEvent):
        item: Product

    @classmethod
    def new(cls, basket_id: BasketId) -> Basket:
        basket = cls(basket_id=basket_id)
        basket.add_event(cls.Created())
        return basket

    def changes(self) -> list[AggregateEvent]:
        return self.get_events()

    def add_item(self, item: Product) -> None:
        if _item := self.items.get(item.product_id):
            _item.amount = item.amount
            self.add_event(self.AddedItem(item=_item))


@dataclass(frozen=True)
class ProductCreated(DomainEvent):
    product_id: ProductId
    name: str = ""


basket = Basket.new(BasketId(1))
assert_type(basket.basket_id, BasketId)
assert_type(basket == basket, bool)
assert_type(hash(basket), int)

assert_type(evolve(basket, items={}), Basket)
assert_type(evolve(basket), Basket)
created = ProductCreated(ProductId(1), "tea", version=2)
assert_type(created.id, UUID)
assert_type(created.version, int)
assert_type(created.occurred_on, datetime)
assert_type(Basket.AddedItem(item=basket.items[ProductId(1)]).occurred_on, datetime)


class BasketRepository(Repository[Basket, BasketId]):
    """Declared for its type; made complete elsewhere."""


class StoredBaskets(BasketRepository):
    async def save(self, basket: Basket) -> None: ...

    async def get(self, basket_id: BasketId) -> Basket | None: ...

    async def delete(self, basket: Basket) -> None: ...


class SyncBaskets(SyncRepository[Basket, BasketId]):
    def save(self, aggregate: Basket) -> None: ...

    def get(self, aggregate_id: int) -> Basket | None: ...

    def delete(self, aggregate: Basket) -> None: ...


async def use(repository: Repository[Basket, BasketId], sync_repository: SyncRepository[Basket, BasketId]) -> None:
    assert_type(await repository.get(BasketId(1)), Basket | None)
    assert_type(sync_repository.get(BasketId(1)), Basket | None)
    await repository.save(basket)
    sync_repository.delete(basket)
    await repository.get(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await repository.save(created)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def provide(in_memory: InMemoryRepository[Basket, BasketId], by_any: Repository[Basket, int]) -> None:
    await use(StoredBaskets(), SyncBaskets())
    await use(in_memory, SyncBaskets())
    await use(by_any, SyncBaskets())  # an Id is only ever given: contravariant
    await use(SyncBaskets(), StoredBaskets())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await in_memory.get(aggregate_id=BasketId(1)), Basket | None)


baskets: InMemoryRepository[Basket, BasketId] = InMemoryRepository()

# Pending events are those of the flavour.


def tell(event: AggregateEvent) -> datetime:
    return event.occurred_on


assert_type(basket.get_events(), list[AggregateEvent])
assert_type(basket.pull_events(), list[AggregateEvent])
assert_type([tell(event) for event in basket.get_events()], list[datetime])
basket.add_event(basket.get_events()[0])


class Narrowed(Basket):
    def get_events(self) -> list[AggregateEvent]:
        return [event for event in super().get_events() if not isinstance(event, self.Created)]


def of_any(aggregate: Aggregate) -> list[AggregateEvent]:
    return aggregate.pull_events()


# Mistakes.

BasketRepository()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]
InMemoryRepository[Product, int]  # type: ignore[type-var]  # pyright: ignore[reportInvalidTypeArguments]
Cents(amount=7)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
ValueObject(7)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Basket()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Basket(basket_id="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
basket.add_event(created)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
basket.add_event(Basket.Created)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
basket.misspelt = 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
created.name = "coffee"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
created.misspelt = 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
Money(amount=1).amount = 2  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
