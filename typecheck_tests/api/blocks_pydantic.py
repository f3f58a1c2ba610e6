"""What checkers say about the building blocks as pydantic models. Every `ignore` is a mistake that must be reported."""

from __future__ import annotations

from datetime import datetime
from typing import NewType
from uuid import UUID

from pydantic import Field
from typing_extensions import assert_type

import dddkit.dataclasses
from dddkit.pydantic import (
    Aggregate,
    AggregateEvent,
    DomainEvent,
    Entity,
    EventBroker,
    Identity,
    InMemoryRepository,
    Repository,
    evolve,
)

ProductId = NewType("ProductId", int)
BasketId = NewType("BasketId", int)


class Product(Entity):
    product_id: ProductId
    name: str
    amount: float = 0


class Basket(Aggregate):
    basket_id: Identity[BasketId]
    items: dict[ProductId, Product] = Field(default_factory=dict[ProductId, Product])

    class Created(AggregateEvent):
        """Somebody has taken a basket."""

    class AddedItem(AggregateEvent):
        item: Product

    @classmethod
    def new(cls, basket_id: BasketId) -> Basket:
        basket = cls(basket_id=basket_id)
        basket.add_event(cls.Created())
        return basket

    def changes(self) -> list[AggregateEvent]:
        return self.get_events()


class ProductCreated(DomainEvent):
    product_id: ProductId


class BasketRepository(Repository[Basket, BasketId]):
    """Declared for its type; made complete elsewhere."""


basket = Basket.new(BasketId(1))
assert_type(basket.basket_id, BasketId)
assert_type(basket.model_copy(), Basket)
assert_type(evolve(basket, items={}), Basket)
created = ProductCreated(product_id=ProductId(1))
assert_type(created.id, UUID)
assert_type(created.version, int)
assert_type(created.occurred_on, datetime)
basket.add_event(dddkit.dataclasses.AggregateEvent())  # of either flavour

broker: dddkit.dataclasses.EventBroker = EventBroker()  # there is one
baskets: InMemoryRepository[Basket, BasketId] = InMemoryRepository(broker)


@broker.handle(Basket.Created, ProductCreated)
def note(event: Basket.Created | ProductCreated) -> datetime:
    return event.occurred_on


assert_type(note(created), datetime)

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
basket.add_event(created)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
basket.misspelt = 1  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
# That events and value objects are frozen, mypy knows with pydantic's own plugin, and the run time without.
